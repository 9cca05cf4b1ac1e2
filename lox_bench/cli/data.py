"""``lox-bench data``: the published prompt sets, and whether they are here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import typer
from rich.console import Console

from lox_bench.cli.completion import published
from lox_bench.cli.help_page import ShownGroup
from lox_bench.cli.jsonout import print_json
from lox_bench.cli.once import Once
from lox_bench.cli.writing import rich_table
from lox_bench.data.prompts import TaskSpec, load_task, prompts_of
from lox_bench.data.published import PublishedSet, is_here
from lox_bench.errors import DataError, LoxBenchError, UnknownNameError
from lox_bench.registry import Kind, entries
from lox_bench.results.text_table import TextTable

app = typer.Typer(
    cls=ShownGroup,
    help="Prompt sets that others published: list them, fetch them, check them.",
    no_args_is_help=True,
)
Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SET", help="Names (default: all that are open).", autocompletion=published
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors.")]
Counted = Annotated[
    bool, typer.Option("--json", help="Print sets and their numbers of prompts as JSON.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, nothing else.")]
_NOTE = (
    "here: in the cache, with the pinned hash. A gated or unpinned set is yours to get: download a "
    "copy at its page and give it with --data NAME=FILE. *: hash and number of prompts are as "
    "others state them, whom --json names; nobody here has seen the file."
)


@app.command("list", cls=Once)
def list_sets(json: Json = False) -> None:
    """List the published sets: prompts, licence, source, and whether they are here.

    Example:
      lox-bench data list
    """
    found = [(spec, held) for spec in _specs() if (held := spec.published) is not None]
    if json:
        print_json([_plain(spec, held) for spec, held in found])
        return
    head = ("name", "prompts", "counts", "licence", "state", "page")
    rows = tuple(
        (str(spec.name), _count(held), spec.metric, held.licence, _state(held), held.page)
        for spec, held in found
    )
    Console().print(rich_table(TextTable("Published prompt sets", head, rows, _NOTE)))


@app.command("fetch", cls=Once)
def fetch(names: Names = None, quiet: Quiet = False, json: Counted = False) -> None:
    """Fetch sets into the cache, each file checked against its pinned hash.

    Examples:
      lox-bench data fetch advbench harmbench

      lox-bench data fetch          # all that are open
    """
    told = Told(quiet, json)
    failed = [error for spec in _chosen(names) if (error := _fetched(spec, told)) is not None]
    told.end()
    for error in failed[:-1]:  # the last is said as any other mistake
        typer.echo(str(error), err=True)
    if failed:
        raise failed[-1]


@app.command("verify", cls=Once)
def verify(names: Names = None, quiet: Quiet = False, json: Counted = False) -> None:
    """Read the sets that are here again, and count their prompts.

    Example:
      lox-bench data verify
    """
    told = Told(quiet, json)
    for spec in _chosen(names):
        if spec.published is not None and (names or is_here(spec.published)):
            if not is_here(spec.published):
                raise DataError(f"prompt set {spec.name} is not here; `lox-bench data fetch` it")
            told.count(spec, "prompts, whole")
    told.end()


@dataclass(slots=True)
class Told:
    """Sets and how many prompts each holds: line by line, as JSON, or not at all."""

    quiet: bool
    json: bool
    sets: list[dict[str, object]] = field(default_factory=list)

    def count(self, spec: TaskSpec, what: str) -> None:
        """Read a set, which checks it, and tell how many prompts it holds."""
        number = len(prompts_of(spec, "eval").prompts)
        self.sets.append({"name": str(spec.name), "prompts": number})
        if not (self.quiet or self.json):
            left_out = len(spec.published.left_out_prompts) if spec.published is not None else 0
            more = f"; {left_out} are left out, see docs/prompts.md" if left_out else ""
            typer.echo(f"{spec.name}: {number} {what}{more}")

    def end(self) -> None:
        """With ``--json``: all of them, and nothing else."""
        if self.json:
            print_json(self.sets)


def _fetched(spec: TaskSpec, told: Told) -> LoxBenchError | None:
    try:
        told.count(spec, "prompts")
    except LoxBenchError as error:  # the others can still be fetched
        return error
    return None


def _chosen(names: Sequence[str] | None) -> list[TaskSpec]:
    specs = list(_specs())
    if not names:
        return [spec for spec in specs if spec.published and not spec.published.gated]
    chosen = []
    for name in names:
        meant = [spec for spec in specs if name in (spec.name, spec.half_of)]
        if not meant:
            known = [str(spec.name) for spec in specs]
            raise UnknownNameError("published prompt set", name, known, see="lox-bench data list")
        chosen += meant
    return list(dict.fromkeys(chosen))


def _specs() -> Iterator[TaskSpec]:
    for entry in entries(Kind.TASKS):
        spec = load_task(entry.full)
        if spec.published is not None:
            yield spec


def _count(held: PublishedSet) -> str:
    """How many prompts are asked, marked where nobody here counted them."""
    return f"{held.count or '?'}{'*' if held.stated else ''}"


def _state(held: PublishedSet) -> str:
    if is_here(held):
        return "here"
    return f"yours to get: {held.gated}" if held.gated else "can be fetched"


def _plain(spec: TaskSpec, held: PublishedSet) -> dict[str, object]:
    return {
        "name": str(spec.name),
        "prompts": held.count or None,
        "of": held.rows or None,
        "stated_by": held.stated or None,
        "left_out": ["cse", "*child*", *held.left_out],
        "left_out_prompts": len(held.left_out_prompts),
        "metric": spec.metric,
        "licence": held.licence,
        "citation": held.citation,
        "page": held.page,
        "files": list(held.files),
        "state": _state(held),
    }
