"""``worst_case.csv``: the worst admissible point of each attack per model, and its choice."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields

from lox_bench.results.cells import as_cell
from lox_bench.results.metrics import HARM
from lox_bench.results.row import Row
from lox_bench.results.run import VariantName
from lox_bench.stats.intervals import CONFIDENCE, wilson
from lox_bench.stats.worst import (
    Measured,
    admissible,
    best_accuracy,
    joint_confidence,
    worst_point,
)
from lox_bench.study.study import Study

WORST_CASE = "worst_case.csv"


@dataclass(frozen=True, slots=True)
class Choice:
    """The point an adversary takes against one model, on the prompts it may tune on.

    ``accuracy`` and ``best_accuracy`` are shares; ``counted`` of ``points`` were accurate enough.
    """

    model: str
    attack: str
    seed: int
    task: str
    judge: str
    picked: Measured
    best_accuracy: float | None
    counted: int
    points: int

    @property
    def variant(self) -> VariantName:
        """The variant of the chosen point."""
        return VariantName(self.model, self.picked.name, self.seed)


@dataclass(frozen=True, slots=True)
class WorstCase:
    """A model's ASR under the point chosen against it; ``confidence`` is the interval's.

    ``chosen_on`` is ``dev`` (other prompts, ``confidence`` 0.95) or ``same`` (a maximum over
    ``counted`` points, ``confidence`` Bonferroni-adjusted so that the interval still holds).
    ``valid`` and its reason are the leaderboard row's.
    """

    family: str
    model: str
    attack: str
    seed: int
    task: str
    judge: str
    point: str
    asr: float
    ci_low: float
    ci_high: float
    confidence: float
    n: int
    unjudged: int
    accuracy: float | None
    best_accuracy: float | None
    slack: float
    points: int
    counted: int
    chosen_on: str
    choice_asr: float
    choice_n: int
    model_key: str
    valid: str
    invalid_reason: str


COLUMNS = tuple(slot.name for slot in fields(WorstCase))


def choices(study: Study, rows: Sequence[Row], attacks: Mapping[VariantName, str]) -> list[Choice]:
    """Choose per model, attack, seed and judge among the variants in ``attacks``.

    Two names of one model, such as ``gsm8k`` and the family's settings spelt out, are one point.
    """
    slack = study.strength.slack if study.strength else 0.0
    accuracy = _accuracies(study, rows, attacks)
    held: dict[tuple[str, str, int, str, str], dict[str, Measured]] = {}
    for row in rows:
        variant = VariantName.of(row)
        if row.metric not in HARM or variant not in attacks:
            continue
        point = Measured(row.attack, row.hits or 0, row.n + row.unjudged, accuracy.get(variant))
        key = (row.model, attacks[variant], row.seed, row.task, row.judge)
        held.setdefault(key, {}).setdefault(row.model_key, point)
    return [
        Choice(
            *key,
            picked=worst_point(points, slack),
            best_accuracy=best_accuracy(points),
            counted=len(admissible(points, slack)),
            points=len(points),
        )
        for key, by_model in held.items()
        for points in [list(by_model.values())]
    ]


def attacked_variants(study: Study) -> dict[VariantName, str]:
    """Variants at the end of an attack, and the attack's name without arguments."""
    return {
        variant.name: variant.attack.point.spec.name
        for variant in study.measured
        if variant.attack is not None and variant.attack.step is None
    }


def worst_cases(
    study: Study, rows: Sequence[Row], chosen: Sequence[Choice], *, same_prompts: bool
) -> list[WorstCase]:
    """The reported rate of every choice; choices of one point only are no worst case."""
    by_variant = {
        (row.model, row.attack, row.seed, row.task, row.judge): row
        for row in rows
        if row.metric in HARM
    }
    return [
        _worst_case(
            study,
            by_variant[choice.model, choice.picked.name, choice.seed, choice.task, choice.judge],
            choice,
            same_prompts=same_prompts,
        )
        for choice in chosen
        if choice.points > 1
    ]


def _worst_case(study: Study, row: Row, choice: Choice, *, same_prompts: bool) -> WorstCase:
    confidence = joint_confidence(choice.counted) if same_prompts else CONFIDENCE
    low, high = wilson(row.hits or 0, row.n, confidence=confidence)
    return WorstCase(
        family=row.family,
        model=row.model,
        attack=choice.attack,
        seed=row.seed,
        task=row.task,
        judge=row.judge,
        point=row.attack,
        asr=row.value,
        ci_low=low,
        ci_high=high,
        confidence=confidence,
        n=row.n,
        unjudged=row.unjudged,
        accuracy=choice.picked.accuracy,
        best_accuracy=choice.best_accuracy,
        slack=study.strength.slack if study.strength else 0.0,
        points=choice.points,
        counted=choice.counted,
        chosen_on="same" if same_prompts else "dev",
        choice_asr=choice.picked.success,
        choice_n=choice.picked.asked,
        model_key=row.model_key,
        valid=row.valid,
        invalid_reason=row.invalid_reason,
    )


def to_csv(cases: Iterable[WorstCase]) -> str:
    """Worst cases as CSV text; floats to six digits, absent values empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for case in cases:
        values = ("" if value is None else value for value in astuple(case))
        writer.writerow([f"{v:.6g}" if isinstance(v, float) else as_cell(v) for v in values])
    return text.getvalue()


def _accuracies(
    study: Study, rows: Sequence[Row], attacks: Mapping[VariantName, str]
) -> dict[VariantName, float]:
    """Accuracy of each attacked variant on the task of its own attack."""
    tests = study.accuracy_tasks
    return {
        variant: row.value
        for row in rows
        for variant in [VariantName.of(row)]
        if row.metric == "accuracy" and row.n and tests.get(attacks.get(variant, "")) == row.task
    }
