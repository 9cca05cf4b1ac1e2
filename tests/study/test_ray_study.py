"""A node is killed in the middle of an attack: the rows are those of a run in one process."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.extras import importable
from support.pico import FAMILY, save_pico
from support.stores import contents
from support.toys import Display

from lox_bench.engine.crew import Crew, CrewExecutor
from lox_bench.engine.local import Executor, LocalExecutor
from lox_bench.engine.messages import Begun, Message, Step
from lox_bench.engine.resources import Resources
from lox_bench.engine.schedule import Order
from lox_bench.engine.stage import Stage
from lox_bench.engine.store import Store
from lox_bench.engine.worker import Setup
from lox_bench.provenance import environment
from lox_bench.results.row import Row
from lox_bench.study.live import study_rows
from lox_bench.study.measure import measure
from lox_bench.study.request import Request
from lox_bench.study.study import Study, make_study

pytestmark = pytest.mark.skipif(not importable("ray"), reason="needs the extra [ray]")


@dataclass
class Killer:
    """A crew whose second node is killed once an attack on it is under way."""

    crew: Any
    cluster: Any
    second: Any
    bundles: dict[int, Sequence[Order]] = field(default_factory=dict)
    at: dict[int, Stage] = field(default_factory=dict)
    killed: Stage | None = None
    begun: list[Stage] = field(default_factory=list)

    def start(self, ticket: int, orders: Sequence[Order], resources: Resources) -> None:
        self.bundles[ticket] = orders
        self.crew.start(ticket, orders, resources)

    def messages(self) -> Iterator[tuple[int, Message]]:
        for ticket, message in self.crew.messages():
            if isinstance(message, Begun):
                self.at[ticket] = self.bundles[ticket][message.index].stage
            if isinstance(message, Step) and message.done < message.total // 2:
                self._kill(ticket)
            yield ticket, message

    def _kill(self, ticket: int) -> None:
        task = self.crew._tasks.get(ticket)
        there = task is not None and f"/{self.second.node_id[:8]} " in task.where
        if self.killed is None and there and self.at[ticket].kind == "attack":
            self.killed = self.at[ticket]
            self.cluster.remove_node(self.second, allow_graceful=False)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.crew, name)


@pytest.fixture
def study(tmp_path: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    save_pico(tmp_path / "base", tokenizer)
    (tmp_path / "pico.toml").write_text(FAMILY.format(base=tmp_path / "base"))
    request = Request(
        judges="keyword-prefix",
        models="aligned,lox(k=1|2)",
        attack="gsm8k(epochs=40)",
        family=str(tmp_path / "pico.toml"),
        limit=3,
    )
    return make_study(request)


def rows_of(study: Study, executor: Executor) -> list[Row]:
    return study_rows(study, measure(study, executor))


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # Ray's own
@pytest.mark.fault(29, inputs=1)
def test_a_node_killed_in_the_middle_of_an_attack_changes_no_row(
    study: Study, tmp_path: Path
) -> None:
    import torch
    from support.clusters import two_nodes

    from lox_bench.engine.ray_crew import connect

    torch.set_num_threads(1)
    alone = Store(tmp_path / "alone")
    wanted = rows_of(study, LocalExecutor(alone, Display(), environment=environment))
    said: list[str] = []
    store = Store(tmp_path / "store")
    with two_nodes() as (cluster, second):
        crew = Killer(connect(Setup(store.place, environment), 2, "", said.append), cluster, second)
        as_crew: Crew = crew
        with CrewExecutor(store, as_crew, Display(), notice=said.append) as executor:
            rows = rows_of(study, executor)
    assert crew.killed is not None
    assert any(f"while at {crew.killed.title!r}; that is done again" in line for line in said), said
    assert rows == wanted
    assert contents(store) == contents(alone)
    assert not list((store.root / "tmp").iterdir())  # what the lost node left was taken up
