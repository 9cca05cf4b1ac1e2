"""A cluster makes what one process makes, also when nodes and workers are lost."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.extras import importable
from support.mortal import AlwaysDies, Dies, Fails
from support.stores import contents
from support.toys import Dear, Display, Midst, Slow, Toy, Weights, make, until

from lox_bench.engine.crew import CrewExecutor
from lox_bench.engine.graph import Graph
from lox_bench.engine.store import Store
from lox_bench.engine.worker import Setup
from lox_bench.errors import StoreError, UnknownNameError

pytestmark = [
    pytest.mark.skipif(not importable("ray"), reason="needs the extra [ray]"),
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # Ray's own
]


@pytest.fixture
def nodes() -> Iterator[tuple[Any, Any]]:
    from support.clusters import two_nodes

    with two_nodes(cpus=2) as pair:
        yield pair


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def executor(tmp_path: Path, nodes: tuple[Any, Any], said: list[str]) -> Iterator[CrewExecutor]:
    from lox_bench.engine.ray_crew import connect

    del nodes  # joined
    store = Store(tmp_path / "store")
    crew = connect(Setup(store.place, dict), None, "", said.append)
    with CrewExecutor(store, crew, Display(), notice=said.append) as executor:
        yield executor


@pytest.mark.fault(29, inputs=3)
def test_a_cluster_leaves_the_same_store_as_one_process(
    executor: CrewExecutor, said: list[str], tmp_path: Path
) -> None:
    weights = [Weights(f"w{n}", (Dear("d"),)) for n in range(3)]
    users = [Toy(f"{w.name}{n}", (w,), loads=w.name) for w in weights for n in range(3)]
    end = Dear("end", (Toy("base"),))
    late = [Toy(f"late{n}", (Midst(end, n),)) for n in (1, 2)]
    stages = [*users, Toy("top", (end, *users)), *late, Dies("dies", flag=str(tmp_path / "flag"))]
    executor.run(Graph.of(stages))
    alone = Store(tmp_path / "alone")
    make(alone, *stages)
    assert contents(executor.store) == contents(alone)
    assert "2 nodes, 0 GPUs; 2 stages at once" in said[0]
    assert "was lost (WorkerCrashedError) while at 'dies'; that is done again" in said[1]
    with pytest.raises(StoreError, match="while at 'bad', and so it went 3 times"):
        executor.run(Graph.of([AlwaysDies("bad")]))
    with pytest.raises(UnknownNameError, match="no stage is called 'bad'"):
        executor.run(Graph.of([Fails("bad")]))
    assert not executor.store.path_of(Fails("bad")).exists()


@pytest.mark.fault(29, inputs=1)
def test_what_a_lost_node_was_at_is_done_on_another(
    executor: CrewExecutor, nodes: tuple[Any, Any], said: list[str], tmp_path: Path
) -> None:
    import threading

    cluster, second = nodes
    flag, go = tmp_path / "flag", tmp_path / "go"
    slow = [Slow(name, flag=str(flag), go=str(go)) for name in "ab"]

    def kill() -> None:
        until(lambda: flag.exists() and flag.read_text().count("\n") == 2)
        cluster.remove_node(second, allow_graceful=False)
        until(lambda: flag.read_text().count("\n") == 3)
        go.touch()

    threading.Thread(target=kill).start()
    executor.run(Graph.of([Toy("top", tuple(slow))]))
    assert flag.read_text().count("\n") == 3
    assert sum("that is done again" in line for line in said) == 1
