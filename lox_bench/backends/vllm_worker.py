"""The process that holds a vLLM engine: token ids in, ids or scores out, one JSON object a line.

It lives as long as whoever started it: at the end of its input, or when its parent is gone, it
kills its own process group, engine and workers included. So no end of the parent, however sudden,
leaves an engine behind. Run by ``lox_bench.backends.engine`` alone.
"""

import json
import math
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
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


def _work(engine: Any, job: Mapping[str, Any], tell: Tell) -> Any:
    if "take" in job:
        return _take(engine, job["take"])
    return _scores(engine, job, tell) if "scored" in job else _answers(engine, job, tell)


def _take(engine: Any, adapter: Mapping[str, Any]) -> str:
    """Load an adapter; why it cannot be, or nothing."""
    try:
        engine.llm_engine.add_lora(_request(adapter))
    except Exception as error:  # noqa: BLE001 - told: whoever asked has another way
        reason: BaseException = error
        while reason.__cause__ is not None:
            reason = reason.__cause__  # the outer ones name a folder, and no reason
        return " ".join(str(reason).split()) or type(reason).__name__
    return ""


def _request(adapter: Mapping[str, Any] | None) -> Any:
    from vllm.lora.request import LoRARequest

    if adapter is None:
        return None
    number = adapter["number"]
    return LoRARequest(str(number), number, adapter["folder"])


def _answers(engine: Any, job: Mapping[str, Any], tell: Tell) -> list[list[int]]:
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
    outputs = _generated(engine, job, params, tell)
    return [list(output.outputs[0].token_ids) for output in outputs]


def _scores(engine: Any, job: Mapping[str, Any], tell: Tell) -> list[tuple[float, bool]]:
    """Of the last ``scored`` ids of each row the log-probability, and whether each is likeliest.

    Natural logarithms of the softmax of the logits as they come, before any temperature.
    """
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    one = SamplingParams(
        temperature=0.0,
        max_tokens=1,  # it always wants one
        prompt_logprobs=1,  # of the likeliest besides the row's own
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )
    outputs = _generated(engine, job, [one] * len(job["prompts"]), tell)
    rows = zip(outputs, job["prompts"], job["scored"], strict=True)
    return [_scored(output.prompt_logprobs, ids, count) for output, ids, count in rows]


def _scored(told: Sequence[Any], ids: Sequence[int], count: int) -> tuple[float, bool]:
    places = list(zip(told[-count:], ids[-count:], strict=True))
    own = [place[token].logprob for place, token in places]
    best = [max(each.logprob for each in place.values()) for place, _ in places]
    return math.fsum(own), own == best


def _generated(engine: Any, job: Mapping[str, Any], params: Sequence[Any], tell: Tell) -> Any:
    prompts = [{"prompt_token_ids": ids} for ids in job["prompts"]]
    request = _request(job.get("adapter"))
    return engine.generate(prompts, params, use_tqdm=_bar(tell), lora_request=request)


def _bar(tell: Tell) -> Any:
    """VLLM's own way to report progress is a tqdm bar; this one tells instead of drawing."""
    from tqdm import tqdm

    class Told(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            # vLLM divides by its time, which a bar has that nobody disabled (TQDM_DISABLE)
            ours = {"file": sys.stderr, "mininterval": 1e9, "disable": False}
            super().__init__(*args, **{**kwargs, **ours})
            self.answers = kwargs.get("desc") == "Processed prompts"

        def update(self, n: float | None = 1) -> Any:
            shown = super().update(n)
            if self.answers:
                tell({"done": int(self.n)})
            return shown

    return Told


if __name__ == "__main__":
    main()
