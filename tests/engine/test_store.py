"""Artifacts: made once, whole or not there, and never believed unread."""

import errno
import json
import os
import pickle
import signal
import stat
import subprocess
import sys
import time
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import pytest
from support.toys import LARGE, Slow, Toy, Weights, flip, make, until

from lox_bench.engine import artifact
from lox_bench.engine.stage import Facts
from lox_bench.engine.store import Store
from lox_bench.errors import StoreError

TESTS = Path(__file__).parents[1]
CHILD = """
import pickle, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from support.toys import make
from lox_bench.engine.store import Store
make(Store(Path(sys.argv[2])), pickle.loads(Path(sys.argv[3]).read_bytes()))
"""
TOY = Toy("toy")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def store(tmp_path: Path, said: list[str]) -> Store:
    return Store(tmp_path / "store", said.append)


def small(out: Path) -> Facts:
    (out / "small").write_text("content")
    return {"n": 1}


def in_a_process(store: Store, stage: Slow, folder: Path) -> subprocess.Popen[bytes]:
    file = folder / f"{stage.name}.pickle"
    file.write_bytes(pickle.dumps(stage))
    return subprocess.Popen([sys.executable, "-c", CHILD, str(TESTS), str(store.root), str(file)])


def test_a_stage_is_built_once(store: Store) -> None:
    made = []

    def work(out: Path) -> Facts:
        made.append(out)
        return small(out)

    one, two = store.build(TOY, work), store.build(TOY, work)
    assert len(made) == 1
    assert one.path == two.path == store.path_of(TOY)
    assert one.manifest == two.manifest
    assert one.manifest.facts == {"n": 1}


def test_a_build_that_fails_leaves_nothing(store: Store) -> None:
    def fail(out: Path) -> Facts:
        small(out)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        store.build(TOY, fail)
    assert store.find(TOY) is None
    assert not store.path_of(TOY).exists()
    assert list((store.root / "tmp").iterdir()) == []


@pytest.mark.fault(31, inputs=1)
def test_a_killed_build_is_invisible_and_the_next_starts_clean(
    store: Store, tmp_path: Path
) -> None:
    flag, go = tmp_path / "flag", tmp_path / "go"
    stage = Slow("slow", flag=str(flag), go=str(go))
    child = in_a_process(store, stage, tmp_path)
    until(flag.exists)
    child.send_signal(signal.SIGKILL)
    child.wait()
    (left,) = (store.root / "tmp").iterdir()
    assert (left / "small").exists()
    (left / "leftover").write_text("of the killed one")
    assert store.find(stage) is None
    go.touch()
    make(store, stage)
    held = store.find(stage)
    assert held is not None
    assert sorted(held.manifest.files) == ["small"]
    assert not (held.path / "leftover").exists()
    assert list((store.root / "tmp").iterdir()) == []


@pytest.mark.fault(31, inputs=1)
def test_two_processes_do_the_work_once(store: Store, tmp_path: Path) -> None:
    flag, go = tmp_path / "flag", tmp_path / "go"
    stage = Slow("slow", flag=str(flag), go=str(go))
    children = [in_a_process(store, stage, tmp_path) for _ in range(2)]
    until(flag.exists)
    go.touch()
    assert [child.wait(60) for child in children] == [0, 0]
    assert flag.read_text() == "slow\n"


def test_what_is_partial_is_readable_and_never_final(store: Store) -> None:
    first = store.build(TOY, small, partial=lambda: True)
    assert first.partial
    assert store.find(TOY) is None
    held = store.artifact(TOY)
    assert held is not None
    assert held.partial
    assert (held.path / "small").read_text() == "content"
    flip(held.path / "small")
    assert store.artifact(TOY) is None
    assert not store.build(TOY, small).partial
    assert not first.path.exists()
    assert store.find(TOY) is not None


def test_freeing_keeps_the_manifest_and_the_small_files(store: Store, said: list[str]) -> None:
    stage = Weights("w")
    make(store, stage)
    store.free(stage)
    folder = store.path_of(stage)
    assert not (folder / "large").exists()
    assert (folder / "small").read_text() == "w"
    assert store.find(stage) is None
    told = store.told(stage)
    assert told is not None
    assert told.files["large"].size == LARGE
    assert said == []
    make(store, stage)
    assert store.find(stage) is not None


@pytest.mark.parametrize("how", ["flip", "cut", "delete"])
def test_a_damaged_large_file_frees_the_artifact_and_its_facts_stay(
    store: Store, said: list[str], how: str
) -> None:
    stage = Weights("w")
    make(store, stage)
    damage(store.path_of(stage) / "large", how)
    assert store.find(stage) is None
    told = store.told(stage)
    assert told is not None
    assert told.facts["name"] == "w"
    assert store.is_freed(stage)
    assert len(said) == 1
    assert f"weights/{stage.key}: " in said[0]
    assert "large" in said[0]
    make(store, stage)
    assert store.find(stage) is not None


@pytest.mark.parametrize("how", ["flip", "cut", "delete"])
@pytest.mark.parametrize("name", ["small", "manifest.json"])
@pytest.mark.parametrize("freed", [False, True])
def test_any_other_damage_discards_it(
    store: Store, said: list[str], how: str, name: str, freed: bool
) -> None:
    stage = Weights("w")
    make(store, stage)
    if freed:
        store.free(stage)
    damage(store.path_of(stage) / name, how)
    assert store.find(stage) is None
    assert store.told(stage) is None
    assert not store.path_of(stage).exists()
    assert len(said) == 1
    assert f"weights/{stage.key}: " in said[0]
    assert "\n" not in said[0]


def test_a_damaged_list_of_what_was_freed_discards_it(store: Store, said: list[str]) -> None:
    stage = Weights("w")
    make(store, stage)
    store.free(stage)
    for text in ("", "[1]", '["lbrge"]'):
        (store.path_of(stage) / artifact.FREED).write_text(text)
        assert store.told(stage) is None
        make(store, stage)
        store.free(stage)
    assert len(said) >= 2


def damage(file: Path, how: str) -> None:
    if how == "flip":
        flip(file)
    elif how == "cut":
        os.truncate(file, file.stat().st_size // 2)
    else:
        file.unlink()


def test_a_manifest_under_another_key_is_not_believed(store: Store) -> None:
    make(store, TOY)
    store.path_of(TOY).rename(store.path_of(Toy("other")))
    assert store.find(Toy("other")) is None


def test_a_verified_large_file_is_not_read_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, read = Weights("w"), []
    make(store, stage)
    hashed = artifact.sha256_of

    def counting(path: Path) -> str:
        read.append(path.name)
        return hashed(path)

    monkeypatch.setattr(artifact, "sha256_of", counting)
    assert Store(store.root).find(stage)
    assert read == ["small"]
    os.utime(store.path_of(stage) / "large")  # touched: it is read once, then remembered
    for expected in (["large", "small"], ["small"]):
        read.clear()
        assert Store(store.root).find(stage)
        assert sorted(read) == expected
    (store.path_of(stage) / artifact.VERIFIED).write_text("{broken")
    read.clear()
    assert Store(store.root).find(stage)
    assert sorted(read) == ["large", "small"]


def test_a_flip_under_the_old_times_is_found(store: Store, said: list[str]) -> None:
    stage = Weights("w")
    make(store, stage)
    file = store.path_of(stage) / "large"
    times = file.stat()
    flip(file)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert file.stat().st_mtime_ns == times.st_mtime_ns
    assert store.find(stage) is None
    assert len(said) == 1


def test_damage_is_judged_again_under_the_lock(
    store: Store, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A neighbour puts a remade artifact in place between our two looks: it must stay."""
    make(store, TOY)
    folder = store.path_of(TOY)
    sound = (folder / "small").read_bytes()
    flip(folder / "small")
    mend = store.mend

    def neighbour(name: object, **options: bool) -> object:
        (folder / "small").write_bytes(sound)
        return mend(name, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "mend", neighbour)
    assert store.find(TOY) is not None
    assert said == []


READER = """
import os, pickle, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from support.toys import Toy, Weights, make
from lox_bench.engine.local import LocalExecutor
from lox_bench.engine.store import Store
from lox_bench.errors import StoreError
os.setgid(65534), os.setuid(65534)  # after the imports: root's modules need not be readable
said = []
store = Store(Path(sys.argv[2]), said.append)
user = Toy("user", (Weights("w"),))
assert store.build(user, None).path == store.path_of(user)
assert make(store, user).built == []
store.free(Weights("w"))
assert store.find(Weights("w"))
assert store.find(Toy("damaged")) is None and store.find(Toy("damaged")) is None
assert len(said) == 1, said
assert store.path_of(Toy("damaged")).exists()
try:
    make(store, Toy("new"))
except StoreError as error:
    print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become somebody else")
@pytest.mark.fault(27, inputs=1)
def test_a_read_only_store_serves_what_it_has(store: Store) -> None:
    from lox_bench.engine.local import KeepWeights

    make(store, Toy("user", (Weights("w"),)), keep=KeepWeights.ALL)
    make(store, Toy("damaged"))
    flip(store.path_of(Toy("damaged")) / "small")
    for folder in [store.root, *store.root.parents]:  # another user has to get there
        if any(part.startswith("pytest-") for part in folder.parts):
            folder.chmod(0o755)
    for path in store.root.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    command = [sys.executable, "-B", "-c", READER, str(TESTS), str(store.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    assert "is full or read-only" in done.stdout


@pytest.mark.fault(27)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_an_error_of_the_store_s(store: Store, number: int) -> None:
    def full(out: Path) -> Facts:
        small(out)
        raise OSError(number, os.strerror(number))

    with pytest.raises(StoreError, match=r"the disk is full.*LOX_BENCH_CACHE"):
        store.build(TOY, full)
    assert list((store.root / "tmp").iterdir()) == []


def test_a_store_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="LOX_BENCH_CACHE"):
        Store(tmp_path / "file" / "store")


def test_nobody_else_can_look_into_the_store(store: Store) -> None:
    make(store, TOY)
    store.build(Toy("half"), small, partial=lambda: True)
    folders = [store.root, *(path for path in store.root.rglob("*") if path.is_dir())]
    assert len(folders) > 5
    closed = {folder for folder in folders if not stat.S_IMODE(folder.stat().st_mode) & 0o077}
    assert {store.root, *store.root.iterdir()} <= closed


def test_a_manifest_tells_what_was_made(store: Store) -> None:
    make(store, Weights("w", (TOY,)))
    held = json.loads((store.path_of(Weights("w", (TOY,))) / "manifest.json").read_text())
    assert held["stage"]["above"] == [TOY.key]
    assert held["files"].keys() == {"small", "large"}
    assert held["files"]["large"]["size"] == LARGE


def test_what_is_not_an_artifact_s_folder_is_passed_over(store: Store) -> None:
    make(store, TOY)
    (store.root / "hub" / "models--org--name").mkdir(parents=True)
    assert list(store.folders()) == [store.path_of(TOY)]


@pytest.mark.fault(31)
@pytest.mark.parametrize("years", [-10, 10])
def test_a_clock_that_is_set_back_or_ahead_changes_nothing(
    store: Store, said: list[str], monkeypatch: pytest.MonkeyPatch, years: int
) -> None:
    stage = Weights("w")
    make(store, stage)
    now, jump = time.time, years * 365 * 86400
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now() + jump)
        patch.setattr("lox_bench.engine.store.datetime", Shifted)
        Shifted.by = timedelta(seconds=jump)
        make(store, TOY, stage)
        for file in store.path_of(TOY).iterdir():
            os.utime(file, (now() + jump, now() + jump))
        assert store.find(stage) is not None
        assert store.find(TOY) is not None
    fresh = Store(store.root, said.append)
    made = fresh.find(TOY)
    assert made is not None
    assert made.manifest.seconds >= 0
    assert make(fresh, TOY, stage).built == []
    assert said == []
    flip(store.path_of(TOY) / "small")
    assert fresh.find(TOY) is None


class Shifted(datetime):
    """A clock that is wrong."""

    by = timedelta(0)

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:
        return datetime.now(tz) + cls.by
