"""How many trainings a study holds, how many are stored, and about how long the rest takes."""

from collections.abc import Sequence
from dataclasses import dataclass

from lox_bench.attacks.stage import Attack, Snapshot
from lox_bench.engine.forecast import History
from lox_bench.engine.store import Store
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


def forecast(study: Study, store: Store, searched: Sequence[float] = ()) -> Forecast:
    """Count the attack trainings of a study and estimate the time of the missing ones.

    ``searched`` holds the effort of each trial of a search, in multiples of the study's own attack.
    """
    attacks = list(dict.fromkeys(v.training for v in study.variants if v.training is not None))
    missing = [attack for attack in attacks if store.told(attack) is None]
    again = _replays(study, store)
    history = History.of(store)
    estimates = [history.estimate(stage) for stage in (*missing, *again)]
    own = history.estimate(attacks[0]) if attacks else (None, None, 0)
    estimates += [(own[0] and own[0] * factor, own[1], own[2]) for factor in searched]
    seconds = [item for item, _, _ in estimates if item is not None]
    sizes = [item for _, item, _ in estimates[: len(missing)] if item is not None]
    sizes += [item for _, item, _ in estimates[len(missing) + len(again) :] if item is not None]
    known = bool(estimates) and len(seconds) == len(estimates)
    return Forecast(
        trainings=len(attacks) + len(again) + len(searched),
        stored=len(attacks) - len(missing),
        at_most=bool(searched),
        seconds=sum(seconds) if known else None,
        size=sum(sizes) if known else None,
        basis=max((basis for _, _, basis in estimates), default=0),
    )


def _replays(study: Study, store: Store) -> list[Attack]:
    """Attacks that are stored, but were trained before their snapshots were asked for."""
    snapshots = [item.tuned for item in study.variants if isinstance(item.tuned, Snapshot)]
    unknown = [item.attack for item in snapshots if store.told(item) is None]
    return [attack for attack in dict.fromkeys(unknown) if store.told(attack) is not None]
