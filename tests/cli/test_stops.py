"""Asked to stop, a command leaves nothing half-written, and says how to go on."""

import errno
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.run_folders import Fake, write_run

from lox_bench import files
from lox_bench.errors import StoreError
from lox_bench.files import remove_parts, write_text

WORK = """
import signal, sys, time
from pathlib import Path
from lox_bench.cli import main
from lox_bench.data.stage import Rows
from lox_bench.engine.store import Store

def work(out):
    (out / "half").write_text("half")
    print("at work", flush=True)
    time.sleep(60)
    return {}

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
root = Path(sys.argv[1])
main.app = lambda: Store(root).build(Rows.of("x", [{"a": "b"}]), work)
main.entry()
"""


def start(root: Path, **options: object) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", WORK, str(root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,  # type: ignore[call-overload]
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "at work\n"
    return child


@pytest.mark.fault(27)
@pytest.mark.parametrize(
    ("number", "said"),
    [
        (signal.SIGINT, "lox-bench: interrupted; nothing is half-written"),
        (signal.SIGTERM, "lox-bench: stopped by SIGTERM; nothing is half-written"),
        (signal.SIGHUP, "lox-bench: stopped by SIGHUP; nothing is half-written"),
    ],
)
def test_a_signal_leaves_no_scratch_and_one_line(
    tmp_path: Path, number: signal.Signals, said: str
) -> None:
    child = start(tmp_path)
    child.send_signal(number)
    _, err = child.communicate(timeout=30)
    assert child.returncode == 128 + number
    assert err.startswith(said)
    assert err.count("\n") == 1
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not (tmp_path / "rows").exists()


@pytest.mark.fault(27, inputs=1)
def test_what_nohup_ignores_stays_ignored(tmp_path: Path) -> None:
    def nohup() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    child = start(tmp_path, preexec_fn=nohup)
    child.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert child.poll() is None
    child.kill()
    child.communicate(timeout=30)


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.fault(27)
@pytest.mark.parametrize("options", [["report"], ["leaderboard"], ["compare"]])
def test_a_full_disk_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: Callable[..., object],
    options: list[str],
) -> None:
    run = write_run(tmp_path / "run", Fake())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    monkeypatch.setattr(files.os, "fsync", full)
    out = tmp_path / {"compare": "out.csv", "report": "page.html"}.get(options[0], "out")
    done = command(*options, str(run.path), "--out", str(out))
    assert done.code == StoreError.exit_code  # type: ignore[attr-defined]
    assert "No space left on device" in done.err  # type: ignore[attr-defined]
    assert done.err.count("\n") == 1  # type: ignore[attr-defined]
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {path: text for path, text in after.items() if path in before} == before
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.fault(27, inputs=1)
def test_a_write_that_fails_leaves_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text(tmp_path / "file", "old")
    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_text(tmp_path / "file", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "old"


@pytest.mark.fault(27, inputs=1)
def test_what_a_killed_writer_left_goes_at_the_next_start(tmp_path: Path) -> None:
    (tmp_path / "plots").mkdir()
    for name in (".0123.part", "plots/.4567.part"):
        (tmp_path / name).write_text("half")
    (tmp_path / "kept.part").write_text("a user's own")
    remove_parts(tmp_path)
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["kept.part"]
