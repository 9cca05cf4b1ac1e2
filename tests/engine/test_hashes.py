"""A large file is hashed once, and again whenever it may have changed."""

import os
from pathlib import Path

import pytest

from lox_bench.engine import hashes
from lox_bench.engine.artifact import ALWAYS_READ, sha256_of
from lox_bench.engine.hashes import content_hash


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOX_BENCH_CACHE", str(tmp_path / "cache"))


def large(path: Path, first: bytes = b"a") -> Path:
    path.write_bytes(first + bytes(ALWAYS_READ))
    return path


def test_a_large_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = large(tmp_path / "weights")
    found = content_hash(file)
    monkeypatch.setattr(hashes, "sha256_of", lambda _: "read again")
    assert content_hash(file) == found
    assert content_hash(large(tmp_path / "others")) == "read again"


def test_a_change_is_seen_even_if_its_time_is_set_back(tmp_path: Path) -> None:
    file = large(tmp_path / "weights")
    before, times = content_hash(file), file.stat()
    large(file, b"b")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert content_hash(file) == sha256_of(file) != before


@pytest.mark.parametrize("note", ["", "{}", "[]", '{"stamp": 3}', "\x00"])
def test_a_broken_note_is_no_hash(tmp_path: Path, note: str) -> None:
    file = large(tmp_path / "weights")
    content_hash(file)
    (held,) = (tmp_path / "cache" / "hashes").iterdir()
    held.write_text(note)
    assert content_hash(file) == sha256_of(file)
