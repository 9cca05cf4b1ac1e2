"""What a stage is given while it is built."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from lox_bench.engine.artifact import Artifact
from lox_bench.engine.stage import Facts, Stage
from lox_bench.types import Progress

T = TypeVar("T")


class Loaded:
    """Keeps the last thing that was loaded, so that stages of one affinity load it once."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._name = ""
        self._thing: Any = None

    def get(self, name: str, load: Callable[[], T]) -> T:
        """What is called ``name``, loaded now unless it was the last; the one before it goes."""
        if self._name != name:
            self.clear()
            self._thing = load()
            self._name = name
        thing: T = self._thing
        return thing

    def keep_only(self, name: str) -> None:
        """Let go of it, unless it is what comes next."""
        if self._name != name:
            self.clear()

    def clear(self) -> None:
        """Let go of it: what comes next needs the memory; what holds a process ends it."""
        thing, self._name, self._thing = self._thing, "", None
        close = getattr(thing, "close", None)
        if close is not None:
            close()


@dataclass(frozen=True, slots=True)
class Inputs:
    """The finished artifacts of a stage's inputs."""

    artifacts: Mapping[Stage, Artifact]

    def __getitem__(self, stage: Stage) -> Path:
        """The folder of an input."""
        return self.artifacts[stage].path

    def facts(self, stage: Stage) -> Facts:
        """What the input's own build told."""
        return self.artifacts[stage].manifest.facts


@dataclass(slots=True)
class Context:
    """The surroundings of one build.

    ``wanted`` are stages that could be made on the way (their ``maker`` is at work) and that the
    graph still lacks; ``deliver`` stores one of them. ``extras`` are live objects of the session,
    such as a ledger of costs, that never change what is made. ``partial``: what is made is
    readable, but not final, because it says so itself or rests on something that is not final.
    """

    progress: Progress
    root: Path
    loaded: Loaded
    wanted: Sequence[Stage] = ()
    deliver: Callable[[Stage, Callable[[Path], Facts]], None] = lambda _stage, _work: None
    extras: Mapping[type, Any] = field(default_factory=dict)
    partial: bool = False

    def of_session(self, kind: type[T], default: Callable[[], T]) -> T:
        """The session's object of a class, or a fresh one."""
        held: T | None = self.extras.get(kind)
        return default() if held is None else held

    def unfinished(self) -> None:
        """Mark the artifact as readable but not final: the next run makes it again."""
        self.partial = True
