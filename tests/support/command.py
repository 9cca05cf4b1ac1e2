"""The command in a process of its own."""

import subprocess
import sys
from pathlib import Path

LOX_BENCH = [sys.executable, "-c", "from lox_bench.cli.main import entry; entry()"]


def lox_bench(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [*LOX_BENCH, *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
