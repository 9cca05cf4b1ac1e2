"""Stands in for vLLM where only the life of its process is tried: answers count, workers sleep."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any


class LLM:
    """Starts a worker process as an engine on several devices does, and notes its number."""

    def __init__(self, **settings: Any) -> None:
        if "refuse" in settings["model"]:
            raise ValueError("No room for the KV cache")
        code = "import time; time.sleep(600)"
        self.worker = subprocess.Popen([sys.executable, "-c", code])
        self.settings = settings
        if "VLLM_PIDS" in os.environ:
            pids = json.dumps([os.getpid(), self.worker.pid])
            Path(os.environ["VLLM_PIDS"]).write_text(pids)
        self.llm_engine = SimpleNamespace(engine_core=SimpleNamespace(shutdown=self.worker.kill))

    def generate(self, prompts: list[Any], params: list[Any], use_tqdm: Any) -> list[Any]:
        bar = use_tqdm(total=len(prompts), desc="Processed prompts")
        outputs = []
        for prompt, one in zip(prompts, params, strict=True):
            time.sleep(float(os.environ.get("VLLM_SLOW", "0")))
            if os.environ.get("VLLM_DIES"):
                os._exit(3)
            ids = prompt["prompt_token_ids"]
            drawn = [(one.seed or 0) % 500] if one.temperature else []
            said = [*drawn, len(ids), *one.stop_token_ids[:1]][: one.max_tokens]
            outputs.append(SimpleNamespace(outputs=[SimpleNamespace(token_ids=said)]))
            bar.update(1)
        bar.close()
        return outputs


class SamplingParams:
    """Holds what it is given."""

    def __init__(self, **given: Any) -> None:
        self.__dict__.update(given)
