"""How many trainings a plan holds, how many the store has already, and about how long the rest is.

The time comes from earlier attacks on models of the same family: seconds per training row, so
that other numbers of rows and epochs are scaled. Alignment, answers and accuracy come on top.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from lox_bench.attacks.snapshot import FACTS, total_steps
from lox_bench.engine.store import MANIFEST, Store, read_manifest
from lox_bench.results.run import NO_ATTACK
from lox_bench.search.tuner import Space
from lox_bench.study.plan import Plan
from lox_bench.study.variants import Attacked, Recipe, Snapshot, key_of


@dataclass(frozen=True, slots=True)
class Forecast:
    """Attack trainings of a plan; ``seconds`` of those not ``stored``, from ``basis`` earlier ones.

    ``at_most``: a search may propose one point twice. ``seconds``, and ``size`` of the checkpoints
    in bytes, are ``None`` without a basis.
    """

    trainings: int
    stored: int
    at_most: bool
    seconds: float | None
    size: float | None
    basis: int


def forecast(plan: Plan, store: Store) -> Forecast:
    """Count the attack trainings of ``plan`` and estimate the time of the missing ones."""
    attacks = {key_of(cell.recipe): cell.recipe for cell in plan.cells
               if isinstance(cell.recipe, Attacked)}  # fmt: skip
    missing = [recipe for key, recipe in attacks.items() if store.find(recipe.stage, key) is None]
    again = _replays(plan, store)
    work = [_rows_trained(plan, recipe) for recipe in (*missing, *again)]
    searched = _searched(plan)
    earlier = list(_earlier(plan, store))
    seconds = size = None
    if earlier:
        seconds = median(pace for pace, _ in earlier) * (sum(work) + sum(searched))
        size = median(size for _, size in earlier) * (len(missing) + len(searched))
    return Forecast(
        trainings=len(attacks) + len(again) + len(searched),
        stored=len(attacks) - len(missing),
        at_most=bool(searched),
        seconds=seconds,
        size=size,
        basis=len(earlier),
    )


def _replays(plan: Plan, store: Store) -> list[Attacked]:
    """Attacks that are stored, but were trained before their snapshots were asked for."""
    snapshots = [cell.recipe for cell in plan.cells if isinstance(cell.recipe, Snapshot)]
    unknown = [item.attacked for item in snapshots if store.find(FACTS, key_of(item)) is None]
    return [r for r in dict.fromkeys(unknown) if store.find(r.stage, key_of(r)) is not None]


def _rows_trained(plan: Plan, recipe: Attacked) -> float:
    steps = total_steps(recipe, len(plan.attack_data[recipe.attack].rows))
    return steps * recipe.train.batch_size


def _searched(plan: Plan) -> list[float]:
    """Rows of each trial of a search, at the middle of its range of epochs."""
    if plan.strength is None:
        return []
    models = sum(cell.attack == NO_ATTACK for cell in plan.cells)
    rows = []
    for attack in plan.strength.searched:
        own = next(cell.recipe for cell in plan.cells if isinstance(cell.recipe, Attacked)
                   and cell.recipe.attack == attack.spec.name)  # fmt: skip
        epochs = Space.of(attack, own.train).spans.get("epochs")
        scale = (epochs.low + epochs.high) / 2 / own.train.epochs if epochs else 1.0
        rows += [_rows_trained(plan, own) * scale] * models * plan.strength.trials
    return rows


def _earlier(plan: Plan, store: Store) -> Iterator[tuple[float, int]]:
    """Seconds per training row and bytes of the stored attacks on this family's models."""
    bases = {_base(cell.recipe) for cell in plan.cells}
    for path in sorted((store.root / Attacked.stage).glob("*")):
        if store.find(Attacked.stage, path.name) is None:
            continue
        manifest = read_manifest(path)
        recipe, facts = manifest["recipe"], manifest["facts"]
        if _stored_base(store, recipe["model"]) in bases:
            rows = facts["steps"] * recipe["train"]["batch_size"]
            size = sum(file.stat().st_size for file in path.glob("*.safetensors"))
            yield manifest["seconds"] / rows, size


def _base(recipe: Recipe) -> str:
    """Key of the base model that a recipe rests on; a source is its own."""
    for upstream in ("attacked", "model"):
        if hasattr(recipe, upstream):
            return _base(getattr(recipe, upstream))
    return key_of(getattr(recipe, "base", recipe))


def _stored_base(store: Store, model: str) -> str:
    """The same of a stored model, by its key."""
    found = next(store.root.glob(f"*/{model}/{MANIFEST}"), None)
    return model if found is None else str(read_manifest(found.parent)["recipe"].get("base", model))
