"""What lies in a store, whether it is sound, what may go."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.pico import NoProgress
from support.toys import LARGE, Dear, Toy, Weights, flip, make

from lox_bench.engine.housekeeping import (
    Choice,
    Held,
    clear,
    discard,
    inventory,
    leftovers,
    referred_to,
    size_of,
    verify,
)
from lox_bench.engine.local import KeepWeights
from lox_bench.engine.stage import Facts, Stage
from lox_bench.engine.store import Store

TRAINED = Dear("trained")
MERGED = Weights("merged", (TRAINED,))
ANSWERS = Toy("answers", (MERGED,))
OTHER = Toy("other")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    held = Store(tmp_path / "store")
    make(held, ANSWERS, OTHER)
    return held


def keys(items: list[Held]) -> set[str]:
    return {item.key for item in items}


def small(out: Path) -> Facts:
    (out / "small").write_text("half")
    return {}


def damaged(store: Store, *, report_only: bool = False) -> dict[str, str]:
    items = inventory(store)
    found = verify(store, items, NoProgress(), report_only=report_only)
    return {item.key: problem for item, problem in found}


def test_the_inventory_holds_everything_in_whatever_state(store: Store) -> None:
    store.build(Toy("half"), small, partial=lambda: True)
    (store.path_of(OTHER) / "manifest.json").write_text("{}")
    items = {item.key: item for item in inventory(store)}
    assert items.keys() == {s.key for s in (TRAINED, MERGED, ANSWERS, OTHER, Toy("half"))}
    assert items[MERGED.key].freed
    assert items[MERGED.key].nbytes < LARGE < items[TRAINED.key].nbytes
    assert items[Toy("half").key].partial
    assert items[OTHER.key].manifest is None
    assert items[OTHER.key].kind == "toy"


def test_a_link_counts_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").symlink_to(tmp_path / "file")
    assert size_of(tmp_path / "folder") == 0
    assert size_of(tmp_path) == 5


def test_verify_reads_what_was_remembered_and_drops_what_is_damaged(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert damaged(store) == {}
    flip(store.path_of(TRAINED) / "large")
    flip(store.path_of(ANSWERS) / "small")
    # as on a disk that rots: nothing but the content tells
    monkeypatch.setattr("lox_bench.engine.artifact.stamp_of", lambda path: [path.stat().st_size])
    monkeypatch.setattr("lox_bench.engine.artifact._remembered", lambda _: {"large": [LARGE]})
    assert store.find(TRAINED) is not None
    assert damaged(store, report_only=True).keys() == {TRAINED.key, ANSWERS.key}
    assert store.path_of(ANSWERS).exists()
    assert damaged(store).keys() == {TRAINED.key, ANSWERS.key}
    assert store.is_freed(TRAINED)
    assert not store.path_of(ANSWERS).exists()
    assert damaged(store) == {}


def test_verify_drops_what_is_unfinished_and_damaged(store: Store) -> None:
    half = store.build(Toy("half"), small, partial=lambda: True)
    flip(half.path / "small")
    assert damaged(store).keys() == {Toy("half").key}
    assert not half.path.exists()


def test_conditions_must_all_hold(store: Store) -> None:
    items = inventory(store)
    later, earlier = (datetime.now(UTC) + timedelta(hours=sign) for sign in (1, -1))

    def chosen(choice: Choice) -> set[str]:
        return {item.key for item in items if choice.means(item)}

    everything = keys(items)
    assert chosen(Choice()) == set()
    assert chosen(Choice(before=later)) == everything
    assert chosen(Choice(before=earlier)) == set()
    assert chosen(Choice(kinds=["dear", "weights"])) == {TRAINED.key, MERGED.key}
    assert chosen(Choice(before=earlier, kinds=["dear"])) == set()
    assert chosen(Choice(referred=[TRAINED.key])) == everything - {TRAINED.key}
    assert chosen(Choice(referred=[TRAINED.key], kinds=["dear", "toy"], before=later)) == {
        ANSWERS.key,
        OTHER.key,
    }


def test_upstream_of_what_is_referred_to_counts_as_referred_to(store: Store) -> None:
    items = inventory(store)
    chain = {TRAINED.key, MERGED.key, ANSWERS.key}
    assert referred_to(items, {ANSWERS.key}, along=()) == chain
    assert referred_to(items, {MERGED.key}, along=()) == chain - {ANSWERS.key}
    assert referred_to(items, {MERGED.key}, along={"toy"}) == chain
    assert referred_to(items, {"nothing"}, along={"toy"}) == set()


def test_words_that_a_record_shares_with_a_stage_are_no_references(store: Store) -> None:
    words = {"answers", "other", "merged", "toy", "weights"}  # names and kinds, but no keys
    assert referred_to(inventory(store), words, along={"toy"}) == set()


def test_what_somebody_is_at_stays(store: Store) -> None:
    items = [item for item in inventory(store) if item.key in {TRAINED.key, OTHER.key}]
    with store.lock(TRAINED):
        assert keys(discard(store, items)) == {TRAINED.key}
    assert store.find(TRAINED)
    assert not store.path_of(OTHER).exists()
    assert discard(store, items) == []


def test_leftovers_are_what_nobody_holds(store: Store) -> None:
    for name in ("toy-dead", f"toy-{OTHER.key}", "gone-toy-x-1"):
        (store.root / "tmp" / name).mkdir()
        (store.root / "tmp" / name / "file").write_text("x")
    with store.lock(OTHER):
        assert {path.name for path in leftovers(store)} == {"toy-dead", "gone-toy-x-1"}
        clear(store, sorted((store.root / "tmp").iterdir()))
        assert [path.name for path in (store.root / "tmp").iterdir()] == [f"toy-{OTHER.key}"]
    clear(store, leftovers(store))
    assert list((store.root / "tmp").iterdir()) == []


def test_what_was_deleted_is_made_again_as_it_was(store: Store) -> None:
    before = {stage: hashes(store, stage) for stage in (TRAINED, MERGED, ANSWERS)}
    discard(store, inventory(store))
    assert inventory(store) == []
    make(store, ANSWERS, keep=KeepWeights.ALL)
    assert {stage: hashes(store, stage) for stage in before} == before


def hashes(store: Store, stage: Stage) -> dict[str, str]:
    told = store.told(stage)
    assert told is not None
    return {name: entry.sha256 for name, entry in told.files.items()}
