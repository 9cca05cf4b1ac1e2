"""torch is asked for huge pages before it allocates anything, and users keep the last word."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

VARIABLE = "THP_MEM_ALLOC_ENABLE"
KERNEL = Path("/sys/kernel/mm/transparent_hugepage/enabled")
FAULTS = """
import lox_bench, resource, torch
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
torch.ones(16 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def said(code: str, **set_before: str) -> str:
    """What a new process prints that has no other word on huge pages."""
    inherited = {name: value for name, value in os.environ.items() if name != VARIABLE}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, env=inherited | set_before, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize(("set_before", "in_force"), [({}, "1"), ({VARIABLE: "0"}, "0")])
def test_the_import_asks_for_huge_pages_unless_the_user_has_spoken(set_before, in_force):
    assert said(f"import lox_bench, os; print(os.environ['{VARIABLE}'])", **set_before) == in_force


def test_torch_takes_them_where_the_system_gives_them_on_request():
    """64 MiB are 16,384 small pages; the variable is torch's own, and not documented to last."""
    if not KERNEL.is_file() or "[madvise]" not in KERNEL.read_text():
        pytest.skip("this system gives huge pages to everybody, or to nobody")
    assert int(said(FAULTS)) < int(said(FAULTS, **{VARIABLE: "0"})) / 2
