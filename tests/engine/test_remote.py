"""Artifacts at a URL: whole or not there, whoever writes and whatever the network does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.stores import contents
from support.toys import Dear, Toy, Weights, flip, make

from lox_bench.engine.graph import Graph
from lox_bench.engine.place import Place
from lox_bench.engine.remote import RemoteStore
from lox_bench.engine.stage import Facts, Stage
from lox_bench.engine.store import Store
from lox_bench.errors import StoreError, UsageError

fsspec = pytest.importorskip("fsspec", reason="needs the extra [s3]")
TOY = Toy("toy")


@pytest.fixture
def url() -> Iterator[str]:
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    yield "memory://bucket/lox"
    memory.store.clear()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def here(tmp_path: Path, url: str, said: list[str]) -> RemoteStore:
    return RemoteStore(tmp_path / "here", url, said.append)


@pytest.fixture
def there(tmp_path: Path, url: str, said: list[str]) -> RemoteStore:
    return RemoteStore(tmp_path / "there", url, said.append)


def small(out: Path) -> Facts:
    (out / "small").write_text("content")
    return {"n": 1}


def never(out: Path) -> Facts:
    raise AssertionError(out)


def objects() -> dict[str, bytes]:
    memory = fsspec.filesystem("memory")
    return {path: memory.cat_file(path) for path in memory.find("/bucket/lox")}


def test_what_one_machine_builds_another_has(here: RemoteStore, there: RemoteStore) -> None:
    weights = Weights("w", (Dear("d"),))
    make(here, weights, Toy("user", (weights,)))
    with there.planning():
        assert Graph.of([Toy("user", (weights,)), weights]).missing(there) == ()
    assert not (there.path_of(weights) / "large").exists()  # known, and not yet copied
    assert (there.path_of(weights) / "small").read_text() == "wd"
    brought = there.bring(weights)
    assert brought is not None
    assert (brought.path / "large").read_bytes() == (here.path_of(weights) / "large").read_bytes()
    assert make(there, Toy("another", (weights,))).built == ["another"]
    assert here.find(Toy("another", (weights,))) is not None


def test_what_was_made_before_there_was_a_url_is_pushed(
    here: RemoteStore, there: RemoteStore
) -> None:
    make(Store(here.root), TOY)
    assert there.find(TOY) is None
    assert here.find(TOY) is not None
    assert there.find(TOY) is not None


@pytest.mark.fault(30)
@pytest.mark.parametrize("after", [0, 1])
def test_an_upload_that_ends_in_the_middle_is_not_there(
    here: RemoteStore, there: RemoteStore, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    sent: list[str] = []
    put = here.depot._fs.put_file

    def cut(file: str, place: str) -> None:
        if len(sent) == after:
            raise PermissionError("the process is gone")
        sent.append(place)
        put(file, place)

    with monkeypatch.context() as patch:
        patch.setattr(here.depot._fs, "put_file", cut)
        with pytest.raises(StoreError, match=r"cannot write memory://.*what is finished stays"):
            make(here, Weights("w"))
    assert len(objects()) == after
    assert there.find(Weights("w")) is None
    assert there.told(Weights("w")) is None
    assert make(there, Weights("w")).built == ["w"]
    assert here.find(Weights("w")) is not None


@pytest.mark.fault(30)
@pytest.mark.parametrize("how", ["flip", "cut", "delete"])
def test_a_damaged_object_is_found_and_made_again(
    here: RemoteStore, there: RemoteStore, said: list[str], how: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr("lox_bench.engine.depot._FIRST_WAIT_S", 0.0)
    make(here, TOY)
    memory = fsspec.filesystem("memory")
    (place,) = (path for path in objects() if not path.endswith("manifest.json"))
    content = memory.cat_file(place)
    if how == "delete":
        memory.rm_file(place)
    else:
        memory.pipe_file(place, content[:-1] if how == "cut" else content[:-1] + b"?")
    assert there.find(TOY) is None
    assert len(said) == 1
    assert "made again" in said[0]
    assert make(there, TOY).built == ["toy"]
    again = there.find(TOY)
    assert again is not None
    assert memory.cat_file(place) == content


def test_of_two_who_write_one_key_the_first_stands(here: RemoteStore, there: RemoteStore) -> None:
    def first(out: Path) -> Facts:
        here.build(TOY, small)
        (out / "small").write_text("another")
        return {"n": 2}

    made = there.build(TOY, first)
    assert (made.path / "small").read_text() == "content"
    assert made.manifest.facts == {"n": 1}
    assert here.find(TOY) == Store(here.root).find(TOY)


def test_freed_at_the_url_is_freed_everywhere(here: RemoteStore, there: RemoteStore) -> None:
    stage = Weights("w")
    make(here, stage)
    assert there.bring(stage) is not None
    here.free(stage)
    there.tidy()
    fresh = RemoteStore(there.root, here.depot.url)
    for store in (here, fresh):
        assert store.find(stage) is None
        told = store.told(stage)
        assert told is not None
        assert told.facts["name"] == "w"
        assert not (store.path_of(stage) / "large").exists()
    assert not any(len(content) > 1 << 20 for content in objects().values())
    assert make(fresh, stage).built == ["w"]
    assert here.bring(stage) is not None


def test_what_is_partial_is_seen_and_never_final(here: RemoteStore, there: RemoteStore) -> None:
    assert here.build(TOY, small, partial=lambda: True).partial
    held = there.artifact(TOY)
    assert held is not None
    assert held.partial
    assert (held.path / "small").read_text() == "content"
    assert there.find(TOY) is None
    assert not there.build(TOY, small).partial
    assert here.build(TOY, never).manifest.facts == {"n": 1}


def test_a_copy_that_rots_is_pulled_again(here: RemoteStore, there: RemoteStore) -> None:
    make(here, TOY)
    assert there.bring(TOY) is not None
    flip(there.path_of(TOY) / "small")
    brought = there.bring(TOY)
    assert brought is not None
    assert (brought.path / "small").read_text() == "toy"


def test_the_store_is_the_same_as_a_folder_s(here: RemoteStore, tmp_path: Path) -> None:
    weights = [Weights(f"w{n}", (Dear("d"),)) for n in range(2)]
    users: list[Stage] = [Toy(f"{w.name}{n}", (w,)) for w in weights for n in range(2)]
    make(here, *users)
    alone = Store(tmp_path / "alone")
    make(alone, *users)
    assert contents(here) == contents(alone)


def test_a_url_of_no_protocol_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        Place(tmp_path, "nowhere://x").open()
