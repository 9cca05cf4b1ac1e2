"""lm-eval's ``samples_TASK_DATE.jsonl``: what ``lm_eval --log_samples`` writes, 0.4.

A line is a document under one filter: ``arguments`` (prompt and generation settings), ``resps``,
``filtered_resps``, the names of its ``metrics``, and each of them as a key. The model's name stands
in the file of results beside it, ``results_DATE.json``.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from lox_bench.data.jsonl import parse_jsonl
from lox_bench.data.user_file import read_user_text
from lox_bench.errors import DataError
from lox_bench.interchange.foreign import Foreign, ForeignAnswer
from lox_bench.strict_json import parse_json
from lox_bench.utility.benchmark import Sampled

TOOL: Final = "lm-eval"
_FILE: Final = re.compile(r"samples_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT[\d.-]+)\.jsonl")
_NONE: Final = "none"  # the name of no filter


def read_samples(path: Path) -> Foreign:
    """Read a file of samples, and the results beside it if they are there.

    Raises:
        DataError: it is no such file (the line is named).
    """
    where = f"lm-eval samples {path}"
    text = read_user_text(path, what="lm-eval samples")
    lines = parse_jsonl(text, where=where)
    for number, line in enumerate(lines, start=1):
        _check(line, f"{where}, line {number}")
    match = _FILE.fullmatch(path.name)
    task, date = (match["task"], match["date"]) if match else ("", "")
    beside = _results(path.with_name(f"results_{date}.json")) if date else {}
    first = _first_lines(lines)
    return Foreign(
        tool=TOOL,
        version=str(beside.get("lm_eval_version") or ""),
        file=(path.name, hashlib.sha256(text.encode()).hexdigest()),
        model=str(beside.get("model_name") or ""),
        task=task,
        answers=tuple(_answer(line) for line in first.values()),
        sampled=tuple(_sampled(number, lines) for number in first),
        settings={"n_shot": _mapping(beside, "n-shot").get(task)} if beside else {},
        max_new_tokens=_end(next(iter(first.values()))),
    )


def _check(line: Mapping[str, Any], where: str) -> None:
    number, metrics = line.get("doc_id"), line.get("metrics")
    if not isinstance(number, int) or isinstance(number, bool):
        raise DataError(f"{where}: a whole number was wanted under 'doc_id'")
    if not isinstance(metrics, list) or not all(isinstance(name, str) for name in metrics):
        raise DataError(f"{where}: a list of names was wanted under 'metrics'")
    if not isinstance(_argument(line, "arg_0"), str):
        raise DataError(f"{where}: no prompt under 'arguments', 'gen_args_0', 'arg_0'")


def _first_lines(lines: Sequence[Mapping[str, Any]]) -> dict[int, Mapping[str, Any]]:
    """The first line of each document: others hold the same under another filter."""
    found: dict[int, Mapping[str, Any]] = {}
    for line in lines:
        found.setdefault(line["doc_id"], line)
    return dict(sorted(found.items()))


def _answer(line: Mapping[str, Any]) -> ForeignAnswer:
    return ForeignAnswer(
        prompt_id=str(line["doc_id"]),
        prompt=str(_argument(line, "arg_0")),
        text=_text(line.get("resps")),
        scores=_values(line),
    )


def _sampled(number: int, lines: Sequence[Mapping[str, Any]]) -> Sampled:
    """A document's metrics under all filters, named as lox-bench names them."""
    own = [line for line in lines if line["doc_id"] == number]
    values: dict[str, float] = {}
    for line in own:
        mark = "" if line.get("filter", _NONE) == _NONE else f"@{line['filter']}"
        values |= {f"{name}{mark}": value for name, value in _values(line).items()}
    answer = _text(own[0].get("filtered_resps"))
    target = str(own[0].get("target", ""))
    return Sampled(str(number), str(_argument(own[0], "arg_0")), target, answer, values)


def _values(line: Mapping[str, Any]) -> dict[str, float]:
    """The metrics that are one number a document."""
    held = {name: line.get(name) for name in line["metrics"]}
    return {name: float(value) for name, value in held.items() if isinstance(value, int | float)}


def _argument(line: Mapping[str, Any], name: str) -> Any:
    return _mapping(_mapping(line, "arguments"), "gen_args_0").get(name)


def _end(line: Mapping[str, Any]) -> int | None:
    settings = _argument(line, "arg_1")
    held = settings.get("max_gen_toks") if isinstance(settings, dict) else None
    return held if isinstance(held, int) and not isinstance(held, bool) else None


def _text(held: Any) -> str:
    """The first text in lists of lists."""
    while isinstance(held, list) and held:
        held = held[0]
    return held if isinstance(held, str) else ""


def _mapping(plain: Any, name: str) -> Mapping[str, Any]:
    held = plain.get(name) if isinstance(plain, dict) else None
    return held if isinstance(held, dict) else {}


def _results(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    where = f"lm-eval results {path}"
    plain = parse_json(read_user_text(path, what="lm-eval results"), where=where)
    if not isinstance(plain, dict):
        raise DataError(f"{where}: an object was wanted")
    return plain
