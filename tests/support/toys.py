"""Stages of no meaning that count how often they are made."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from lox_bench.engine.context import Context, Inputs
from lox_bench.engine.stage import Facts, Keep, Stage

LARGE = 5 << 20  # bytes; remembered once verified, and freed
SMALL = 100

Hook = Callable[["Toy"], None]


def _quiet(toy: "Toy") -> None:
    del toy


@dataclass(frozen=True, eq=False)
class Toy(Stage):
    """Text of its inputs and itself (``small``), and weights (``large``) if it is to have some."""

    kind: ClassVar[str] = "toy"

    name: str
    above: tuple[Stage, ...] = ()
    loads: str = ""
    hook: Hook = field(default=_quiet, compare=False)

    @property
    def title(self) -> str:
        return self.name

    @property
    def affinity(self) -> str:
        return self.loads

    def build(self, inputs: Inputs, out: Path, context: Context) -> Facts:
        self.hook(self)
        if self.loads:
            context.loaded.get(self.loads, lambda: self._load(context))
        text = self.name + "".join((inputs[item] / "small").read_text() for item in self.above)
        (out / "small").write_text(text)
        for item in self.above:
            if isinstance(item, Weights):
                assert (inputs[item] / "large").stat().st_size == LARGE
        self.fill(out, context)
        return {"name": self.name}

    def fill(self, out: Path, context: Context) -> None:
        """Whatever else the kind has."""

    def _load(self, context: Context) -> str:
        context.of_session(list, list).append(self.loads)
        return self.loads


@dataclass(frozen=True, eq=False)
class Weights(Toy):
    """A toy with a large file, made again in no time."""

    kind: ClassVar[str] = "weights"
    keep: ClassVar[Keep] = Keep.CHEAP

    def fill(self, out: Path, context: Context) -> None:
        (out / "large").write_bytes(self.name[:1].encode() * LARGE)


@dataclass(frozen=True, eq=False)
class Dear(Weights):
    """A toy with a large file that is worth keeping; it makes its midsts on the way."""

    kind: ClassVar[str] = "dear"
    keep: ClassVar[Keep] = Keep.DEAR

    def fill(self, out: Path, context: Context) -> None:
        super().fill(out, context)
        for midst in context.wanted:
            context.deliver(midst, midst.write)  # type: ignore[attr-defined]


@dataclass(frozen=True, eq=False)
class Midst(Stage):
    """A snapshot of a dear toy: made on its way, or by replay."""

    kind: ClassVar[str] = "midst"
    keep: ClassVar[Keep] = Keep.CHEAP

    end: Dear
    step: int

    @property
    def inputs(self) -> tuple[Stage, ...]:
        return self.end.inputs

    @property
    def maker(self) -> Stage:
        return self.end

    @property
    def title(self) -> str:
        return f"replay {self.step}"

    def build(self, inputs: Inputs, out: Path, context: Context) -> Facts:
        for later in context.wanted:
            context.deliver(later, later.write)  # type: ignore[attr-defined]
        return self.write(out)

    def write(self, out: Path) -> Facts:
        (out / "small").write_text(f"step {self.step} of {self.end.name}")
        return {}


@dataclass(frozen=True, eq=False)
class Slow(Toy):
    """A toy that says when it is at work and then waits until it is told, or killed."""

    kind: ClassVar[str] = "slow"

    flag: str = ""
    go: str = ""

    def fill(self, out: Path, context: Context) -> None:
        with Path(self.flag).open("a") as file:
            file.write(f"{self.name}\n")
        deadline = time.monotonic() + 60
        while not Path(self.go).exists():
            assert time.monotonic() < deadline
            time.sleep(0.005)


class Unwatched:
    """Progress that nobody looks at; not pico's, which loads torch: workers import this file."""

    def step(self, done: int, total: int, detail: str = "") -> None:
        """Say nothing."""


class Display:
    """Remembers what was built; ``before`` is called ahead of each stage."""

    def __init__(self, before: Callable[[str], None] = lambda _title: None) -> None:
        self.built: list[str] = []
        self._before = before

    @contextmanager
    def stage(self, title: str) -> Iterator["Unwatched"]:
        self._before(title)
        self.built.append(title)
        yield Unwatched()


def make(store: Any, *targets: Stage, **options: Any) -> Display:
    """Run a graph in this process; what was built, in order."""
    from lox_bench.engine.graph import Graph
    from lox_bench.engine.local import LocalExecutor

    told = options.pop("told", ())
    display = options.pop("display", None) or Display()
    LocalExecutor(store, display, **options).run(Graph.of(targets, told))
    return display


def until(condition: Callable[[], object]) -> None:
    """Wait for something that another process or thread is to do."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def flip(file: Path) -> None:
    """Change one bit."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)
