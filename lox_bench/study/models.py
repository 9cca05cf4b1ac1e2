"""Model variants by name: what ``--models`` accepts, each a small function to a recipe."""

from collections.abc import Callable, Mapping
from typing import Final

from lox_bench.errors import UsageError
from lox_bench.grammar import Call
from lox_bench.study.recipes import FamilyRecipes
from lox_bench.study.variants import Recipe

FULL_RANK = "full"


def build_model(call: Call, recipes: FamilyRecipes) -> tuple[str, Recipe]:
    """Turn an item of ``--models`` into its display name and recipe.

    Raises:
        UsageError: an argument is unknown or out of range.
    """
    if call.target is not None:
        return call.name, recipes.source(call.target)
    return str(call), MODELS[call.name](call, recipes)


def _base(call: Call, recipes: FamilyRecipes) -> Recipe:
    _only(call)
    return recipes.base


def _aligned(call: Call, recipes: FamilyRecipes) -> Recipe:
    _only(call)
    return recipes.aligned


def _lox(call: Call, recipes: FamilyRecipes) -> Recipe:
    _only(call, "k", "alpha")
    return recipes.hardened(*_strength(call, recipes))


def _expo(call: Call, recipes: FamilyRecipes) -> Recipe:
    _only(call, "alpha")
    _, alpha = _strength(call, recipes)
    return recipes.control("expo", None, alpha)


def _random_k(call: Call, recipes: FamilyRecipes) -> Recipe:
    _only(call, "k", "alpha", "seed")
    seed = _whole("seed", call.args["seed"]) if "seed" in call.args else recipes.seed
    return recipes.control("random-k", *_strength(call, recipes), seed=seed)


def _bottom_k(call: Call, recipes: FamilyRecipes) -> Recipe:
    _only(call, "k", "alpha")
    return recipes.control("bottom-k", *_strength(call, recipes))


def _truncated(call: Call, recipes: FamilyRecipes) -> Recipe:
    _only(call, "r")
    if "r" not in call.args:
        raise UsageError("model 'truncated' needs a rank: truncated(r=4)")
    return recipes.truncated(_whole("r", call.args["r"], least=1))


def _strength(call: Call, recipes: FamilyRecipes) -> tuple[int | None, float]:
    """Rank and alpha, each the family's where the call gives none."""
    defaults = recipes.family.lox
    k = _rank(call.args["k"]) if "k" in call.args else (defaults.k or None)
    return k, _alpha(call.args["alpha"]) if "alpha" in call.args else defaults.alpha


MODELS: Final[Mapping[str, Callable[[Call, FamilyRecipes], Recipe]]] = {
    "base": _base,
    "aligned": _aligned,
    "lox": _lox,
    "expo": _expo,
    "random-k": _random_k,
    "bottom-k": _bottom_k,
    "truncated": _truncated,
}

DESCRIPTIONS: Final[Mapping[str, str]] = {
    "base": "the family's model before alignment",
    "aligned": "after the family's alignment (DPO run here, or a released checkpoint)",
    "lox": "aligned + alpha * Proj_k(aligned - base); lox(k=6,alpha=1.25), k=full for full rank",
    "expo": "control: aligned + alpha * (aligned - base), every weight, all directions (ExPO)",
    "random-k": "control: the LoX step's singular values on random directions; (k=,alpha=,seed=)",
    "bottom-k": "control: the LoX step's singular values on the k smallest directions; (k=,alpha=)",
    "truncated": "probe: base + Proj_r(aligned - base); truncated(r=4)",
    "NAME=PATH": "any local folder or hub id, under a name of yours",
}


def _only(call: Call, *allowed: str) -> None:
    for key in call.args:
        if key not in allowed:
            wanted = f"it takes {', '.join(allowed)}" if allowed else "it takes no arguments"
            raise UsageError(f"model {str(call)!r}: unknown argument {key!r}; {wanted}")


def _rank(text: str) -> int | None:
    if text == FULL_RANK:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"k must be a whole number of at least 1, or 'full', not {text!r}")
    return int(text)


def _whole(name: str, text: str, *, least: int = 0) -> int:
    if not text.isdecimal() or int(text) < least:
        raise UsageError(f"{name} must be a whole number of at least {least}, not {text!r}")
    return int(text)


def _alpha(text: str) -> float:
    try:
        alpha = float(text)
    except ValueError:
        alpha = float("nan")
    if not abs(alpha) < float("inf"):
        raise UsageError(f"alpha must be a finite number, not {text!r}")
    return alpha
