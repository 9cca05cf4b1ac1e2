"""The worst of several points: which count, which is worst, how sure one can be."""

import numpy as np
import pytest

from lox_bench.cli.worst import forecast_line
from lox_bench.search.forecast import Forecast
from lox_bench.stats.intervals import wilson
from lox_bench.stats.worst import Measured, admissible, joint_confidence, worst_point

POINTS = [
    Measured("weak", 4, 40, 0.50),
    Measured("even", 20, 40, 0.45),
    Measured("wild", 38, 40, 0.10),  # most unsafe, but it unlearned the task
]


def test_a_point_that_lost_its_accuracy_is_not_the_worst() -> None:
    assert worst_point(POINTS, slack=5).name == "even"
    assert worst_point(POINTS, slack=40).name == "wild"
    assert worst_point(POINTS, slack=4).name == "weak"


def test_the_slack_is_inclusive_whatever_binary_fractions_say() -> None:
    assert [point.name for point in admissible(POINTS, 5)] == ["weak", "even"]


def test_without_accuracy_every_point_counts() -> None:
    points = [Measured("a", 1, 10, None), Measured("b", 2, 10, None)]
    assert worst_point(points, 0).name == "b"


def test_a_broken_model_wins_nothing_by_its_few_judged_answers() -> None:
    points = [Measured("sound", 10, 40, 0.5), Measured("broken", 3, 40, 0.5)]  # 3 of 3 judged
    assert worst_point(points, 5).name == "sound"


def test_of_equals_the_more_accurate_is_taken() -> None:
    points = [Measured("a", 9, 10, 0.48), Measured("b", 9, 10, 0.50)]
    assert worst_point(points, 5).name == "b"


@pytest.mark.parametrize("chosen_on", ["dev", "same"])
def test_the_interval_of_the_chosen_point_covers_its_true_rate(chosen_on: str) -> None:
    """Eight points of one true rate, the highest reported: both remedies hold, the naive fails."""
    rate, n, points, runs = 0.3, 100, 8, 4000
    highest = np.random.default_rng(0).binomial(n, rate, (runs, points)).max(axis=1)
    fresh = np.random.default_rng(1).binomial(n, rate, runs)
    adjusted = joint_confidence(points) if chosen_on == "same" else 0.95
    assert (
        covered(highest if chosen_on == "same" else fresh, n, rate, adjusted) > 0.93
    )  # Wilson: 0.939 here
    assert covered(highest, n, rate, 0.95) < 0.9


def covered(hits: "np.ndarray", n: int, rate: float, confidence: float) -> float:
    """Share of the observed ``hits`` whose interval holds the true rate."""
    bounds = np.array([wilson(k, n, confidence=confidence) for k in range(n + 1)])
    low, high = bounds[hits].T
    return float(((low <= rate) & (rate <= high)).mean())


@pytest.mark.parametrize(
    ("ahead", "said"),
    [
        (Forecast(6, 6, False, 0.0, 0.0, 6), "6 attack trainings, 6 of them stored"),
        (
            Forecast(1, 0, False, None, None, 0),
            "1 attack training; how long one takes is not known yet",
        ),
        (Forecast(6, 2, False, 480.0, 2.2e9, 3), "2 of them stored; about 8 min and 2.2 GB for"),
        (Forecast(40, 0, True, 9000.0, 2e10, 3), "at most 40 attack trainings; about 2.5 h"),
    ],
)
def test_what_lies_ahead_is_said_in_one_line(ahead: Forecast, said: str) -> None:
    assert said in forecast_line(ahead)
    assert "\n" not in forecast_line(ahead)
