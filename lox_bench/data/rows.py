"""Read training rows, and say exactly which data they are.

Rows come from the user's own file, else from the hub (its cache first), else from the stand-in
that ships with the package; nothing is swapped silently, and ``--strict-data`` forbids the last.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from lox_bench.data.exchange import read_exchanges
from lox_bench.data.jsonl import parse_jsonl
from lox_bench.data.spec import DataSpec
from lox_bench.data.stage import STANDIN, Row, Rows
from lox_bench.data.user_file import read_user_file
from lox_bench.errors import DataError, SourceError
from lox_bench.registry import data_file
from lox_bench.sources.hub import snapshot

T = TypeVar("T")


def resolve_rows(
    spec: DataSpec,
    file: Path | None,
    *,
    columns: Iterable[str],
    strict: bool,
    named: Mapping[str, str] | None = None,
    remedy: str = "give a local copy with --data NAME=FILE",
) -> Rows:
    """Find the rows of ``spec``: the user's ``file``, else the hub, else the stand-in.

    Args:
        spec: where the data lives.
        file: the user's, of any form that ``read_user_file`` reads; taken if given.
        columns: keys every row must hold, as text; where they are two and the file has others,
            requests and replies in a known form take their place (``read_exchanges``).
        strict: refuse the stand-in.
        named: what the user's file calls some of the columns, by the name wanted.
        remedy: what to do where they are out of reach, for the message.

    Raises:
        DataError: the file is unusable, or only the stand-in is left and ``strict`` forbids it.
    """
    wanted = list(dict.fromkeys(columns))
    found = published_rows(spec, file, wanted, named)
    if found is not None:
        return found
    if strict or not spec.standin:
        where = f"{spec.hub} ({spec.files}) is not reachable on the hub or in its cache"
        raise DataError(
            f"{where if spec.hub else 'these data are neither shipped nor fetched'}; {remedy}"
            + (" or drop --strict-data" if spec.standin else "")
        )
    text = data_file(spec.standin).read_text(encoding="utf-8")
    rows = parse_jsonl(text, where=spec.standin)
    _check_columns(rows, wanted, spec.standin)
    return Rows.of(STANDIN, rows)


def published_rows(
    spec: DataSpec,
    file: Path | None,
    columns: Sequence[str],
    named: Mapping[str, str] | None = None,
) -> Rows | None:
    """The rows of ``spec`` from the user's file or the hub; ``None`` where only a stand-in is left.

    Raises:
        DataError: the file is unusable.
    """
    if file is not None or spec.file:
        return _from_file(spec, file or Path(spec.file).expanduser(), columns, named or {})
    return _from_hub(spec, columns) if spec.hub else None


def preference_rows(spec: DataSpec) -> Rows:
    """A preference set, whatever form its dialogues have: ``chosen`` and ``rejected`` in each row.

    Raises:
        DataError: it is not within reach (nothing stands in for it), or a row lacks a side.
    """
    remedy = "name a local copy as `file` in [align.dpo.data] of a family file of yours"
    rows = resolve_rows(spec, None, columns=(), strict=True, remedy=remedy)
    for number, row in enumerate(rows.rows, start=1):
        if not {"chosen", "rejected"} <= {*row}:
            held = ", ".join(sorted(row))
            raise DataError(f"{rows.label}, row {number}: no chosen and rejected (it holds {held})")
    return rows


def choose_rows(rows: Sequence[T], most: int, *, seed: int) -> list[T]:
    """Draw ``most`` rows without replacement, in seeded order; 0 takes all of them."""
    count = min(most, len(rows)) if most else len(rows)
    return random.Random(seed).sample(list(rows), count)


def held_out_rows(rows: Sequence[Row], chosen: Sequence[Row], most: int) -> list[Row]:
    """At most ``most`` of the rows that were not chosen, in file order."""
    taken = {id(row) for row in chosen}
    return [row for row in rows if id(row) not in taken][:most]


def _from_file(
    spec: DataSpec, file: Path, columns: Sequence[str], named: Mapping[str, str]
) -> Rows:
    found = read_user_file(file, what="data file")
    taken, form = _among(found.rows, spec, found.form, str(file))
    held = _renamed(taken, named, str(file))
    rows, form = _fitting(held, columns, form, str(file))
    _check_columns(rows, columns, str(file))
    return Rows.of(f"file:{file.name}#{Rows.of('', rows).sha256[:8]}", rows, form=form)


def _among(
    rows: Sequence[Mapping[str, Any]], spec: DataSpec, form: str, where: str
) -> tuple[Sequence[Mapping[str, Any]], str]:
    """The rows that the spec takes, where they have its column; and the form, which says so."""
    if spec.where not in rows[0]:
        return rows, form
    taken = [row for row in rows if str(row.get(spec.where)).lower() in spec.among]
    wanted = f"{spec.where} is {' or '.join(spec.among)}"
    if not taken:
        raise DataError(f"{where}: of {len(rows)} rows none is taken: {wanted} in none")
    return taken, f"{form}, {len(taken)} of {len(rows)} rows, those whose {wanted}"


def _renamed(
    rows: Sequence[Mapping[str, Any]], named: Mapping[str, str], where: str
) -> Sequence[Mapping[str, Any]]:
    """Rows under the names wanted; what was called so before gives way."""
    for number, row in enumerate(rows, start=1):
        for theirs in named.values():
            if theirs not in row:
                held = ", ".join(sorted(row)) or "nothing"
                raise DataError(f"{where}, row {number}: no column {theirs!r} (it holds {held})")
    gone = set(named.values())
    return [
        {name: value for name, value in row.items() if name not in gone}
        | {ours: row[theirs] for ours, theirs in named.items()}
        for row in rows
    ]


def _fitting(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], form: str, where: str
) -> tuple[Sequence[Mapping[str, Any]], str]:
    """Rows with the columns wanted, if need be from requests and replies in another form."""
    pair = 2
    if all(name in rows[0] for name in columns) or len(columns) != pair:
        return rows, form
    found = read_exchanges(rows, where=where)
    if found is None:
        return rows, form
    request, reply = columns
    return [{request: a, reply: b} for a, b in found.pairs], f"{form}, {found.form}"


def _from_hub(spec: DataSpec, columns: Sequence[str]) -> Rows | None:
    """Download (or find in the hub cache) the data set's files; ``None`` out of reach."""
    try:
        folder = snapshot(spec.hub, spec.revision, patterns=[spec.files], dataset=True)
    except SourceError:
        return None
    files = sorted(folder.glob(spec.files))
    if not files:
        return None
    held = [row for file in files for row in read_user_file(file, what="data file").rows]
    rows, form = _fitting(held, columns, "", spec.hub)
    _check_columns(rows, columns, spec.hub)
    return Rows.of(f"hub:{spec.hub}@{folder.name[:8]}", rows, form=form.strip(", "))


def _check_columns(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], where: str) -> None:
    for number, row in enumerate(rows, start=1):
        for column in columns:
            if not isinstance(row.get(column), str):
                held = ", ".join(sorted(row)) or "nothing"
                raise DataError(
                    f"{where}, row {number}: no text under {column!r} (it holds {held}); "
                    f"rows need {', '.join(columns)}"
                )
