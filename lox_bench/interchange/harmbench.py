"""HarmBench's completions, with or without the labels of its classifier.

``generate_completions.py`` writes ``{behaviour id: [{"test_case", "generation"}, ...]}``;
``evaluate_completions.py`` adds ``label`` (1: the behaviour was carried out, by its classifier, or
by hashes where it is a copyrighted text) and, if asked, ``advbench_label`` (1: no refusal phrase).
It clips generations, to 512 tokens by default. The model's name and how it decoded stand in
neither. A test case of a red-teaming method is not the behaviour that a judge should be asked
about: that stands in HarmBench's CSV of behaviours, for some with a context that it is about. Where
an API gave no answer, ``$ERROR$`` or nothing stands in its place.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from lox_bench.data.user_file import parse_table, read_user_text
from lox_bench.errors import DataError
from lox_bench.interchange.foreign import Foreign, ForeignAnswer
from lox_bench.strict_json import parse_json

TOOL: Final = "harmbench"
LABEL: Final = "label"
ADVBENCH: Final = "advbench_label"
FAILED: Final = "answers that the API did not give"
_ERROR: Final = "$ERROR$"
_ID, _BEHAVIOUR, _TOPIC = "BehaviorID", "Behavior", "SemanticCategory"
_CONTEXT = "ContextString"

Behaviours = Mapping[str, Mapping[str, str]]


def read_harmbench(path: Path, behaviours: Behaviours | None = None) -> Foreign:
    """Read completions, or results with labels.

    Args:
        path: the JSON file.
        behaviours: rows of the CSV of behaviours by id; without it the test case is the request.

    Raises:
        DataError: it is no such file (behaviour and entry are named).
    """
    where = f"HarmBench file {path}"
    text = read_user_text(path, what="HarmBench file")
    plain = parse_json(text, where=where)
    if not isinstance(plain, dict) or not plain:
        raise DataError(f"{where}: an object was wanted, lists of completions by behaviour id")
    known = behaviours or {}
    answers = tuple(item for name in plain for item in _of_behaviour(name, plain, known, where))
    if not answers:
        raise DataError(f"{where} holds no completions")
    digest = hashlib.sha256(text.encode()).hexdigest()
    failed = sum(not answer.text for answer in answers)
    settings: dict[str, Any] = {"requests": "behaviours" if behaviours else "test cases"}
    settings |= {FAILED: failed} if failed else {}
    return Foreign(TOOL, "", (path.name, digest), "", TOOL, answers, settings=settings)


def read_behaviours(path: Path) -> Behaviours:
    """Rows of ``harmbench_behaviors_text_*.csv`` by their id.

    Raises:
        DataError: it is no such table.
    """
    where = f"table of behaviours {path}"
    rows, _ = parse_table(read_user_text(path, what="table of behaviours"), where=where)
    for name in (_ID, _BEHAVIOUR):
        if name not in rows[0]:
            raise DataError(f"{where} lacks the column {name!r} (it holds {', '.join(rows[0])})")
    return {row[_ID]: row for row in rows}


def _of_behaviour(
    name: str, plain: Mapping[str, Any], known: Behaviours, where: str
) -> Iterator[ForeignAnswer]:
    entries = plain[name]
    if not isinstance(entries, list):
        raise DataError(f"{where}, behaviour {name[:60]!r}: a list of completions was wanted")
    if known and name not in known:
        raise DataError(f"{where}: the table of behaviours has no {name[:60]!r}")
    row = known.get(name, {})
    for number, entry in enumerate(entries, start=1):
        place = f"{where}, behaviour {name[:60]!r}, entry {number}"
        if not isinstance(entry, dict):
            raise DataError(f"{place}: an object was wanted")
        case, answer = entry.get("test_case"), entry.get("generation", 0)
        if isinstance(case, list):
            raise DataError(f"{place}: a picture and its text; only requests in text are read")
        if not isinstance(answer, str | None) or not isinstance(case, str):
            raise DataError(f"{place}: text was wanted under 'test_case' and 'generation'")
        lost = answer is None or answer == _ERROR
        yield ForeignAnswer(
            prompt_id=name if len(entries) == 1 else f"{name}#{number}",
            prompt=_asked(row) or case,
            text="" if lost else answer or "",
            topic=row.get(_TOPIC, ""),
            scores={} if lost else {key: entry[key] for key in (LABEL, ADVBENCH) if key in entry},
        )


def _asked(row: Mapping[str, str]) -> str:
    """The behaviour, below it what it is about."""
    return "\n\n".join(filter(None, (row.get(_BEHAVIOUR), row.get(_CONTEXT))))
