"""One writer a run folder: the lock lies in the folder itself, whatever cache a command uses."""

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from lox_bench.errors import StoreError, UsageError

LOCK: Final = ".lock"
HOLDER: Final = ".holder"  # who has it, for messages; the lock itself ends with its process
OURS: Final = {LOCK, HOLDER}
_HELD: Final = re.compile(r"process (?P<process>[1-9]\d{0,9}) on (?P<host>\S+) since ")


@contextmanager
def sole_writer(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold a run folder while it is written.

    Args:
        folder: an existing folder.
        wait: until another writer has finished, instead of refusing.

    Raises:
        UsageError: another process writes there (who, where, since when).
        StoreError: the folder cannot be written.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout as error:
        raise UsageError(
            f"{folder} is being written by {holder(folder)}; wait for it, or name another folder "
            "with --out"
        ) from error
    except OSError as error:
        raise StoreError(f"{folder} cannot be written ({error.strerror})") from error
    try:
        with suppress(OSError):
            (folder / HOLDER).write_text(_us(), encoding="utf-8")
        yield
    finally:
        for name in (HOLDER, LOCK):  # whoever waits for it notices that it is gone, and makes one
            with suppress(OSError):
                (folder / name).unlink()
        lock.release()


def is_written(folder: Path) -> bool:
    """Whether somebody writes there now, without taking the lock from them.

    By the note that a writer leaves: one of this machine must live, of another it is believed.
    """
    if not (folder / HOLDER).is_file():
        return False
    told = _HELD.match(holder(folder))
    if told is None or told["host"] != socket.gethostname():
        return True
    try:
        os.kill(int(told["process"]), 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # it is somebody else's
        return True
    return True


def _us() -> str:
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"process {os.getpid()} on {socket.gethostname()} since {now}"


def holder(folder: Path) -> str:
    """Who writes there (process, machine, since when), in words."""
    try:
        text = (folder / HOLDER).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "another process"
    return "".join(char for char in text if char.isprintable())[:120] or "another process"
