"""Numbers that cannot be meant are refused by every command, before any work."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

COUNTS = ["0", "-1", "1.5", "many", "1000000001", "99999999999999999999"]
NUMBERS = ["nan", "inf", "-inf", "many", "1e9"]
SEEDS = ["-1", "4294967296", "18446744073709551616", "1.5", "x", "9" * 5000]
FOLDERS = ["--base", "a", "--aligned", "b"]
WRONG = [
    *[(["run", "--limit", value], "--limit") for value in COUNTS],
    *[(["run", "--max-steps", value], "--max-steps") for value in COUNTS],
    *[(["run", "--eval-every", value], "--eval-every") for value in COUNTS],
    *[(["run", "--attack-search", value], "--attack-search") for value in COUNTS],
    *[(["run", "--defence-search", value], "--defence-search") for value in COUNTS],
    *[(["run", "--accuracy-slack", value], "slack") for value in [*NUMBERS, "-1", "101"]],
    *[(["run", "--max-cost", value], "--max-cost") for value in [*NUMBERS[:4], "-0.01"]],
    *[(["run", "--seed", value], "seed") for value in [*SEEDS, "", "0,", "0,0"]],
    *[(["run", "--align-seeds", value], "seed") for value in SEEDS],
    *[(["run", "--attack-seeds", value], "seed") for value in SEEDS],
    *[(["diagnose", *FOLDERS, "--seed", value], "--seed") for value in SEEDS],
    *[(["diagnose", *FOLDERS, "--k", value], "--k") for value in COUNTS],
    *[(["diagnose", *FOLDERS, "--top", value], "--top") for value in COUNTS],
    *[(["diagnose", *FOLDERS, "--alpha", value], "--alpha") for value in NUMBERS],
    *[(["harden", *FOLDERS, "--out", "c", "--alpha", value], "alpha") for value in NUMBERS],
    *[(["landscape", "--seed", value], "--seed") for value in SEEDS],
    *[(["landscape", "--directions", value], "--directions") for value in COUNTS],
    *[(["landscape", "--grid", value], "grid") for value in ["0", "5x0", "-1", "9" * 5000, "1e3"]],
    *[(["landscape", "--x-range", value], "--x-range")
      for value in ["0,nan", "0,inf", "1,0", "0,0", "0", "a,b", "0,1e9"]],
    *[(["effective-rank", "--limit", value], "--limit") for value in COUNTS],
    *[(["effective-rank", "--ranks", value], "rank")
      for value in ["0", "-1", "x", "", "1,1", "9" * 5000, "1.5"]],
    *[(["report", "runs/x", "--clip", value], "--clip") for value in COUNTS],
    *[(["judge", "runs/x", "--max-cost", value], "--max-cost") for value in ["nan", "-1", "inf"]],
]  # fmt: skip


@pytest.mark.fault(28, inputs=len(WRONG))
def test_a_number_that_cannot_be_meant_is_refused(
    command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wrong = []
    for arguments, named in WRONG:
        done = command(*arguments)
        if done.code != 2 or named not in done.err or "Traceback" in done.err:
            wrong.append((arguments, done.code, done.err[-200:]))
    assert wrong == []
    assert list(tmp_path.iterdir()) == []
