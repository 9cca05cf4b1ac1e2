"""What of a study cannot be run here, and why: before hours are spent on the rest."""

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from lox_bench.errors import LoxBenchError
from lox_bench.judges.verdicts import Bench
from lox_bench.sources.reach import reach
from lox_bench.study.family import load_family
from lox_bench.study.file import StudyFile
from lox_bench.study.study import make_study

_TRAINED: Final = 16  # bytes a parameter: weights, gradients and both of Adam's moments in float32
_GIGA: Final = 1e9
_BYTES: Final = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True, slots=True)
class Obstacle:
    """``what`` cannot be run, and ``why`` in one line."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Room:
    """What this machine has, in bytes: memory that a training can use, and free disk."""

    memory: float
    disk: float

    @classmethod
    def here(cls, root: Path) -> "Room":
        """The accelerator's memory where there is one, else the machine's; disk below ``root``."""
        from lox_bench.devices import pick_device

        place = next(item for item in (root, *root.parents) if item.exists())
        disk = float(shutil.disk_usage(place).free)
        if pick_device().type == "cuda":
            import torch

            return cls(float(torch.cuda.get_device_properties(0).total_memory), disk)
        return cls(float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")), disk)


@dataclass(frozen=True, slots=True)
class Runnable:
    """A study without what cannot be run; ``None`` where nothing is left of it."""

    study: StudyFile | None
    obstacles: tuple[Obstacle, ...]


def runnable(study: StudyFile, bench: Bench, room: Room) -> Runnable:
    """Leave out the families, attacks and judges of a study that cannot be had here.

    Raises:
        LoxBenchError: the study is not sound apart from them.
    """
    attacks = {item: _of_attack(study, item) for item in study.attacks}
    judges = {item: _of_judge(study, item, bench) for item in study.judges}
    rest = replace(study, attacks=_kept(attacks), judges=_kept(judges))
    families = {name: tuple(_of_family(name, rest, room)) for name in study.families}
    found = [obstacle for held in families.values() for obstacle in held]
    found += [obstacle for obstacle in (*attacks.values(), *judges.values()) if obstacle]
    left = tuple(name for name, held in families.items() if not held)
    sound = bool(left and rest.attacks and rest.judges)
    return Runnable(replace(rest, families=left) if sound else None, tuple(found))


def _kept(items: Mapping[str, Obstacle | None]) -> tuple[str, ...]:
    return tuple(name for name, obstacle in items.items() if obstacle is None)


def _of_family(name: str, study: StudyFile, room: Room) -> Iterator[Obstacle]:
    family = load_family(name)
    said = _reached(family.base)
    if not said.startswith("yes"):
        yield Obstacle(f"family {family.name}", f"its base {family.base}: {said}")
    count = family.parameters * _GIGA
    if count * _TRAINED > room.memory:
        yield Obstacle(
            f"family {family.name}",
            f"training all of {family.parameters:g} thousand million parameters takes about "
            f"{count * _TRAINED / _GIGA:.0f} GB of memory, {room.memory / _GIGA:.0f} GB are here",
        )
    stays = count * _BYTES[family.dtype] * _checkpoints(replace(study, families=(name,)))
    if stays > room.disk:
        yield Obstacle(
            f"family {family.name}",
            f"about {stays / _GIGA:.0f} GB of weights would stay in the cache, "
            f"{room.disk / _GIGA:.0f} GB of disk are free (--keep-weights none keeps fewer)",
        )


@lru_cache
def _reached(uri: str) -> str:
    """Asked once a session: a publication's parts share their family."""
    return reach(uri)


def _checkpoints(study: StudyFile) -> int:
    """Base, aligned, and what each attack makes of each model and seed."""
    if not (study.attacks and study.judges):
        return 2
    variants = [item for request in study.requests() for item in make_study(request).variants]
    return 2 + len({item.training for item in variants if item.training is not None})


def _of_attack(study: StudyFile, attack: str) -> Obstacle | None:
    try:
        for request in replace(study, attacks=(attack,), models=("aligned",)).requests():
            make_study(request)
    except LoxBenchError as error:
        return Obstacle(f"attack {attack}", str(error))
    return None


def _of_judge(study: StudyFile, judge: str, bench: Bench) -> Obstacle | None:
    alone = replace(study, attacks=(), models=("aligned",), judges=(judge,))
    try:
        for request in alone.requests():
            for spec in make_study(request).judges:
                bench.judge(spec)
    except LoxBenchError as error:
        return Obstacle(f"judge {judge}", str(error))
    return None
