"""``lox-bench runs``: the runs of this folder: list them, look at one, open its page, remove it."""

import shlex
import shutil
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from lox_bench.cli.help_page import ShownGroup
from lox_bench.cli.jsonout import print_json
from lox_bench.cli.once import Once
from lox_bench.cli.where import RunFolder, RunFolders
from lox_bench.cli.writing import rich_table
from lox_bench.engine.housekeeping import size_of
from lox_bench.errors import StoreError, UsageError
from lox_bench.results.lock import sole_writer
from lox_bench.results.place import RUNS, held_in, is_left, left_folders, run_folders
from lox_bench.results.record import Claim, RunRecord
from lox_bench.results.run import LEADERBOARD, NO_ATTACK, open_run
from lox_bench.results.text_table import TextTable

app = typer.Typer(
    cls=ShownGroup,
    help="Runs: list them, show one, open its page, remove it.",
    invoke_without_command=True,
)
Root = Annotated[Path, typer.Option("--dir", help="The folder that runs lie in.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, nothing else.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")]
NoBrowser = Annotated[
    bool, typer.Option("--no-browser", help="Write the page and say where; open nothing.")
]
_PAGE: Final = "report.html"
_WIDE: Final = 120  # columns of a terminal that has room for more than names


@app.callback()
def runs(context: typer.Context) -> None:
    """Without a command: the list."""
    if context.invoked_subcommand is None:
        show_list()


@app.command("list", cls=Once)
def list_runs(root: Root = RUNS, json: Json = False) -> None:
    """List runs, the newest last: when each finished, and what was tested.

    Examples:
      lox-bench runs

      lox-bench runs list --json
    """
    show_list(root, json=json)


def show_list(root: Path = RUNS, *, json: bool = False) -> None:
    """Print the table of runs, or the same as JSON."""
    folders = [*run_folders(root), *left_folders(root)]
    found = sorted((_plain(folder, root) for folder in folders), key=_when)
    if json:
        print_json(found)
        return
    console = Console()
    wide = console.width >= _WIDE
    head = ("run", "finished", *(("models", "attacks", "seeds", "judges", "MB") if wide else ()))
    rows = tuple(_line(item)[: len(head)] for item in found)
    note = f"in {root}/; RUN is a path, a name, or latest" if rows else f"no run in {root}/ yet"
    if any(item.get("unreadable") for item in found):
        note += "\ncannot be read: of another lox-bench, or broken; `runs show` says what is wrong"
    console.print(rich_table(TextTable("", head, rows, note)))


@app.command("show", cls=Once)
def show(run: RunFolder, json: Json = False) -> None:
    """Show what a run tested, with which command, and its leaderboard.

    Examples:
      lox-bench runs show latest
    """
    opened = open_run(run)
    facts = _plain(run, run.parent)
    if json:
        print_json(facts)
        return
    from lox_bench.cli.tables import leaderboard_table

    console = Console()
    for name, value in facts.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        console.print(f"{name:9} {shown}", soft_wrap=True, markup=False, highlight=False)
    console.print(leaderboard_table(opened.rows))


@app.command("open", cls=Once)
def open_page(run: RunFolder, no_browser: NoBrowser = False) -> None:
    """Write a run's page, if it has none that is up to date, and open it in the browser.

    Examples:
      lox-bench runs open latest

      lox-bench runs open latest --no-browser
    """
    opened = open_run(run)
    page = opened.path / _PAGE
    if not page.is_file() or page.stat().st_mtime < (opened.path / "manifest.json").stat().st_mtime:
        from lox_bench.report.merge import read_boards
        from lox_bench.report.page import build_page
        from lox_bench.report.publish import write_page

        boards = read_boards([opened.path])
        write_page(page, build_page(boards, title=boards[0].name))
    typer.echo(page)
    if not no_browser and not webbrowser.open(page.resolve().as_uri()):
        typer.echo("no browser could be opened here; copy the file to where there is one", err=True)


@app.command("remove", cls=Once)
def remove(runs: RunFolders, yes: Yes = False) -> None:
    """Remove runs: their folders, after asking. What is stored in the cache stays.

    Examples:
      lox-bench runs remove 2026-11-25-aligned+lox-gsm8k

    Exit codes: 0 removed, or left because you said no, 2 a folder is no run, or nobody could be
    asked.
    """
    for folder in dict.fromkeys(runs):
        _require_ours(folder)
    for folder in dict.fromkeys(runs):
        if yes or _agreed(folder):
            _remove(folder)
            typer.echo(f"removed {folder}")
        else:
            typer.echo(f"{folder} stays")


def _remove(folder: Path) -> None:
    for run in _runs_of(folder):
        with sole_writer(run):  # nobody is writing there
            pass
    try:
        shutil.rmtree(folder)
        if folder.parent.resolve() != RUNS.resolve() and not any(folder.parent.iterdir()):
            folder.parent.rmdir()
    except OSError as error:
        raise StoreError(f"{folder} cannot be removed ({error.strerror})") from error


def _require_ours(folder: Path) -> None:
    if folder.is_symlink():
        raise UsageError(f"{folder} is a link; remove what it leads to by its own name")
    if not _runs_of(folder):
        raise UsageError(f"{folder} is no run of lox-bench; nothing was removed")


def _runs_of(folder: Path) -> list[Path]:
    """The run in a folder, or those of several families that share it and its leaderboard."""
    if held_in(folder) is not None or is_left(folder):
        return [folder]
    inner = [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    shared = (folder / LEADERBOARD).is_file() and all(held_in(path) for path in inner)
    return inner if shared else []


def _agreed(folder: Path) -> bool:
    if not sys.stdin.isatty():
        raise UsageError(f"{folder}: nobody is here to be asked; --yes removes it")
    files = sum(file.is_file() for file in folder.rglob("*"))
    what = f"{files} files, {size_of(folder) / 1e6:.1f} MB"
    return typer.confirm(f"Remove {folder} ({what})?")


def _plain(folder: Path, root: Path) -> dict[str, object]:
    """What a run is, as plain data."""
    record = held_in(folder)
    base: dict[str, object] = {"run": str(folder.relative_to(root)), "path": str(folder)}
    end: dict[str, object] = {"bytes": size_of(folder)}
    if record is None:
        return {**base, "finished": None, "unreadable": True, **end}
    if not isinstance(record, RunRecord):
        plan = record.plan if isinstance(record, Claim) else ""
        return {**base, "finished": None, "plan": plan, **end}
    variants = record.variants
    return {
        **base,
        "finished": record.finished,
        "family": record.family,
        "models": _once([item.model for item in variants]),
        "attacks": _once([item.attack for item in variants if item.attack != NO_ATTACK]),
        "seeds": _once([item.seed for item in variants]),
        "prompts": list(record.prompts),
        "split": record.split,
        "limit": record.limit,
        "judges": list(record.judges),
        "command": shlex.join(["lox-bench", *record.command[1:]]),
        "plan": record.plan,
        **end,
    }


def _once(items: Sequence[object]) -> list[object]:
    return list(dict.fromkeys(items))


def _when(item: dict[str, object]) -> tuple[bool, str]:
    return item["finished"] is None, str(item["finished"])


def _ended(item: dict[str, object]) -> str:
    if item.get("unreadable"):
        return "cannot be read"
    done = item["finished"]
    return str(done)[:16].replace("T", " ") if done else "not finished"


def _line(item: dict[str, object]) -> tuple[str, ...]:
    lists = [item.get(name) for name in ("models", "attacks", "seeds", "judges")]
    return (
        str(item["run"]),
        _ended(item),
        *(", ".join(map(str, held)) if isinstance(held, list) else "" for held in lists),
        f"{int(str(item['bytes'])) / 1e6:.1f}",
    )
