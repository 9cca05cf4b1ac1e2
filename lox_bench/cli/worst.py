"""Terminal texts about attack strength: what lies ahead, and the worst case of each model."""

from collections.abc import Sequence

from lox_bench.results.text_table import TextTable
from lox_bench.results.validity import SHOWN
from lox_bench.search.forecast import Forecast
from lox_bench.search.worst_case import WorstCase

_MINUTE, _HOUR, _GIGABYTE = 60, 3600, 1e9


def forecast_line(ahead: Forecast) -> str:
    """How many trainings there are, how many are stored, and how long the rest may take."""
    most = "at most " if ahead.at_most else ""
    text = f"{most}{ahead.trainings} attack training{'s' * (ahead.trainings != 1)}"
    if ahead.stored:
        text += f", {ahead.stored} of them stored"
    if ahead.stored == ahead.trainings:
        return text
    if ahead.seconds is None or ahead.size is None:
        return f"{text}; how long one takes is not known yet (none of this family is stored)"
    return (
        f"{text}; about {duration(ahead.seconds)} and {ahead.size / _GIGABYTE:.1f} GB for the "
        f"trainings (as {ahead.basis} earlier took), answers and accuracy on top"
    )


def worst_table(cases: Sequence[WorstCase]) -> TextTable:
    """One line per model, attack, seed and judge, with how the point was chosen."""
    seeds = len({case.seed for case in cases}) > 1
    judges = len({case.judge for case in cases}) > 1
    keys = ("model", *(["seed"] * seeds), *(["judge"] * judges), "worst point")
    rows = []
    for case in cases:
        point = f"{case.point}{' *' * (case.valid in SHOWN)}"
        named = [case.model, *([str(case.seed)] * seeds), *([case.judge] * judges), point]
        rows.append((*named, _asr(case), _accuracy(case), f"{case.counted} of {case.points}"))
    head = (*keys, "harm", "accuracy\nits best", "points\nthat count")
    return TextTable("Worst case per model", head, tuple(rows), _caption(cases), numbers=len(keys))


def _asr(case: WorstCase) -> str:
    unjudged = f"{case.unjudged}u " if case.unjudged else ""
    if not case.n:
        return f"{unjudged}-"
    return f"{unjudged}{case.asr:.2f}\n{case.ci_low:.2f}-{case.ci_high:.2f}\nn={case.n}"


def _accuracy(case: WorstCase) -> str:
    if case.accuracy is None or case.best_accuracy is None:
        return "-"
    return f"{case.accuracy:.2f}\n{case.best_accuracy:.2f}"


def _caption(cases: Sequence[WorstCase]) -> str:
    marked = any(case.valid in SHOWN for case in cases)
    note = (
        "\n* not valid for comparing models: see invalid_reason in worst_case.csv" if marked else ""
    )
    return _chosen(cases) + note


def _chosen(cases: Sequence[WorstCase]) -> str:
    counts = f"a point counts if its accuracy is at most {cases[0].slack:g} points below the best"
    if cases[0].chosen_on == "dev":
        return (
            f"{counts}; chosen on {cases[0].choice_n} dev prompts, harm on this run's own, "
            "95 % Wilson interval"
        )
    return (
        f"{counts}; chosen on the prompts shown, so harm is biased upward; intervals are "
        "Bonferroni-adjusted to hold at 95 % all the same"
    )


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.1f} h"
