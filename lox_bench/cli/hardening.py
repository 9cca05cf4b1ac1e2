"""Harden before the user's eyes: progress, a table of what was hardened, what was left out."""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from lox_bench.cli.progress import BarDisplay, LineDisplay, SilentDisplay
from lox_bench.cli.writing import rich_table
from lox_bench.harmless import harmless
from lox_bench.results.text_table import TextTable
from lox_bench.sources.fetch import fetch
from lox_bench.sources.identity import require_own_files
from lox_bench.sources.layout import REPORT
from lox_bench.sources.uri import PathSource, parse_source
from lox_bench.weights.api import HardenedModel, Output, harden_folders
from lox_bench.weights.report import Group, grouped, single, unchanged
from lox_bench.weights.select import Settings

_HEAD = ("tensor", "shape", "tensors", "k", "residual", "energy", "unchanged")
_ROUNDED_AWAY = 0.5  # share of unchanged entries worth a word of advice


class Hardening:
    """One invocation of ``harden``: how much to say, and in which form."""

    def __init__(self, *, quiet: bool, json: bool, table: bool) -> None:
        """Remember the form of the output."""
        self._quiet, self._json, self._table = quiet or json, json, table
        self._console = Console(stderr=True)

    def run(self, base: str, aligned: str, out: Path, settings: Settings, output: Output) -> None:
        """Harden, then tell what was done."""
        with (
            _folder(base) as before,
            _folder(aligned) as after,
            self._display() as display,
            display.stage(f"harden {out.name}") as progress,
        ):
            output = replace(output, progress=progress)
            made = harden_folders(before, after, out, settings, output)
        if self._json:
            sys.stdout.write((out / REPORT).read_text())
        elif not self._quiet:
            self._tell(made)

    def _tell(self, made: HardenedModel) -> None:
        console = Console()
        groups = [single(held) for held in made.tensors] if self._table else grouped(made.tensors)
        console.print(rich_table(_table(groups)))
        for name, reason in made.left_out.items():
            console.print(
                f"[yellow]not in the adapter:[/] {escape(harmless(f'{name}: {reason}'))}",
                soft_wrap=True,
            )
        share = unchanged(made.tensors)
        if share > _ROUNDED_AWAY:
            console.print(
                f"[yellow]{share:.0%} of the entries came back unchanged:[/] the step rounds away "
                "in this type. --dtype float32 or --format delta keeps it.",
                soft_wrap=True,
            )
        console.print(f"written  {made.path}", soft_wrap=True, markup=False)
        console.print(f"details  {made.path / REPORT}", soft_wrap=True, markup=False)

    def _display(self) -> BarDisplay | LineDisplay | SilentDisplay:
        if self._quiet:
            return SilentDisplay()
        return BarDisplay(self._console) if self._console.is_terminal else LineDisplay()


@contextmanager
def _folder(uri: str) -> Iterator[Path]:
    """A local folder as it is; anything else fetched for as long as it is needed.

    Raises:
        SourceError: the folder's links lead out of it, or the source cannot be had.
    """
    source = parse_source(uri)
    if isinstance(source, PathSource):
        require_own_files(source.path)
        yield source.path
        return
    with tempfile.TemporaryDirectory(prefix="lox-bench-") as scratch:
        fetch(source, Path(scratch), dtype="float32")
        yield Path(scratch)


def _table(groups: Sequence[Group]) -> TextTable:
    return TextTable("", _HEAD, tuple(map(_line, groups)), numbers=1)


def _line(group: Group) -> tuple[str, ...]:
    low, high = group.ranks
    return (
        harmless(group.kind),
        "x".join(map(str, group.shape)),
        str(group.tensors),
        f"{low}" if low == high else f"{low}-{high}",
        f"{group.residual:.0e}",
        f"{group.energy:.0%}",
        f"{group.unchanged:.1%}",
    )
