"""Leaderboards of several runs made one: the newest number per key, each with where it is from."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lox_bench.results.cells import as_cell, of_cell
from lox_bench.results.row import Row, read_csv, to_csv
from lox_bench.results.run import Run, open_run

SOURCE, FINISHED = "source", "finished"


@dataclass(frozen=True, slots=True)
class Entry:
    """A row, the run or file it was read from, and when that run finished (ISO time, or empty)."""

    row: Row
    source: str
    finished: str


@dataclass(frozen=True, slots=True)
class Board:
    """One leaderboard as it was read; ``run`` is set when it is the folder of a run."""

    name: str
    entries: Sequence[Entry]
    run: Run | None = None


def read_boards(paths: Sequence[Path]) -> list[Board]:
    """Read folders of runs and CSV files; those of one name are told apart by their whole path.

    Raises:
        DataError: one of them is neither.
    """
    paths = list(dict.fromkeys(paths))
    names = [_short(path) for path in paths]
    return [
        _read(path, name if names.count(name) == 1 else str(path))
        for path, name in zip(paths, names, strict=True)
    ]


def newest(entries: Iterable[Entry]) -> list[Entry]:
    """Of the entries that measure one thing, the one that finished last.

    The key is family, model, its key (weights that several models share, as a method that acts
    later shares the aligned ones, are each model's), attack, task, judge, metric, seed, back end,
    decoding and the prompts: their hash and how many were asked, so that a quick look with
    ``--limit`` never replaces a whole run. Entries without a time are older than any with one;
    among equals the later in the order given wins.
    """
    kept: dict[tuple[object, ...], Entry] = {}
    for entry in entries:
        key = _key(entry.row)
        held = kept.get(key)
        if held is None or entry.finished >= held.finished:
            kept[key] = entry
    return list(kept.values())


def entries_csv(entries: Sequence[Entry]) -> str:
    """A leaderboard's columns, then ``source`` and ``finished``; ``read_boards`` keeps these."""
    head, *lines = csv.reader(io.StringIO(to_csv(entry.row for entry in entries)))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*head, SOURCE, FINISHED])
    for line, entry in zip(lines, entries, strict=True):
        writer.writerow([*line, as_cell(entry.source), as_cell(entry.finished)])
    return text.getvalue()


def _short(path: Path) -> str:
    return path.resolve().name


def _read(path: Path, name: str) -> Board:
    if path.suffix == ".csv":
        return Board(name, _from_csv(path, name))
    run = open_run(path)
    finished = run.record.finished
    return Board(name, [Entry(row, name, finished) for row in run.rows], run)


def _from_csv(path: Path, name: str) -> list[Entry]:
    rows = read_csv(path)
    with path.open(encoding="utf-8", newline="") as file:
        origins = [
            (of_cell(plain.get(SOURCE) or name), plain.get(FINISHED) or "")
            for plain in csv.DictReader(file)
        ]
    return [Entry(row, *origin) for row, origin in zip(rows, origins, strict=True)]


def _key(row: Row) -> tuple[object, ...]:
    prompts = (row.data_sha256, row.n + row.unjudged)
    model = (row.family, row.model, row.model_key, row.attack, row.seed)
    how = (row.backend, row.dtype, row.decoding)
    return (*model, row.task, row.judge, row.metric, *prompts, *how)
