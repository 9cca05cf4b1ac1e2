"""A run's log: what was said on the terminal, when, and the seconds of each stage."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from lox_bench import __version__
from lox_bench.cli.signals import Stopped
from lox_bench.engine.local import Display
from lox_bench.errors import LoxBenchError
from lox_bench.harmless import harmless
from lox_bench.types import Progress

LOG: Final = "log.txt"  # in the folder of a run
_LOGGER: Final = logging.getLogger("lox_bench.run")
_FORM: Final = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S%z")


@contextmanager
def logged(folder: Path) -> Iterator[None]:
    """Append to ``folder/log.txt`` meanwhile: the command, what is said, and how it ended."""
    handler = logging.FileHandler(folder / LOG, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(_FORM)
    _LOGGER.addHandler(handler)
    _LOGGER.setLevel(logging.INFO)
    start = time.monotonic()
    try:
        log(f"lox-bench {__version__}: {' '.join(sys.argv[1:])}")
        yield
        log(f"done in {time.monotonic() - start:.1f} s")
    except (LoxBenchError, Stopped) as error:
        log(f"ended: {error}", logging.ERROR)
        raise
    except BaseException as error:
        _LOGGER.critical("ended by %s", type(error).__name__, exc_info=error)
        raise
    finally:
        _LOGGER.removeHandler(handler)
        handler.close()


def log(line: str, level: int = logging.INFO) -> None:
    """One line in the log of the run that is going on; nowhere where there is none."""
    if _LOGGER.handlers:
        _LOGGER.log(level, harmless(line))


class LoggedConsole(Console):
    """A console whose texts stand in the run's log too."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print, and log what is text."""
        super().print(*objects, **options)
        for item in objects:
            if isinstance(item, str):
                marked = options.get("markup") is not False
                log(Text.from_markup(item).plain if marked else item)


class LoggedDisplay:
    """A display whose stages stand in the run's log too, the short ones as well."""

    def __init__(self, display: Display) -> None:
        """Show on ``display``."""
        self._display = display

    @contextmanager
    def stage(self, title: str) -> Iterator[Progress]:
        """Show a stage, and log what it took."""
        start = time.monotonic()
        with self._display.stage(title) as progress:
            yield progress
        log(f"{title}: {time.monotonic() - start:.1f} s")
