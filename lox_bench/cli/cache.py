"""``lox-bench cache``: what lies in the cache, whether it is sound, and how to make room."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from lox_bench.cli.cache_options import age, chosen_kinds
from lox_bench.cli.help_page import ShownGroup
from lox_bench.cli.jsonout import plain, print_json
from lox_bench.cli.once import Once
from lox_bench.cli.progress import choose_display
from lox_bench.cli.writing import rich_table
from lox_bench.engine import housekeeping
from lox_bench.engine.housekeeping import Choice, Held
from lox_bench.engine.store import ENCODERS, REQUESTS, Store, default_root
from lox_bench.errors import UsageError
from lox_bench.results.text_table import TextTable

app = typer.Typer(
    cls=ShownGroup,
    help="What lies in the cache ($LOX_BENCH_CACHE), whether it is sound, and how to make room.",
    no_args_is_help=True,
)

Kinds = Annotated[
    str,
    typer.Option(
        "--kind", "--kinds", help="Only stages of these kinds: attack,harden (see cache size)."
    ),
]
Runs = Annotated[
    list[Path] | None,
    typer.Option(
        "--unreferenced",
        metavar="RUNS_DIR",
        help="What no run in this folder refers to, nor rests on. May be given several times.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
_PARTIAL, _LEFT = "unfinished", "leftovers"
_SHOWN: Final = {
    _PARTIAL: "(unfinished)",
    REQUESTS: f"{REQUESTS} (replies of judges)",
    ENCODERS: f"{ENCODERS} (of judges)",
    _LEFT: "(left by killed runs)",
}


@dataclass(frozen=True, slots=True)
class Size:
    """How much of one kind lies in the store."""

    kind: str
    stored: int
    freed: int
    bytes: int


@app.command(cls=Once)
def size(json: Json = False) -> None:
    """How much of what lies there, kind by kind.

    A freed artifact keeps its manifest and small files: its weights are made again when needed.

    Examples:
      lox-bench cache size
    """
    store = Store(default_root())
    kinds, total = _sizes(store), housekeeping.size_of(store.root)
    if json:
        print_json({"root": str(store.root), "bytes": total, "kinds": plain(kinds)})
        return
    rows = [
        (_SHOWN.get(it.kind, it.kind), str(it.stored), str(it.freed or ""), _mega(it.bytes))
        for it in kinds
        if it.stored
    ]
    note = f"{_mega(total)} in {store.root}"
    head = ("kind", "stored", "freed", "on disk")
    Console().print(rich_table(TextTable("", head, tuple(rows), note)))


@app.command("list", cls=Once)
def list_artifacts(
    kind: Kinds = "",
    json: Json = False,
) -> None:
    """Every stored stage: key, kind, when it was made, in how many seconds, its bytes on disk.

    Examples:
      lox-bench cache list --kind attack,align

      lox-bench cache list --json
    """
    items = housekeeping.inventory(Store(default_root()))
    kinds = chosen_kinds(kind, items)
    items = [item for item in items if not kinds or item.kind in kinds]
    if json:
        print_json([_plain(item) for item in items])
        return
    rows = tuple(
        (
            item.key,
            item.kind,
            f"{item.made:%Y-%m-%d %H:%M}",
            "?" if item.manifest is None else f"{item.manifest.seconds:.1f} s",
            _mega(item.nbytes),
            _state(item),
        )
        for item in items
    )
    head = ("key", "kind", "made (UTC)", "took", "on disk", "state")
    none = f"of these kinds: {kind}" if kind else "yet"
    note = "" if rows else f"nothing is stored in {default_root()} {none}"
    Console().print(rich_table(TextTable("", head, rows, note)))


@app.command(cls=Once)
def verify(
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Say what is damaged, and leave it.")
    ] = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Read every file of every stored stage and compare it with its hash.

    What is damaged is dropped, so that the next command that needs it makes it again; facts and
    small files that are sound are kept.

    Examples:
      lox-bench cache verify

      lox-bench cache verify --report-only

    Exit codes: 0 all is sound, 1 something was damaged (a line names each), 2 a mistake.
    """
    store = Store(default_root())
    items = housekeeping.inventory(store)
    display = choose_display(Console(stderr=True), quiet=quiet or json)
    with display, display.stage("verify (MB)") as progress:
        damaged = list(housekeeping.verify(store, items, progress, report_only=report_only))
    if json:
        told = [{"kind": item.kind, "key": item.key, "problem": said} for item, said in damaged]
        print_json({"read": len(items), "damaged": told, "dropped": not report_only})
    else:
        _tell_damaged(items, damaged, report_only=report_only)
    if damaged:
        raise typer.Exit(1)


def _tell_damaged(
    items: Sequence[Held], damaged: Sequence[tuple[Held, str]], *, report_only: bool
) -> None:
    for item, problem in damaged:
        typer.echo(f"{item.kind}/{item.key}: {problem}")
    outcome = "left as they are" if report_only else "dropped; they are made again when needed"
    typer.echo(
        f"{len(items)} artifacts read, {len(damaged)} damaged"
        + (f" ({outcome})" if damaged else "")
    )


@app.command(cls=Once)
def prune(
    older_than: Annotated[
        str, typer.Option(metavar="AGE", help="What was made longer ago: 12h, 30d, 8w.")
    ] = "",
    kind: Kinds = "",
    unreferenced: Runs = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it nothing is.")] = False,
    json: Json = False,
) -> None:
    """Delete stored stages that meet every condition given, and what killed runs left behind.

    Without --yes it only shows what would go. What goes and is needed again is made again. Replies
    that judges were paid for stay, unless they are asked for: --kind requests.

    Examples:
      lox-bench cache prune --older-than 30d

      lox-bench cache prune --kind attack,harden --older-than 1w --yes

      lox-bench cache prune --unreferenced runs --yes
    """
    store = Store(default_root())
    items = housekeeping.inventory(store)
    choice = _choice(store, items, older_than, kind, unreferenced or [])
    going = [item for item in items if choice.means(item)]
    paths = [*_replies(store, choice), *housekeeping.leftovers(store)]
    sizes = {f"{item.kind}/{item.key}": item.nbytes for item in going}
    sizes |= {str(path.relative_to(store.root)): housekeeping.size_of(path) for path in paths}
    if not json:
        for name, nbytes in sizes.items():
            typer.echo(f"{name}  {_mega(nbytes)}")
    busy = housekeeping.discard(store, going) if yes else []
    if yes:
        housekeeping.clear(store, paths)
    if json:
        busy_names = [f"{item.kind}/{item.key}" for item in busy]
        print_json({"bytes_by_name": sizes, "deleted": yes, "in_use": busy_names})
        return
    things = f"{len(sizes)} thing{'s' * (len(sizes) != 1)}"
    total = f"{things}, {_mega(sum(sizes.values()))} ({sum(sizes.values())} bytes)"
    if not yes:
        typer.echo(f"{total}, would go{'; add --yes to delete' if sizes else ''}")
        return
    typer.echo(f"{total}, deleted{f'; {len(busy)} of them are in use and stay' if busy else ''}")


def _choice(
    store: Store, items: Sequence[Held], older_than: str, kind: str, runs: Sequence[Path]
) -> Choice:
    from lox_bench.judges.verdicts import Verdicts
    from lox_bench.results.references import texts_in_records

    kinds = chosen_kinds(kind, items)
    if runs and REQUESTS in kinds:
        raise UsageError(
            f"--kind {REQUESTS} with --unreferenced: no run refers to single replies, so all would "
            "go; leave one of the two"
        )
    before = datetime.now(UTC) - age(older_than) if older_than else None
    referred = None
    if runs:
        named = texts_in_records(runs, besides=store.root.resolve())
        referred = housekeeping.referred_to(items, named, along={Verdicts.kind})
    return Choice(before, kinds, referred)


def _replies(store: Store, choice: Choice) -> list[Path]:
    """Files of judges' replies, if they were asked for by name."""
    if REQUESTS not in choice.kinds:
        return []
    return [
        path
        for path in housekeeping.requests(store)
        if choice.before is None or path.stat().st_mtime < choice.before.timestamp()
    ]


def _sizes(store: Store) -> list[Size]:
    """Kinds of stages, then what lies beside them."""
    kinds: dict[str, list[Held]] = {}
    for item in sorted(housekeeping.inventory(store), key=lambda item: (item.partial, item.kind)):
        kinds.setdefault(_PARTIAL if item.partial else item.kind, []).append(item)
    beside = {
        REQUESTS: housekeeping.requests(store),
        ENCODERS: housekeeping.encoders(store),
        _LEFT: housekeeping.leftovers(store),
    }
    return [
        *(
            Size(kind, len(held), sum(it.freed for it in held), sum(it.nbytes for it in held))
            for kind, held in kinds.items()
        ),
        *(
            Size(name, len(paths), 0, sum(map(housekeeping.size_of, paths)))
            for name, paths in beside.items()
        ),
    ]


def _plain(item: Held) -> dict[str, object]:
    return {
        "key": item.key,
        "kind": item.kind,
        "made": item.made.isoformat(timespec="seconds"),
        "seconds": None if item.manifest is None else item.manifest.seconds,
        "bytes": item.nbytes,
        "freed": item.freed,
        "unfinished": item.partial,
        "damaged": item.manifest is None,
    }


def _state(item: Held) -> str:
    if item.manifest is None:
        return "damaged"
    return "unfinished" if item.partial else "freed" if item.freed else ""


def _mega(nbytes: int) -> str:
    return f"{nbytes / 1e6:.1f} MB"
