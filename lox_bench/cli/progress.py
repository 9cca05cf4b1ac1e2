"""How stages show their progress: live bars on a terminal, lines in a log, nothing when quiet."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from lox_bench.types import Progress as StageProgress

_SHORT_S: Final = 1.0  # of a stage that is counted, not named


class _Bar:
    def __init__(self, bars: Progress, task: TaskID) -> None:
        self._bars, self._task = bars, task

    def step(self, done: int, total: int, detail: str = "") -> None:
        self._bars.update(self._task, completed=done, total=total, detail=detail)


class BarDisplay:
    """Live bars with elapsed time and ETA; finished stages stay on screen."""

    def __init__(self, console: Console) -> None:
        """Draw on ``console``."""
        self._short = 0
        self._bars = Progress(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("eta"),
            TimeRemainingColumn(compact=True),
            TextColumn("[dim]{task.fields[detail]}"),
            console=console,
        )

    def __enter__(self) -> Self:
        """Start drawing."""
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the bars as they are; say how many stages were too short for one."""
        self._bars.stop()
        if self._short:
            self._bars.console.print(_counted(self._short), markup=False, highlight=False)

    @contextmanager
    def stage(self, title: str) -> Iterator[StageProgress]:
        """Show one stage from start to end."""
        task = self._bars.add_task(title, total=None, detail="")
        start = time.monotonic()
        yield _Bar(self._bars, task)
        total = self._bars.tasks[self._bars.task_ids.index(task)].total or 1
        self._bars.update(task, total=total, completed=total, detail="")
        if time.monotonic() - start < _SHORT_S:
            self._bars.remove_task(task)
            self._short += 1


class _Line:
    """At most one line every few seconds, so that a log stays readable."""

    _EVERY_S = 15.0

    def __init__(self, title: str) -> None:
        self._title, self._start = title, time.monotonic()
        self._last = self._start

    def step(self, done: int, total: int, detail: str = "") -> None:
        now = time.monotonic()
        if now - self._last < self._EVERY_S:
            return
        self._last = now
        eta = (now - self._start) / max(done, 1) * (total - done)
        _say(f"    {self._title}: {done}/{total} {detail} eta {eta:.0f} s")


class _Frameless:
    """A display with nothing to start or stop."""

    def __enter__(self) -> Self:
        """Nothing to start."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to stop."""


class LineDisplay:
    """Plain lines for logs and pipes."""

    def __init__(self) -> None:
        """Nothing was shown yet."""
        self._short = 0

    def __enter__(self) -> Self:
        """Nothing to start."""
        return self

    def __exit__(self, *_: object) -> None:
        """Say how many stages were too short to be named."""
        if self._short:
            _say(_counted(self._short))

    @contextmanager
    def stage(self, title: str) -> Iterator[StageProgress]:
        """Name a stage once it has taken a second, and say how long it took."""
        start = time.monotonic()
        late = threading.Timer(_SHORT_S, _say, [f"  {title} ..."])
        late.daemon = True
        late.start()
        try:
            yield _Line(title)
        finally:
            late.cancel()
        seconds = time.monotonic() - start
        if seconds < _SHORT_S:
            self._short += 1
        else:
            _say(f"  {title}: {seconds:.1f} s")


class SilentDisplay(_Frameless):
    """For ``--quiet`` and ``--json``."""

    @contextmanager
    def stage(self, title: str) -> Iterator[StageProgress]:
        """Show nothing."""
        del title
        yield _Nothing()


def choose_display(console: Console, *, quiet: bool) -> BarDisplay | LineDisplay | SilentDisplay:
    """Bars on a terminal, lines in a log, nothing when quiet."""
    if quiet:
        return SilentDisplay()
    return BarDisplay(console) if console.is_terminal else LineDisplay()


class _Nothing:
    def step(self, done: int, total: int, detail: str = "") -> None:
        """Say nothing."""


def _counted(short: int) -> str:
    return f"  {short} stage{'s' * (short != 1)} under a second"


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
