"""Write what was rendered, and never over a file that is not ours."""

from collections.abc import Sequence
from pathlib import Path

from lox_bench.errors import StoreError, UsageError
from lox_bench.files import MANIFEST, write_text
from lox_bench.report.markdown import MARK, leaderboard_markdown
from lox_bench.report.merge import Board, Entry, entries_csv, newest
from lox_bench.report.page import GENERATOR, build_page
from lox_bench.results.row import COLUMNS, Row, to_csv
from lox_bench.results.run import LEADERBOARD, MARKDOWN

_HEAD = 4096  # characters in which a file of ours says so


def publish(boards: Sequence[Board], folder: Path, *, title: str) -> list[Entry]:
    """Write ``leaderboard.csv``, ``.md`` and ``.html`` to ``folder``; return what was kept.

    Raises:
        UsageError: the folder is a run's own, or holds such files of somebody else.
        StoreError: it cannot be written.
    """
    if (folder / MANIFEST).exists():
        raise UsageError(f"--out {folder} is a run's folder, whose leaderboard stays: name another")
    entries = newest(entry for board in boards for entry in board.entries)
    page = build_page(boards, title=title, explorer=False)
    write_ours(folder / LEADERBOARD, entries_csv(entries), mark=",".join(COLUMNS[:8]))
    write_ours(folder / MARKDOWN, leaderboard_markdown(entries), mark=MARK)
    write_page(folder / "leaderboard.html", page)
    return entries


def write_leaderboard(folder: Path, rows: Sequence[Row]) -> None:
    """A run's own leaderboard, for programs (CSV) and for people (markdown)."""
    write_text(folder / LEADERBOARD, to_csv(rows))
    entries = [Entry(row, folder.name, "") for row in rows]
    write_text(folder / MARKDOWN, leaderboard_markdown(entries))


def write_page(file: Path, html: str) -> None:
    """Write a page, over an older one of ours if there is one.

    Raises:
        UsageError: the file exists and is not ours.
        StoreError: it cannot be written.
    """
    write_ours(file, html, mark=f'<meta name="generator" content="{GENERATOR}')


def write_ours(file: Path, text: str, *, mark: str) -> None:
    """Write ``text``, unless a file without ``mark`` in its head is in the way."""
    try:
        if file.exists() and mark not in _head(file):
            raise UsageError(f"{file} was not made by lox-bench; nothing was overwritten")
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, text)
    except OSError as error:
        raise StoreError(f"{file} cannot be written ({error.strerror})") from error


def _head(file: Path) -> str:
    with file.open(encoding="utf-8", errors="replace") as stream:
        return stream.read(_HEAD)
