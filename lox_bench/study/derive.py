"""Make recipes whose weights are computed from other weights, without training."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lox_bench.engine.store import read_manifest
from lox_bench.study.variants import Anywhere, Control, Perturbed, Recipe, Truncated, describe
from lox_bench.types import Progress

if TYPE_CHECKING:
    from torch import Tensor

    from lox_bench.diagnostics.directions import Gram
    from lox_bench.diagnostics.perturb import Frame

GEOMETRY_VERSION = 1

Work = Callable[[Path, Progress], Mapping[str, Any]]


class Maker(Protocol):
    """Where upstream checkpoints and shared artifacts come from (the materialiser)."""

    def checkpoint(self, recipe: Recipe, title: str) -> Path:
        """The folder of a recipe's weights."""

    def build(self, stage: str, recipe: Mapping[str, Any], title: str, work: Work) -> Path:
        """Build one artifact, or find it."""


def derivation(recipe: Control | Truncated | Perturbed, maker: Maker) -> Work:
    """What fills an empty folder with the recipe's weights; its inputs are made at once."""
    if isinstance(recipe, Perturbed):
        return _perturbing(recipe, maker)
    pair = maker.checkpoint(recipe.base, "base"), maker.checkpoint(recipe.aligned, "aligned")

    def work(out: Path, progress: Progress) -> Mapping[str, Any]:
        from lox_bench.weights.combine import combine_checkpoints

        combine_checkpoints(pair, out, _rule_of(recipe), progress)
        return {}

    return work


def _rule_of(recipe: Control | Truncated) -> "Callable[[str, Sequence[Tensor]], Tensor]":
    from lox_bench.weights.controls import bottom_k, expo, generator_of, random_k, truncated

    if isinstance(recipe, Truncated):
        return lambda _, pair: truncated(pair[0], pair[1], recipe.rank)
    k, alpha = recipe.k, recipe.alpha
    rules: dict[str, Callable[[str, Sequence[Tensor]], Tensor]] = {
        "expo": lambda _, pair: expo(pair[0], pair[1], alpha),
        "bottom-k": lambda _, pair: bottom_k(pair[0], pair[1], k, alpha),
        "random-k": lambda name, pair: random_k(
            pair[0], pair[1], k, alpha, generator_of(recipe.seed, name)
        ),
    }
    return rules[recipe.rule]


def geometry(recipe: Perturbed, maker: Maker) -> "Gram":
    """Lengths and inner product of a perturbation's directions, shared by all its points."""
    from lox_bench.diagnostics.directions import Gram

    described = describe(recipe)
    shared = {
        "stage": "geometry",
        "version": GEOMETRY_VERSION,
        "model": described["model"],
        "directions": described["directions"],
    }
    frame = _frame(recipe, maker)

    def work(_: Path, progress: Progress) -> Mapping[str, Any]:
        from lox_bench.diagnostics.perturb import measure_frame

        return {"gram": measure_frame(frame, progress)}

    artifact = maker.build("geometry", shared, "measure the directions", work)
    return Gram(**read_manifest(artifact)["facts"]["gram"])


def _perturbing(recipe: Perturbed, maker: Maker) -> Work:
    frame, gram = _frame(recipe, maker), geometry(recipe, maker)

    def work(out: Path, progress: Progress) -> Mapping[str, Any]:
        from lox_bench.diagnostics.perturb import perturb_checkpoint

        perturb_checkpoint(frame, gram, recipe.steps, out, progress)
        return {}

    return work


def _frame(recipe: Perturbed, maker: Maker) -> "Frame":
    from lox_bench.diagnostics.perturb import Frame

    directions = tuple(
        item
        if isinstance(item, Anywhere)
        else (maker.checkpoint(item.origin, "origin"), maker.checkpoint(item.target, "target"))
        for item in recipe.directions
    )
    return Frame(maker.checkpoint(recipe.model, "model"), directions)
