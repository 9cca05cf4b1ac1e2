"""``--attack-search``: tune an attack against each model with Optuna's TPE, on the dev prompts.

An adversary would tune, so we do; on other prompts than those that are reported, so that the
number shown is not the luckiest of many. The study lives in the run's folder (``trials.py``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lox_bench.attacks.arguments import ARGUMENTS, NO, YES, Value
from lox_bench.attacks.points import AttackPoint, AttackSettings, Span
from lox_bench.search.trials import Dimension, Earlier, Listed, Params, Told, Trials
from lox_bench.study.strength import SearchedAttack
from lox_bench.training.spec import SftSpec
from lox_bench.types import Progress

STUDY: Final = "attack-search.db"
_DIGITS: Final = 3  # significant digits tried


@dataclass(frozen=True, slots=True)
class Space:
    """Where to look: spans and lists of what is searched, the rest fixed, the own as start."""

    attack: SearchedAttack
    spans: Mapping[str, Span]
    lists: Mapping[str, tuple[Value, ...]]
    start: Params

    @classmethod
    def of(cls, attack: SearchedAttack, train: SftSpec) -> "Space":
        """The user's spans, else those of the attack's spec around ``train``, the family's own."""
        more, own = dict(attack.more), attack.spec.search
        lr = train.learning_rate
        plain = {
            "lr": attack.lr or Span(own.lr_low * lr, min(own.lr_high * lr, 1), None, whole=False),
            "epochs": attack.epochs or Span(own.epochs_low, own.epochs_high, None, whole=True),
        }
        plain = {name: span for name, span in plain.items() if getattr(attack.fixed, name) is None}
        if attack.fixed.steps or "steps" in more:
            plain.pop("epochs", None)
        spans = {**plain, **{name: x for name, x in more.items() if isinstance(x, Span)}}
        lists = {name: x for name, x in more.items() if not isinstance(x, Span)}
        return cls(attack, spans, lists, _start(_own(attack, train), plain, spans, lists))

    @property
    def dimensions(self) -> Mapping[str, Dimension | Listed]:
        """As a search takes them: sizes in the logarithm, counts as they are, lists unordered."""
        spans = {
            name: Dimension(span.low, span.high, span.whole, log=not span.whole)
            for name, span in self.spans.items()
        }
        return {**spans, **{name: Listed(values) for name, values in self.lists.items()}}

    def point(self, params: Params) -> AttackPoint:
        """The attack at the place a trial proposes."""
        fixed = {name: getattr(self.attack.fixed, name) for name in ARGUMENTS}
        found = {name: self._exact(name, value) for name, value in params.items()}
        return AttackPoint(self.attack.spec, AttackSettings.of({**fixed, **found}))

    def _exact(self, name: str, value: Value) -> Value:
        """Few digits, so that a point's name is exact."""
        if name in self.lists or isinstance(value, str):
            return value
        return float(value) if self.spans[name].whole else float(f"{value:.{_DIGITS}g}")


def _own(attack: SearchedAttack, train: SftSpec) -> Mapping[str, Value]:
    """What the family and the attack have themselves, by argument; not all have a value."""
    spec = attack.spec
    known: dict[str, Value] = {
        "lr": train.learning_rate, "epochs": train.epochs, "batch": train.batch_size,
        "warmup": train.warmup_steps, "schedule": train.schedule, "mask": train.mask,
        "packing": YES if train.packing else NO, "steps": train.steps, "lora_r": train.lora_r,
        "lora_alpha": train.lora_alpha, "lora_quant": train.lora_quant, "ratio": spec.ratio,
        "template": spec.template, "benign": spec.benign,
    }  # fmt: skip
    if train.lora_r:
        known["lora_targets"] = train.lora_targets
    return {name: value for name, value in known.items() if value or name == "warmup"}


def _start(
    own: Mapping[str, Value],
    plain: Mapping[str, Span],
    spans: Mapping[str, Span],
    lists: Mapping[str, tuple[Value, ...]],
) -> Params:
    """The own settings, if rate and epochs lie in the space; of the others those that do."""
    inside = {name for name, span in spans.items() if _holds(span, own.get(name))}
    if not {*plain} <= inside:
        return {}
    listed = {name for name, values in lists.items() if own.get(name) in values}
    return {name: own[name] for name in (*spans, *lists) if name in inside | listed}


def _holds(span: Span, value: Value | None) -> bool:
    return isinstance(value, int | float) and span.holds(value)


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
