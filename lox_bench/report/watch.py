"""The page of a run in the making: refreshed on disk until the run has ended.

Nothing of it is a result. It says so in its heading and its title, holds no leaderboard that a
program could read, and gives way to the finished page.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from markupsafe import Markup

from lox_bench import __version__
from lox_bench.engine.store import Store
from lox_bench.errors import DataError
from lox_bench.report import assets
from lox_bench.report.costs import duration
from lox_bench.report.page import GENERATOR
from lox_bench.report.progress import Progress, progress_of
from lox_bench.report.publish import write_page
from lox_bench.results.lock import holder, is_written
from lox_bench.results.plan import Plan, load_plan
from lox_bench.results.record import RunRecord, load_record
from lox_bench.results.run import open_run

LIVE: Final = "lives"
LEFT: Final = "nobody refreshes this page any more; the run may go on"
STOPPED: Final = "the run stopped before its end; run its command again to complete it"


@dataclass(frozen=True, slots=True)
class Watch:
    """One run's folder, the page to refresh, and how often, in seconds."""

    folder: Path
    file: Path
    store: Store
    every: float
    say: Callable[[str], None]
    pause: Callable[[float], None] = time.sleep

    def until_done(self) -> None:
        """Refresh the page until the run has finished; whatever ends this is said on the page.

        Raises:
            DataError: it is no run, or the run stopped unfinished.
        """
        self._shown("")  # a folder that is no run is told before anything is written
        state, line = LEFT, ""
        try:
            while not self._finished():
                if not is_written(self.folder) and not self._finished():
                    state = STOPPED
                    open_run(self.folder)  # says that it has not finished
                    return
                line = self._refresh(LIVE, line)
                self.pause(self.every)
            state = ""
        finally:
            if state:
                self._refresh(state, line)

    def _finished(self) -> bool:
        return isinstance(load_record(self.folder), RunRecord)

    def _refresh(self, state: str, last: str) -> str:
        """Write the page, and say how far the run is unless that was said before."""
        shown = self._shown(state)
        if shown is None:
            return last
        html, line = shown
        write_page(self.file, html)
        if line != last and state == LIVE:
            self.say(line)
        return line

    def _shown(self, state: str) -> tuple[str, str] | None:
        """The page and one line for a log; nothing once the run has finished."""
        if self._finished():
            return None
        try:
            plan = load_plan(self.folder)
        except DataError:
            if self._finished():  # its plan has just gone
                return None
            raise
        found = progress_of(plan, self.store)
        return progress_page(self, plan, found, state), _line(found)


def progress_page(watch: Watch, plan: Plan, found: Progress, state: str) -> str:
    """The page of a run that has not finished."""
    script = assets.reload_script(watch.every) if state == LIVE else ""
    return (
        assets.templates()
        .get_template("watch.html.jinja")
        .render(
            generator=f"{GENERATOR} {__version__}",
            title=watch.folder.resolve().name,
            style=Markup(assets.our_style()),  # noqa: S704 - ours
            script=Markup(script),  # noqa: S704 - ours
            script_hash=assets.script_hash(script),
            state=state,
            live=state == LIVE,
            plan=plan,
            found=found,
            writer=holder(watch.folder) if state == LIVE else "",
            eta=_eta(found),
            done=found.total - len(found.missing),
            waiting=[(item.title, item.kind) for item in found.missing],
            cache=_strange_cache(plan, watch.store),
            every=f"{watch.every:g}",
            now=datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        )
    )


def _line(found: Progress) -> str:
    done = found.total - len(found.missing)
    now = f", now {', '.join(found.building)}" if found.building else ""
    return f"{done} of {found.total} stages, {_eta(found)}{now}"


def _eta(found: Progress) -> str:
    return ", ".join(_eta_parts(found))


def _eta_parts(found: Progress) -> Iterator[str]:
    if not found.missing:
        yield "only the results are still to be written"
        return
    if found.unforeseen < len(found.missing):
        yield f"about {duration(found.seconds)} left"
    if found.unforeseen:
        many = found.unforeseen
        yield f"{many} stage{'s' * (many != 1)} of which the cache holds no like, not counted"


def _strange_cache(plan: Plan, store: Store) -> str:
    """What to say where the run's artifacts go elsewhere than where this command looks."""
    if Path(plan.cache).absolute() == store.root.absolute():
        return ""
    return (
        f"The run keeps its artifacts in {plan.cache}, and this page was made from {store.root}: "
        "set LOX_BENCH_CACHE alike, or all seems missing."
    )
