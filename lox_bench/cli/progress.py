"""How stages show their progress: live bars on a terminal, lines in a log, nothing when quiet."""

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Self

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


class _Bar:
    def __init__(self, bars: Progress, task: TaskID) -> None:
        self._bars, self._task = bars, task

    def step(self, done: int, total: int, detail: str = "") -> None:
        self._bars.update(self._task, completed=done, total=total, detail=detail)


class BarDisplay:
    """Live bars with elapsed time and ETA; finished stages stay on screen."""

    def __init__(self, console: Console) -> None:
        """Draw on ``console``."""
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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the bars as they are."""
        self._bars.stop()

    @contextmanager
    def stage(self, title: str) -> Iterator[StageProgress]:
        """Show one stage from start to end."""
        task = self._bars.add_task(title, total=None, detail="")
        yield _Bar(self._bars, task)
        total = self._bars.tasks[self._bars.task_ids.index(task)].total or 1
        self._bars.update(task, total=total, completed=total, detail="")


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
        sys.stderr.write(f"    {self._title}: {done}/{total} {detail} eta {eta:.0f} s\n")
        sys.stderr.flush()


class LineDisplay:
    """Plain lines for logs and pipes."""

    def __enter__(self) -> Self:
        """Nothing to start."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to stop."""

    @contextmanager
    def stage(self, title: str) -> Iterator[StageProgress]:
        """Say when a stage starts and how long it took."""
        sys.stderr.write(f"  {title} ...\n")
        sys.stderr.flush()
        start = time.monotonic()
        yield _Line(title)
        sys.stderr.write(f"  {title}: {time.monotonic() - start:.1f} s\n")
        sys.stderr.flush()


class _Nothing:
    def step(self, done: int, total: int, detail: str = "") -> None:
        """Say nothing."""


class SilentDisplay:
    """For ``--quiet`` and ``--json``."""

    def __enter__(self) -> Self:
        """Nothing to start."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to stop."""

    def stage(self, title: str) -> AbstractContextManager[StageProgress]:
        """Show nothing."""
        return _silent(title)


@contextmanager
def _silent(_: str) -> Iterator[StageProgress]:
    yield _Nothing()
