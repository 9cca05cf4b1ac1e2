"""``--attack-search``: tune an attack against each model with Optuna's TPE, on the dev prompts.

An adversary would tune, so we do; on other prompts than those that are reported, so that the
number shown is not the luckiest of many. The study lives in the run's folder (``trials.py``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from lox_bench.attacks.points import AttackPoint, Span
from lox_bench.search.trials import Dimension, Earlier, Params, Told, Trials
from lox_bench.study.strength import SearchedAttack
from lox_bench.training.spec import TrainSpec
from lox_bench.types import Progress

STUDY: Final = "attack-search.db"
_LR_DIGITS = 3  # significant digits tried, so that a point's name is exact


@dataclass(frozen=True, slots=True)
class Space:
    """Where to look: spans of the searched arguments, the rest fixed, the family's own as start."""

    attack: SearchedAttack
    spans: Mapping[str, Span]
    start: Mapping[str, float]

    @classmethod
    def of(cls, attack: SearchedAttack, train: TrainSpec) -> "Space":
        """The user's spans, else those of the attack's spec around ``train``, the family's own."""
        own, family = attack.spec.search, {"lr": train.learning_rate, "epochs": train.epochs}
        lr = family["lr"]
        spans = {
            "lr": attack.lr or Span(own.lr_low * lr, min(own.lr_high * lr, 1), None, whole=False),
            "epochs": attack.epochs or Span(own.epochs_low, own.epochs_high, None, whole=True),
        }
        spans = {name: span for name, span in spans.items() if getattr(attack.fixed, name) is None}
        if attack.fixed.steps:
            del spans["epochs"]
        inside = all(span.holds(family[name]) for name, span in spans.items())
        return cls(attack, spans, {name: family[name] for name in spans} if inside else {})

    @property
    def dimensions(self) -> Mapping[str, Dimension]:
        """The spans as a search takes them: sizes in the logarithm, counts as they are."""
        return {
            name: Dimension(span.low, span.high, span.whole, log=not span.whole)
            for name, span in self.spans.items()
        }

    def point(self, params: Mapping[str, float]) -> AttackPoint:
        """The attack at the place a trial proposes."""
        fixed = self.attack.fixed
        lr = float(f"{params['lr']:.{_LR_DIGITS}g}") if "lr" in params else fixed.lr
        epochs = float(params["epochs"]) if "epochs" in params else fixed.epochs
        return AttackPoint(self.attack.spec, replace(fixed, lr=lr, epochs=epochs))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a trial showed.

    ``success`` is the share of all prompts asked that were answered (0..1): unjudged answers are
    no success, so that a broken model wins nothing. ``accuracy`` (0..1) is on the attack's task,
    ``None`` if it has no test; ``facts`` go into the study as they are.
    """

    success: float
    accuracy: float | None
    facts: Mapping[str, Any]


Attempt = Callable[[AttackPoint], Outcome]


@dataclass(frozen=True, slots=True)
class Search:
    """One study: an attack tuned against one model. ``slack`` in points of accuracy (of 100)."""

    file: Path
    name: str
    space: Space
    trials: int
    seed: int
    slack: float

    def run(self, attempt: Attempt, progress: Progress) -> list[AttackPoint]:
        """Complete the study, going on where an earlier process stopped; its points in order."""

        def told(params: Params, earlier: Earlier) -> Told:
            point = self.space.point(params)
            outcome = attempt(point)
            return Told(
                value=outcome.success,
                excess={"accuracy": _shortfall(outcome.accuracy, earlier) - self.slack},
                facts={"point": point.name, "accuracy": outcome.accuracy, **outcome.facts},
                shown=f"{point.name}: {outcome.success:.2f} answered",
            )

        trials = Trials(
            file=self.file,
            name=self.name,
            space=self.space.dimensions,
            start=self.space.start,
            trials=self.trials,
            seed=self.seed,
            direction="maximize",
        )
        return [self.space.point(params) for params in trials.run(told, progress)]


def _shortfall(accuracy: float | None, earlier: Earlier) -> float:
    """Points of accuracy missing to the best so far."""
    if accuracy is None:
        return 0.0
    seen = [float(facts["accuracy"]) for facts in earlier]
    return 100 * (max([accuracy, *seen]) - accuracy)
