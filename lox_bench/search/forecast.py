"""How many trainings a study holds, how many are stored, and about how long the rest takes."""

from dataclasses import dataclass

from lox_bench.attacks.stage import Attack, Snapshot
from lox_bench.engine.forecast import Estimate, History
from lox_bench.engine.store import Store
from lox_bench.search.tuner import Space
from lox_bench.study.study import Study


@dataclass(frozen=True, slots=True)
class Forecast:
    """Attack trainings of a study; ``seconds`` of those not ``stored``.

    ``at_most``: a search may propose one point twice. ``seconds``, and ``size`` of the checkpoints
    in bytes, are ``None`` without a basis.
    """

    trainings: int
    stored: int
    at_most: bool
    seconds: float | None
    size: float | None
    basis: int


def forecast(study: Study, store: Store) -> Forecast:
    """Count the attack trainings of a study and estimate the time of the missing ones."""
    attacks = list(dict.fromkeys(v.training for v in study.variants if v.training is not None))
    missing = [attack for attack in attacks if store.told(attack) is None]
    again = _replays(study, store)
    searched = _searched(study)
    history = History.of(store)
    kept = [history.estimate(attack) for attack in missing]
    kept += [_scaled(history.estimate(attack), factor) for attack, factor in searched]
    estimates = [*kept, *(history.estimate(attack) for attack in again)]
    known = bool(estimates) and all(seconds is not None for seconds, _, _ in estimates)
    return Forecast(
        trainings=len(attacks) + len(again) + len(searched),
        stored=len(attacks) - len(missing),
        at_most=bool(searched),
        seconds=sum(seconds or 0.0 for seconds, _, _ in estimates) if known else None,
        size=sum(nbytes or 0.0 for _, nbytes, _ in kept) if known else None,
        basis=max((basis for _, _, basis in estimates), default=0),
    )


def _searched(study: Study) -> list[tuple[Attack, float]]:
    """Each trial of a search: a training of the study's own, and how many times as long it is.

    A trial is taken to lie in the middle of its range of epochs.
    """
    if study.strength is None:
        return []
    own = {
        item.attack.point.spec.name: item.training
        for item in study.variants
        if item.attack is not None and item.training is not None
    }
    models = sum(variant.attack is None for variant in study.variants)
    trials: list[tuple[Attack, float]] = []
    for attack in study.strength.searched:
        training = own[attack.spec.name]
        epochs = Space.of(attack, training.train).spans.get("epochs")
        middle = (epochs.low + epochs.high) / 2 if epochs else training.train.epochs
        times = models * study.strength.trials
        trials += [(training, middle / training.train.epochs)] * times
    return trials


def _scaled(estimate: Estimate, factor: float) -> Estimate:
    seconds, nbytes, basis = estimate
    return (None if seconds is None else seconds * factor, nbytes, basis)


def _replays(study: Study, store: Store) -> list[Attack]:
    """Attacks that are stored, but were trained before their snapshots were asked for."""
    snapshots = [item.tuned for item in study.variants if isinstance(item.tuned, Snapshot)]
    unknown = [item.attack for item in snapshots if store.told(item) is None]
    return [attack for attack in dict.fromkeys(unknown) if store.told(attack) is not None]
