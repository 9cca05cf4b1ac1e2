"""The command in a process of its own."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

LOX_BENCH = [sys.executable, "-c", "from lox_bench.cli.main import entry; entry()"]


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


def lox_bench_here(
    arguments: Sequence[str], patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]
) -> Ended:
    """The command in this process: for many calls that do no work, its imports are paid once."""
    from lox_bench.cli.main import entry

    patch.setattr(sys, "argv", ["lox-bench", *arguments])
    capture.readouterr()
    with pytest.raises(SystemExit) as ended:
        entry()
    said = capture.readouterr()
    return Ended(int(ended.value.code or 0), said.out, said.err)


def lox_bench(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [*LOX_BENCH, *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
