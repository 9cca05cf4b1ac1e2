"""The process that holds a vLLM engine: token ids in, token ids out, one JSON object a line.

It lives as long as whoever started it: at the end of its input, or when its parent is gone, it
kills its own process group, engine and workers included. So no end of the parent, however sudden,
leaves an engine behind. Run by ``lox_bench.backends.vllm`` alone.
"""

import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import IO, Any, Final

_LOOK_S: Final = 1.0  # between two looks at the parent
Tell = Callable[[Mapping[str, Any]], None]


def main() -> None:
    """Serve until told to close."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's affair
    told = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no message

    def tell(message: Mapping[str, Any]) -> None:
        told.write(json.dumps(message) + "\n")
        told.flush()

    asked: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=_listen, args=(sys.stdin, asked), daemon=True).start()
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()
    try:
        start = time.monotonic()
        engine = _start(asked.get())
        tell({"ready": time.monotonic() - start})
        while not (job := asked.get()).get("close"):
            tell({"answer": _work(engine, job, tell)})
    except Exception as error:
        tell({"error": f"{type(error).__name__}: {' '.join(str(error).split())}"})
        raise
    engine.llm_engine.engine_core.shutdown()


def _listen(source: IO[str], asked: "queue.Queue[dict[str, Any]]") -> None:
    for line in source:
        asked.put(json.loads(line))
    _end_all()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_S)
    _end_all()


def _end_all() -> None:
    """The whole group: it was started as one of its own."""
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _start(settings: Mapping[str, Any]) -> Any:
    from vllm import LLM

    return LLM(**settings)


def _work(engine: Any, job: Mapping[str, Any], tell: Tell) -> list[list[int]]:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    params = [
        SamplingParams(
            temperature=job["temperature"],
            seed=seed,
            max_tokens=job["max_new_tokens"],
            stop_token_ids=job["stops"],
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        for seed in job["seeds"]
    ]
    prompts = [{"prompt_token_ids": ids} for ids in job["prompts"]]
    outputs = engine.generate(prompts, params, use_tqdm=_bar(tell))
    return [list(output.outputs[0].token_ids) for output in outputs]


def _bar(tell: Tell) -> Any:
    """VLLM's own way to report progress is a tqdm bar; this one tells instead of drawing."""
    from tqdm import tqdm

    class Told(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "file": sys.stderr, "mininterval": 1e9})
            self.answers = kwargs.get("desc") == "Processed prompts"

        def update(self, n: float | None = 1) -> Any:
            shown = super().update(n)
            if self.answers:
                tell({"done": int(self.n)})
            return shown

    return Told


if __name__ == "__main__":
    main()
