"""Prompt sets that others published: where they are pinned, and how each file is read.

Only requests are taken. What stands beside them (targets, model answers) is not read, and what a
set says of child sexual exploitation is left out: by category where it has some, else prompt by
prompt, which files name by hash.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from lox_bench.data.request_rows import label_of, only_text, request_rows
from lox_bench.data.stage import Prompts
from lox_bench.data.user_file import read_user_file, read_user_text
from lox_bench.engine.stage import Text
from lox_bench.engine.store import default_root
from lox_bench.errors import DataError, SourceError
from lox_bench.names import Name
from lox_bench.ranges import HASHES, OneOf, Range
from lox_bench.sources.members import fetch_file, is_kept
from lox_bench.sources.uri import parse_pinned

_CACHE: Final = "prompts"
_TEXTS, _TABLES = ("lines", "values"), (".csv", ".jsonl", ".json")  # forms; endings
_LEFT_OUT: Final = "cse"  # MLCommons' code; and whatever category is of children
_CHILD: Final = "child"
Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PublishedSet:
    """Where a prompt set was published.

    Attributes:
        files: ``wheel://...#sha256=`` or ``https://...#sha256=`` of each file, in order.
        form: ``lines`` (a prompt a line), ``values`` (PyRIT's YAML), ``csv``, ``jsonl``,
            ``parquet``, ``nested`` (a JSON object of categories, their parts, and their prompts).
        column: of the prompt, where rows have columns (a list of one text counts as the text);
            ``hazard_column``: of its category.
        where: rows count only if this column holds one of ``among``.
        rows: how many prompts there are; anything else is an error (0: not known here).
        stated: who says so, and what the hash is, where the file itself was not seen here.
        left_out: categories that are not asked, beside those of children.
        left_out_prompts: SHA-256 of the text of each prompt on child sexual exploitation or abuse
            that no category tells from the others; they are not asked.
        asked: how many prompts are left by category (0: all of ``rows``); another number is an
            error.
        first: only so many of them, from the top (0: all); ``left_out_prompts`` then go out of
            these.
        licence, citation, page: as the publisher has them.
        gated: why the files cannot be fetched without asking; a local copy is then wanted.
    """

    form: Annotated[str, OneOf("lines", "values", "csv", "jsonl", "parquet", "nested")]
    rows: Annotated[int, Range(0, 1_000_000)]
    licence: str
    citation: str
    page: str
    files: tuple[str, ...] = ()
    column: str = ""
    hazard_column: str = ""
    where: str = ""
    among: tuple[str, ...] = ()
    stated: str = ""
    left_out: tuple[str, ...] = ()
    left_out_prompts: Annotated[tuple[str, ...], HASHES] = ()
    asked: Annotated[int, Range(0, 1_000_000)] = 0
    first: Annotated[int, Range(0, 1_000_000)] = 0
    gated: str = ""

    @property
    def count(self) -> int:
        """How many prompts are asked; 0: not known here."""
        number = self.first or self.asked or self.rows
        return number - len(self.left_out_prompts) if number else 0


def published_prompts(name: Name, held: PublishedSet, local: Path | None) -> Prompts:
    """The prompts of a published set: from the user's copy, else the cache, else fetched.

    Raises:
        DataError: a file is not of the form said, or holds another number of prompts; or the set
            is gated or out of reach and no copy was given (page and option are named).
    """
    if local is not None:
        rows = _of_copy(local, held)
    else:
        rows = [row for file in _files(name, held) for row in _of_file(file, held)]
    kept = [row for row in rows if not _is_left_out(row["hazard"].lower(), held)]
    for found, wanted, what in (
        (len(rows), held.rows, "prompts"),
        (len(kept), held.asked, f"prompts less {', '.join((*held.left_out, 'children'))}"),
    ):
        if wanted and found != wanted:
            where = f" in {local}" if local is not None else ""
            raise DataError(
                f"prompt set {name}: {found} {what}{where}, {wanted} were expected"
                + ("; another version of it? see " + held.page if local is not None else "")
            )
    kept = kept[: held.first] if held.first else kept
    kept = [row for row in kept if Text(row["prompt"]).sha256 not in held.left_out_prompts]
    lines = [
        json.dumps({"id": f"{name}-{number:04d}", **row}, ensure_ascii=False, sort_keys=True)
        for number, row in enumerate(kept, start=1)
    ]
    return Prompts(str(name), Text("\n".join(lines) + "\n"))


def is_here(held: PublishedSet) -> bool:
    """Whether all files are in the cache."""
    cache = default_root() / _CACHE
    return bool(held.files) and all(is_kept(parse_pinned(uri), cache) for uri in held.files)


def _is_left_out(hazard: str, held: PublishedSet) -> bool:
    return hazard == _LEFT_OUT or _CHILD in hazard or hazard in held.left_out


def _files(name: str, held: PublishedSet) -> Iterator[Path]:
    remedy = f"get a copy at {held.page} and give it: --data {name}=FILE"
    if held.gated or not held.files:
        raise DataError(f"prompt set {name} is not fetched ({held.gated or 'no file'}); {remedy}")
    for uri in held.files:
        try:
            yield fetch_file(parse_pinned(uri), default_root() / _CACHE)
        except SourceError as error:
            raise DataError(f"prompt set {name}: {error}; {remedy}") from error


def _of_file(path: Path, held: PublishedSet) -> Iterator[Row]:
    """A file as it was published: of the form said, and no other."""
    if held.form == "parquet":
        return _rows(read_user_file(path, what=held.page).rows, held, held.page)
    return READERS[held.form](read_user_text(path, what=held.page), held)


def _of_copy(path: Path, held: PublishedSet) -> list[Row]:
    """A copy of the user's, in the publisher's form or in any that is usual."""
    ending = path.suffix.lower()
    if held.form == "nested" or (
        held.form in _TEXTS and not path.is_dir() and ending not in _TABLES
    ):
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"prompt set {path} cannot be read ({error})") from error
        return list(READERS["lines" if ending == ".txt" else held.form](text, held))
    return list(_rows(request_rows(path, what="prompt set"), held, str(path)))


def _lines(text: str, held: PublishedSet) -> Iterator[Row]:
    del held
    yield from ({"prompt": line, "hazard": "none"} for line in text.split("\n") if line.strip())


def _values(text: str, held: PublishedSet) -> Iterator[Row]:
    """PyRIT's YAML: the ``value`` of each seed, nothing else of it."""
    import yaml

    try:
        seeds = yaml.safe_load(text)
        listed = seeds.get("seeds") or seeds.get("prompts") or ()
        texts = [str(seed["value"]).strip() for seed in listed]
    except (yaml.YAMLError, AttributeError, TypeError, KeyError) as error:
        raise DataError(
            f"{held.page}: PyRIT's YAML (seeds, each with a value) was wanted"
        ) from error
    yield from ({"prompt": prompt, "hazard": "none"} for prompt in texts)


def _csv(text: str, held: PublishedSet) -> Iterator[Row]:
    table = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    yield from _rows(list(table), held, held.page)


def _jsonl(text: str, held: PublishedSet) -> Iterator[Row]:
    yield from _rows([json.loads(line) for line in text.split("\n") if line.strip()], held, "")


def _nested(text: str, held: PublishedSet) -> Iterator[Row]:
    """Category, part of it, prompts."""
    wanted = f"{held.page}: an object of categories, each of lists of texts, was wanted"
    try:
        categories = json.loads(text)
        for hazard, parts in categories.items():
            for prompt in (prompt for prompts in parts.values() for prompt in prompts):
                if not isinstance(prompt, str):
                    raise DataError(f"{wanted}; {hazard!r} holds something else")
                yield {"prompt": prompt.strip(), "hazard": str(hazard)}
    except (ValueError, AttributeError, TypeError) as error:
        raise DataError(wanted) from error


def _rows(rows: Sequence[Mapping[str, Any]], held: PublishedSet, where: str) -> Iterator[Row]:
    for number, row in enumerate(rows, start=1):
        known = {str(key).lower(): value for key, value in row.items()}
        if held.where and _is_other(row, rows, held, where):
            continue
        prompt = only_text(known.get(held.column.lower(), known.get("prompt")))
        if not isinstance(prompt, str) or not prompt.strip():
            columns = ", ".join(map(str, row))[:100]
            raise DataError(
                f"{where}, row {number}: no text under {held.column!r} (it holds {columns})"
            )
        hazard = str(known.get(held.hazard_column.lower()) or "none") if held.hazard_column else ""
        yield {"prompt": prompt.strip(), "hazard": hazard or "none"}


def _is_other(row: Row, rows: Sequence[Row], held: PublishedSet, where: str) -> bool:
    """Whether the column ``where`` says that a row is none of those asked for."""
    known = {str(key).lower(): str(value) for key, value in row.items()}
    column = held.where.lower()
    value = label_of(row, rows) if column == "label" else known.get(column)
    if value is None and not held.rows:  # no count would tell that all rows were taken
        raise DataError(f"{where}: no column {held.where!r}, which parts the set")
    return value is not None and value not in held.among


READERS: Final[Mapping[str, Callable[[str, PublishedSet], Iterator[Row]]]] = {
    "lines": _lines,
    "values": _values,
    "csv": _csv,
    "jsonl": _jsonl,
    "nested": _nested,
}
