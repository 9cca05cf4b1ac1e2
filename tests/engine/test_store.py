"""The store: artifacts whole or absent, work done once, kill -9 harmless."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lox_bench.codec import read_records, write_records
from lox_bench.engine.store import Store, default_root, read_manifest
from lox_bench.errors import StoreError

KILLED = """
import sys, time
from pathlib import Path
from lox_bench.engine.store import Store

def slow(out):
    (out / "half").write_text("x")
    Path(sys.argv[2]).write_text("started")
    time.sleep(60)

Store(Path(sys.argv[1])).build("stage", "key", {}, slow)
"""


def fill(text: str):
    def builder(out: Path) -> dict[str, str]:
        (out / "file").write_text(text)
        return {"said": text}

    return builder


def test_an_artifact_is_built_once_and_then_found(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = store.build("stage", "key", {"a": 1}, fill("first"))
    second = store.build("stage", "key", {"a": 1}, fill("second"))
    assert first == second == store.find("stage", "key")
    assert (first / "file").read_text() == "first"
    assert read_manifest(first)["facts"] == {"said": "first"}


def test_a_failed_build_leaves_nothing_behind(tmp_path: Path) -> None:
    def broken(out: Path) -> dict[str, str]:
        (out / "half").write_text("x")
        raise RuntimeError

    store = Store(tmp_path)
    with pytest.raises(RuntimeError):
        store.build("stage", "key", {}, broken)
    assert store.find("stage", "key") is None
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_killed_build_is_invisible_and_the_next_one_starts_clean(tmp_path: Path) -> None:
    started = tmp_path / "started"
    command = [sys.executable, "-c", KILLED, str(tmp_path / "cache"), str(started)]
    child = subprocess.Popen(command)
    while not started.exists():
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    store = Store(tmp_path / "cache")
    assert store.find("stage", "key") is None
    path = store.build("stage", "key", {}, fill("whole"))
    assert sorted(item.name for item in path.iterdir()) == ["file", "manifest.json"]


def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    def full(_: Path) -> dict[str, str]:
        raise OSError(28, "No space left on device")

    with pytest.raises(StoreError, match="disk is full"):
        Store(tmp_path).build("stage", "key", {}, full)


def test_a_store_that_cannot_be_made_says_which_variable_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="LOX_BENCH_CACHE"):
        Store(tmp_path / "file" / "cache")


def test_the_variable_moves_the_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOX_BENCH_CACHE", str(tmp_path))
    assert default_root() == tmp_path


def test_records_survive_every_line_separator_a_model_may_write(tmp_path: Path) -> None:
    records = [{"text": f"a{separator}b"} for separator in "\n\r\v\f\x1c\x85\u2028\u2029"]
    write_records(tmp_path / "x.jsonl", records)
    assert read_records(tmp_path / "x.jsonl", dict) == records
