"""What the local executor makes, keeps and lets go."""

import shutil
from pathlib import Path

import pytest
from support.toys import Dear, Display, Midst, Toy, Weights, flip, make

from lox_bench.engine.context import Context, Inputs
from lox_bench.engine.graph import Graph
from lox_bench.engine.local import KeepWeights, LocalExecutor
from lox_bench.engine.stage import Facts, Stage
from lox_bench.engine.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def large(store: Store, stage: Stage) -> Path:
    return store.path_of(stage) / "large"


@pytest.mark.parametrize(
    ("keep", "merged_stays", "trained_stays"),
    [("all", True, True), ("dear", False, True), ("none", False, False)],
)
def test_weights_stay_as_asked(
    store: Store, keep: str, merged_stays: bool, trained_stays: bool
) -> None:
    trained = Dear("trained")
    merged = Weights("merged", (trained,))
    make(store, Toy("answers", (merged,)), keep=KeepWeights(keep))
    assert large(store, merged).exists() is merged_stays
    assert large(store, trained).exists() is trained_stays
    for stage in (merged, trained):
        told = store.told(stage)
        assert told is not None
        assert told.facts["name"] == stage.name
        assert (store.path_of(stage) / "small").exists()


def test_weights_go_right_after_their_last_user(store: Store) -> None:
    one, two = Weights("one"), Weights("two")
    users = [Toy("1a", (one,)), Toy("1b", (one,)), Toy("2a", (two,)), Toy("2b", (two,))]
    seen: dict[str, tuple[bool, bool]] = {}

    def look(title: str) -> None:
        seen[title] = (large(store, one).exists(), large(store, two).exists())

    make(store, *users, display=Display(look))
    assert seen["1b"] == (True, False)
    assert seen["two"] == (False, False)  # before the next weights are made
    assert seen["2b"] == (False, True)
    assert not large(store, two).exists()


def test_a_target_is_never_freed(store: Store) -> None:
    weights = Weights("w")
    make(store, weights, Toy("user", (weights,)), keep=KeepWeights.NONE)
    assert large(store, weights).exists()


def test_weights_that_an_earlier_run_kept_go_with_the_next(store: Store) -> None:
    user = Toy("user", (Weights("w"),))
    make(store, user, keep=KeepWeights.ALL)
    assert make(store, user, keep=KeepWeights.DEAR).built == []
    assert not large(store, Weights("w")).exists()


def test_a_killed_freeing_is_finished(store: Store) -> None:
    user = Toy("user", (Weights("w"),))
    make(store, user)
    large(store, Weights("w")).write_bytes(b"x")  # killed between the mark and the deletion
    make(store, user)
    assert not large(store, Weights("w")).exists()


def test_one_load_serves_all_stages_of_an_affinity(store: Store) -> None:
    base = Toy("base")
    targets = [Toy(f"{model}{n}", (base,), loads=model) for model in "ab" for n in range(3)]
    loads: list[str] = []
    make(store, *targets, extras={list: loads})
    assert loads == ["a", "b"]


def test_nothing_stays_loaded_while_something_else_is_made(store: Store) -> None:
    train = Dear("train")
    targets = [Toy("answers", loads="model"), Toy("judge"), train, Toy("more", (train,), "other")]
    held: dict[str, str] = {}

    def look(title: str) -> None:
        held[title] = executor._loaded._name

    executor = LocalExecutor(store, Display(look))
    executor.run(Graph.of(targets))
    assert held == {"answers": "", "judge": "", "train": "", "more": ""}
    held.clear()
    executor.run(Graph.of([Toy("verdict"), Toy("again", loads="other")]))
    assert held == {"verdict": "other", "again": "other"}


def test_inputs_that_a_neighbour_frees_in_the_middle_are_made_again(store: Store) -> None:
    weights, tries = Weights("w"), []

    def freed_once(toy: Toy) -> None:
        tries.append(toy.name)
        if len(tries) == 1:
            Store(store.root).free(weights)

    display = make(store, Toy("user", (weights,), hook=freed_once))
    assert tries == ["user", "user"]
    assert display.built == ["w", "user", "w", "user"]
    assert store.find(Toy("user", (weights,)))


def test_a_stage_that_fails_by_itself_is_tried_once(store: Store) -> None:
    tries = []

    def fail(toy: Toy) -> None:
        tries.append(toy.name)
        raise ValueError(toy.name)

    with pytest.raises(ValueError, match="user"):
        make(store, Toy("user", (Weights("w"),), hook=fail))
    assert tries == ["user"]
    assert not store.path_of(Toy("user", (Weights("w"),))).exists()


def test_snapshots_are_delivered_on_the_way(store: Store) -> None:
    end = Dear("end", (Toy("base"),))
    users = [Toy(f"user {n}", (Midst(end, n),)) for n in (1, 2)]
    built = make(store, Toy("last", (end,)), *users).built
    assert built == ["base", "end", "last", "user 1", "user 2"]
    assert (store.path_of(users[1]) / "small").read_text() == "user 2step 2 of end"
    assert store.is_freed(Midst(end, 1))


def test_snapshots_of_a_finished_training_are_replayed_in_one_go(store: Store) -> None:
    end = Dear("end", (Toy("base"),))
    make(store, Toy("last", (end,)))
    users = [Toy(f"user {n}", (Midst(end, n),)) for n in (1, 2)]
    assert make(store, *users).built == ["replay 1", "user 1", "user 2"]


def test_damage_in_what_nobody_needs_today_is_found_all_the_same(store: Store) -> None:
    said: list[str] = []
    weights = Dear("w")
    make(store, Toy("user", (weights,)))
    flip(large(store, weights))
    again = Store(store.root, said.append)
    assert make(again, Toy("user", (weights,))).built == []
    assert len(said) == 1
    assert make(again, Toy("other", (weights,))).built == ["w", "other"]


def test_what_rests_on_something_unfinished_is_unfinished_too(store: Store) -> None:
    half = Unfinished("half")
    above = Toy("above", (half,))
    built = [make(store, above).built for _ in range(2)]
    assert built == [["half", "above"]] * 2
    held = store.artifact(above)
    assert held is not None
    assert held.partial
    assert store.find(above) is None


class Unfinished(Toy):
    kind = "unfinished"

    def fill(self, out: Path, context: Context) -> None:
        context.unfinished()


def test_a_store_that_is_pruned_meanwhile_says_so_in_one_line(store: Store) -> None:
    def vanish(title: str) -> None:
        if title == "second":
            shutil.rmtree(store.path_of(Toy("first")))

    with pytest.raises(Exception, match="disappeared from the cache"):
        make(store, Toy("first"), Toy("second"), display=Display(vanish))


def test_facts_of_inputs_are_what_their_manifests_say(store: Store) -> None:
    make(store, Reads("r", (Toy("a"),)))
    told = store.told(Reads("r", (Toy("a"),)))
    assert told is not None
    assert told.facts["above"] == "a"


class Reads(Toy):
    kind = "reads"

    def build(self, inputs: Inputs, out: Path, context: Context) -> Facts:
        return {"above": inputs.facts(self.above[0])["name"]}
