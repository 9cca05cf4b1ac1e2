"""``--attack-search``: tune an attack against each model with Optuna's TPE, on the dev prompts.

An adversary would tune, so we do; on other prompts than those that are reported, so that the
number shown is not the luckiest of many. The study lives in the run's folder. Each trial's sampler
is seeded by the number of trials before it, so a killed search goes on with the trials it would
have made; their trainings and answers are stages of the store like any other.

TPE: Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from lox_bench.attacks.points import AttackPoint, Span
from lox_bench.study.strength import SearchedAttack
from lox_bench.training.spec import TrainSpec
from lox_bench.types import Progress

STUDY: Final = "attack-search.db"
STARTUP_TRIALS: Final = 5  # random ones, the family's own settings first, before TPE models
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
        study = self._open()
        while len(done := _completed(study)) < self.trials:
            progress.step(len(done), self.trials, _latest(done))
            study.sampler = self._sampler(len(done))
            self._next(study, done, attempt)
        return [self.space.point(trial.params) for trial in done[: self.trials]]

    def _next(self, study: Any, done: Sequence[Any], attempt: Attempt) -> None:
        trial = study.ask(self._distributions())
        point = self.space.point(trial.params)
        outcome = attempt(point)
        facts = {"point": point.name, "accuracy": outcome.accuracy, **outcome.facts}
        for name, value in facts.items():
            trial.set_user_attr(name, value)
        trial.set_constraint("accuracy", _shortfall(outcome.accuracy, done) - self.slack)
        study.tell(trial, outcome.success)

    def _open(self) -> Any:
        """The study, the trial of a killed process closed, the family's settings in the queue."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(
            storage=f"sqlite:///{self.file}",
            study_name=self.name,
            direction="maximize",
            load_if_exists=True,
        )
        states = optuna.trial.TrialState
        for stale in study.get_trials(states=[states.RUNNING]):
            study.tell(stale.number, state=states.FAIL)
        fresh = not study.get_trials(states=[states.COMPLETE, states.WAITING])
        if fresh and self.space.start:
            study.enqueue_trial(dict(self.space.start))
        return study

    def _sampler(self, number: int) -> Any:
        """TPE seeded for trial ``number``, so that it proposes the same in any process."""
        from optuna.samplers import TPESampler

        digest = hashlib.sha256(f"{self.name} {self.seed} {number}".encode()).digest()
        return TPESampler(seed=int.from_bytes(digest[:4]), n_startup_trials=STARTUP_TRIALS)

    def _distributions(self) -> dict[str, Any]:
        from optuna.distributions import FloatDistribution, IntDistribution

        return {
            name: IntDistribution(int(span.low), int(span.high))
            if span.whole
            else FloatDistribution(span.low, span.high, log=True)
            for name, span in self.space.spans.items()
        }


def _completed(study: Any) -> list[Any]:
    from optuna.trial import TrialState

    return list(study.get_trials(deepcopy=False, states=[TrialState.COMPLETE]))


def _shortfall(accuracy: float | None, done: Sequence[Any]) -> float:
    """Points of accuracy missing to the best so far."""
    if accuracy is None:
        return 0.0
    seen = [float(trial.user_attrs["accuracy"]) for trial in done]
    return 100 * (max([accuracy, *seen]) - accuracy)


def _latest(done: Sequence[Any]) -> str:
    if not done:
        return ""
    return f"{done[-1].user_attrs['point']}: {done[-1].value:.2f} answered"
