"""Several workers make what one makes, whatever happens to them."""

import multiprocessing
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.mortal import AlwaysDies, Dies, Fails
from support.stores import contents
from support.toys import Dear, Display, Midst, Slow, Toy, Weights, flip, make, until

from lox_bench.engine.crew import CrewExecutor
from lox_bench.engine.graph import Graph
from lox_bench.engine.pool import Pool
from lox_bench.engine.store import Store
from lox_bench.engine.worker import Setup
from lox_bench.errors import StoreError, UnknownNameError

pytestmark = pytest.mark.usefixtures("no_files_of_other_tests")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def crew(store: Store, said: list[str]) -> Iterator[CrewExecutor]:
    pool = Pool(Setup(store.place, dict), 2)
    with CrewExecutor(store, pool, Display(), notice=said.append) as executor:
        yield executor


@pytest.mark.fault(29, inputs=1)
def test_two_workers_leave_the_same_store_as_one_process(
    crew: CrewExecutor, store: Store, said: list[str], tmp_path: Path
) -> None:
    weights = [Weights(f"w{n}", (Dear("d"),)) for n in range(3)]
    users = [Toy(f"{w.name}{n}", (w,), loads=w.name) for w in weights for n in range(3)]
    end = Dear("end", (Toy("base"),))
    late = [Toy(f"late{n}", (Midst(end, n),)) for n in (1, 2)]
    stages = [*users, Toy("top", (end, *users)), *late, Dies("dies", flag=str(tmp_path / "flag"))]
    outcome = crew.run(Graph.of(stages))
    alone = Store(tmp_path / "alone")
    make(alone, *stages)
    assert contents(store) == contents(alone)
    assert {outcome[stage].manifest.key for stage in stages} == {stage.key for stage in stages}
    assert not store.is_freed(end)
    assert store.is_freed(weights[0])
    assert "replay 1" not in crew.display.built  # made on the way
    assert len(said) == 1
    assert "was ended by SIGKILL while at 'dies'; that is done again" in said[0]
    assert list((store.root / "tmp").iterdir()) == []
    flip(store.path_of(users[0]) / "small")  # the same workers, another graph
    crew.run(Graph.of(stages))
    assert contents(store) == contents(alone)


class Returning:
    """A crew whose workers are still on their way home from another graph."""

    def __init__(self, pool: Pool) -> None:
        self._pool, self._home = pool, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def room(self, *, home: bool) -> bool:
        return self._home and self._pool.room(home=home)

    def messages(self) -> Any:
        if not self._home:
            self._home = True
            return []
        return self._pool.messages()


def test_workers_that_are_not_home_yet_are_waited_for(store: Store) -> None:
    crew: Any = Returning(Pool(Setup(store.place, dict), 1))
    with CrewExecutor(store, crew, Display()) as executor:
        assert executor.run(Graph.of([Toy("a")]))[Toy("a")].manifest.key == Toy("a").key


@pytest.mark.slow
@pytest.mark.fault(29, inputs=1)
def test_a_stage_whose_workers_always_die_is_given_up(
    crew: CrewExecutor, store: Store, said: list[str]
) -> None:
    good = Toy("good")
    with pytest.raises(StoreError, match="while at 'bad', and so it went 3 times; does the memory"):
        crew.run(Graph.of([AlwaysDies("bad"), good]))
    assert len(said) == 2
    assert store.find(good) is not None


@pytest.mark.fault(29, inputs=1)
def test_a_failure_keeps_its_type_and_what_else_is_at_work_is_finished(
    crew: CrewExecutor, store: Store
) -> None:
    with pytest.raises(UnknownNameError, match="no stage is called 'bad'") as raised:
        crew.run(Graph.of([Toy("good"), Fails("bad"), Toy("later", (Fails("bad"),))]))
    assert "in a worker:" in raised.value.__notes__[0]
    assert store.find(Toy("good")) is not None
    assert not store.path_of(Fails("bad")).exists()
    assert list((store.root / "tmp").iterdir()) == []


@pytest.mark.slow
@pytest.mark.fault(29, inputs=1)
def test_stopped_workers_leave_no_scratch(crew: CrewExecutor, store: Store, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    slow = [Slow(name, flag=str(flag), go=str(tmp_path / "never")) for name in "ab"]

    def interrupt() -> None:
        until(lambda: flag.exists() and flag.read_text().count("\n") == 2)
        signal.raise_signal(signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        crew.run(Graph.of(slow))
    assert list((store.root / "tmp").iterdir()) == []
    assert not multiprocessing.active_children()
