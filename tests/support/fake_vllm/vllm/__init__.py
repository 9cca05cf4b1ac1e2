"""Stands in for vLLM where the life of its process is tried, and what it is asked.

Answers count, workers sleep, an adapter adds its number to answers, and the log-probability of a
token is minus its number over a thousand; one below the token before it is the likeliest.
"""

import json
import os
import subprocess
import sys
import time
from itertools import pairwise
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
        self.llm_engine = SimpleNamespace(
            engine_core=SimpleNamespace(shutdown=self.worker.kill), add_lora=self.add_lora
        )
        self.note({"start": settings["model"], "room": settings.get("max_lora_rank", 0)})

    def note(self, what: dict[str, Any]) -> None:
        """Leave a line for the test."""
        if "VLLM_NOTES" in os.environ:
            with Path(os.environ["VLLM_NOTES"]).open("a") as file:
                file.write(json.dumps(what) + "\n")

    def add_lora(self, request: Any) -> bool:
        """Take an adapter whose rank fits, unless the test says otherwise."""
        config = json.loads((Path(request.lora_path) / "adapter_config.json").read_text())
        assert config["r"] <= self.settings["max_lora_rank"]
        assert config["lora_alpha"] == config["r"]
        if "VLLM_REFUSES" in os.environ:
            raise RuntimeError("Loading lora failed") from ValueError("no such\nmodule here")
        self.note({"take": request.lora_int_id, "rank": config["r"]})
        return True

    def generate(
        self, prompts: list[Any], params: list[Any], use_tqdm: Any, lora_request: Any = None
    ) -> list[Any]:
        bar = use_tqdm(total=len(prompts), desc="Processed prompts")
        outputs = []
        for prompt, one in zip(prompts, params, strict=True):
            time.sleep(float(os.environ.get("VLLM_SLOW", "0")))
            if os.environ.get("VLLM_DIES"):
                os._exit(3)
            ids = prompt["prompt_token_ids"]
            drawn = [(vars(one).get("seed") or 0) % 500] if one.temperature else []
            over = 0 if lora_request is None else lora_request.lora_int_id
            said = [*drawn, len(ids) + over, *vars(one).get("stop_token_ids", [])[:1]]
            scores = scored(ids, over) if "prompt_logprobs" in vars(one) else None
            outputs.append(
                SimpleNamespace(
                    outputs=[SimpleNamespace(token_ids=said[: one.max_tokens])],
                    prompt_logprobs=scores,
                )
            )
            assert len(ids) / bar.format_dict["elapsed"]  # as vLLM, for its display
            bar.update(1)
        bar.close()
        return outputs


def scored(ids: list[int], over: int) -> list[Any]:
    """As vLLM tells it: nothing of the first token, and the likeliest besides each."""
    places: list[Any] = [None]
    for before, token in pairwise(ids):
        own = {token: SimpleNamespace(logprob=-(token + over) / 1000)}
        best = {} if token < before else {0: SimpleNamespace(logprob=0.0)}
        places.append({**best, **own} if token else own)
    return places


class SamplingParams:
    """Holds what it is given."""

    def __init__(self, **given: Any) -> None:
        self.__dict__.update(given)
