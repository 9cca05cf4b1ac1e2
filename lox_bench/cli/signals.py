"""Being asked to stop: work is put away as after any error, and the user is told how to go on."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_ASKED: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
_FROM_SHELL: Final = 128  # exit codes of processes that a signal ended lie above it


class Stopped(BaseException):
    """A signal came; no ``except Exception`` on the way holds it up."""

    def __init__(self, number: int) -> None:
        """Remember which."""
        super().__init__(number)
        self.number = number

    @property
    def exit_code(self) -> int:
        """What a shell reports for a process that this signal ended."""
        return _FROM_SHELL + self.number

    def __str__(self) -> str:
        """What happened, and what to do."""
        word = {signal.SIGINT: "interrupted"}.get(signal.Signals(self.number))
        name = word or f"stopped by {signal.Signals(self.number).name}"
        return f"{name}; nothing is half-written: run the same command again to continue"


@contextmanager
def stoppable() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP raise ``Stopped`` once; the next one ends at once.

    What the caller of this process ignores (``nohup``) stays ignored.
    """
    earlier = {
        number: signal.signal(number, _stop)
        for number in _ASKED
        if signal.getsignal(number) in {signal.SIG_DFL, signal.default_int_handler}
    }
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    del frame
    for other in _ASKED:
        if signal.getsignal(other) is _stop:
            signal.signal(other, signal.SIG_DFL)
    raise Stopped(number)
