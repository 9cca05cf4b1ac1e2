"""The order in which the stages of a study are made."""

from pathlib import Path

from support.toys import Dear, Midst, Toy, Weights, make

from lox_bench.engine.artifact import Artifact
from lox_bench.engine.graph import Graph
from lox_bench.engine.schedule import Schedule
from lox_bench.engine.stage import Stage
from lox_bench.engine.state import Named
from lox_bench.engine.store import Store


def names(graph: Graph) -> list[str]:
    return [stage.title for stage in graph.order]


def test_each_stage_stands_once_and_after_its_inputs() -> None:
    base = Toy("base")
    left, right = Toy("left", (base,)), Toy("right", (Toy("base"),))
    end = Toy("end", (left, right))
    order = names(Graph.of([end, right, Toy("end", (left, right))]))
    assert sorted(order) == ["base", "end", "left", "right"]
    assert (order[0], order[-1]) == ("base", "end")


def test_what_serves_one_target_stays_together() -> None:
    base = Toy("base")
    chains = [Toy(f"c{n}", (Toy(f"b{n}", (Toy(f"a{n}", (base,)),)),)) for n in range(3)]
    expected = [f"{step}{n}" for n in range(3) for step in "abc"]
    assert names(Graph.of(chains)) == ["base", *expected]
    backwards = [f"{step}{n}" for n in (2, 1, 0) for step in "abc"]
    assert names(Graph.of(chains[::-1])) == ["base", *backwards]


def test_turns_come_first_in_their_order_and_change_nothing_else() -> None:
    base = Toy("base")
    weights = [Toy(f"w{n}", (base,)) for n in range(3)]
    answers = [Toy(f"a{n}", (base, made)) for n, made in enumerate(weights)]
    usual = ["base", "w0", "a0", "w1", "a1", "w2", "a2"]
    assert names(Graph.of(answers)) == usual
    turned = Graph.of(answers, turns=(*weights[:2], *answers[:2]))
    assert names(turned) == ["base", "w0", "w1", "a0", "a1", "w2", "a2"]
    assert turned.targets == tuple(answers)
    assert names(Graph.of(answers, turns=[Toy("of another graph")])) == usual


def test_a_maker_comes_before_what_it_makes_on_its_way() -> None:
    end = Dear("end", (Toy("base"),))
    midst = Midst(end, 1)
    on_midst, on_end = Toy("on midst", (midst,)), Toy("on end", (end,))
    assert names(Graph.of([on_midst, on_end])) == [
        "base", "end", "replay 1", "on midst", "on end"
    ]  # fmt: skip
    assert "end" not in names(Graph.of([on_midst]))  # it is not made for its midst alone


def test_of_told_stages_the_facts_are_enough(tmp_path: Path) -> None:
    store, weights = Store(tmp_path), Weights("w")
    answers = Toy("answers", (weights,))
    graph = Graph.of([answers], told=[weights])
    assert graph.missing(store) == (weights, answers)
    make(store, answers)
    assert store.is_freed(weights)
    assert graph.missing(store) == ()
    store.discard(weights)
    assert graph.missing(store) == (weights,)


def test_only_what_is_needed_is_missing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    base = Weights("base")
    first, second = Toy("first", (base,)), Toy("second", (base,))
    make(store, first)
    assert Graph.of([first]).missing(store) == ()
    assert Graph.of([first, second]).missing(store) == (base, second)


class Counting(Store):
    """Counts how often an artifact is looked for."""

    looks = 0

    def find(self, stage: Named) -> Artifact | None:
        self.looks += 1
        return super().find(stage)


def planned_steps(models: int, folder: Path) -> tuple[int, int, int]:
    """Stages, looks into the store, steps of the schedule, for so many models of nine answers."""
    shared = Toy("rows")
    tuned = [Toy(f"m{number}", (shared,)) for number in range(models)]
    answers = [Toy(f"{m.name}-{n}", (m,), loads=m.name) for m in tuned for n in range(9)]
    store = Counting(folder)
    graph = Graph.of(answers)
    schedule = Schedule(graph.missing(store))
    made: list[Stage] = []
    while not schedule.is_over:
        for stage in schedule.take():
            assert set(stage.inputs) <= set(made[-10:]) | {shared}
            schedule.finish(stage)
            made.append(stage)
    assert made == list(graph.order)
    return len(made), store.looks, schedule.steps


def test_planning_ten_thousand_stages_looks_at_each_a_fixed_number_of_times(tmp_path: Path) -> None:
    few, many = planned_steps(10, tmp_path / "few"), planned_steps(1000, tmp_path / "many")
    assert (few[0], many[0]) == (101, 10001)
    for stages, looks, steps in (few, many):
        assert looks == stages
        assert steps <= 4 * stages
