"""What there is of an artifact, read from the disk and changed by nobody."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lox_bench.engine.artifact import Manifest, damage, read_manifest
from lox_bench.engine.freed import is_freed, problem_of_freed


class Named(Protocol):
    """Whatever says which artifact is meant: a stage, a manifest, a place in the store."""

    @property
    def kind(self) -> str:
        """The folder."""

    @property
    def key(self) -> str:
        """The folder in it."""


@dataclass(frozen=True, slots=True)
class State:
    """What is found: the manifest if it is sound, whether all files are, else what is wrong."""

    manifest: Manifest | None = None
    whole: bool = False
    problem: str = ""


def look(folder: Path, name: Named, *, thorough: bool = False) -> State:
    """The state of the artifact in a folder; ``thorough``: read all, whatever was verified."""
    manifest = read_manifest(folder)
    if manifest is None or (manifest.kind, manifest.key) != (name.kind, name.key):
        return State(problem="its manifest is damaged" if folder.is_dir() else "")
    if is_freed(folder):
        return State(manifest, problem=problem_of_freed(folder, manifest))
    problem = damage(folder, manifest, thorough=thorough)
    return State(manifest, whole=not problem, problem=problem)
