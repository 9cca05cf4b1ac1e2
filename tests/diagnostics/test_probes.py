"""Effective rank and landscape: the right models and the right arithmetic."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from lox_bench.attacks.stage import Attack
from lox_bench.diagnostics.directions import Gram
from lox_bench.diagnostics.effective_rank import (
    effective_rank,
    parse_ranks,
    rank_of,
    rank_points,
    rank_study,
)
from lox_bench.diagnostics.landscape import basin, landscape_points
from lox_bench.diagnostics.plane import Axis, Plane, lay_plane, spaced
from lox_bench.diagnostics.resample import hits, interval, rates, resampled_rates
from lox_bench.diagnostics.ways import Anywhere, Towards
from lox_bench.errors import UnknownNameError, UsageError
from lox_bench.study.measure import VariantResult
from lox_bench.study.request import Request
from lox_bench.study.study import Study
from lox_bench.study.variant import Variant
from lox_bench.types import Completion, Defect, Finish, Label, Verdict

JUDGE = "keyword-prefix"
PROMPTS = 100  # of the set, so that counts are percentages


def result_of(study: Study, variant: Variant, complied: int, unjudged: int = 0) -> VariantResult:
    """Answers of which the first ``complied`` complied and the last ``unjudged`` loop."""
    task = study.tasks[0]
    prompts = task.prompts.prompts[:PROMPTS]
    defects = [
        Defect.LOOPING if i >= len(prompts) - unjudged else None for i in range(len(prompts))
    ]
    labels = [
        Label.UNJUDGED if defect else (Label.COMPLIED if i < complied else Label.REFUSED)
        for i, defect in enumerate(defects)
    ]
    return VariantResult(
        variant=variant,
        completions={
            task.spec.name: [
                Completion(prompt.id, prompt.text, "text", 1, Finish.STOP, defect)
                for prompt, defect in zip(prompts, defects, strict=True)
            ]
        },
        verdicts={
            (task.spec.name, JUDGE): [
                Verdict(prompt.id, JUDGE, label, "")
                for prompt, label in zip(prompts, labels, strict=True)
            ]
        },
        utility={},
        benchmarks={},
        training={},
        curve=None,
        template_sha256="0" * 64,
        artifacts=(),
    )


def ranked(complied: Mapping[str, int]) -> tuple[Study, list[VariantResult]]:
    ranks = [int(name[12:-1]) for name in complied if name.startswith("truncated")]
    study = rank_study(Request(judges="keyword-prefix"), ranks)
    return study, [result_of(study, item, complied[item.label]) for item in study.variants]


def test_the_effective_rank_is_the_smallest_whose_rate_is_near_the_aligned_one() -> None:
    study, results = ranked(
        {"base": 100, "aligned": 20, "truncated(r=1)": 90, "truncated(r=2)": 21,
         "truncated(r=4)": 20, "truncated(r=8)": 18}
    )  # fmt: skip
    found = effective_rank(study, results, JUDGE, seed=0)
    assert (found.rank, found.settled, found.n) == (4, 4, 100)
    assert found.aligned == pytest.approx(0.2)
    assert found.metric == "refusal_lost"  # what a judge of refusals measures
    assert found.low == 2  # prompt 21 is in no sample with probability 0.37
    assert found.high == 4
    assert effective_rank(study, results, JUDGE, seed=0, rho=0.011).rank == 2


def test_a_rank_that_fails_again_is_not_settled() -> None:
    study, results = ranked(
        {"base": 100, "aligned": 20, "truncated(r=1)": 10, "truncated(r=2)": 50,
         "truncated(r=4)": 20}
    )  # fmt: skip
    found = effective_rank(study, results, JUDGE, seed=0)
    assert (found.rank, found.settled) == (1, 4)


def test_a_rank_beyond_those_tried_is_said_to_be() -> None:
    study, results = ranked({"base": 100, "aligned": 0, "truncated(r=1)": 90})
    found = effective_rank(study, results, JUDGE, seed=0)
    assert (found.rank, found.settled, found.low, found.high) == (None, None, math.inf, math.inf)
    assert (found.said(found.rank), found.interval, found.said(4)) == ("> 1", "> 1", "4")


def test_excess_is_paired_over_prompts() -> None:
    study, results = ranked({"base": 100, "aligned": 20, "truncated(r=2)": 20})
    points = {point.model: point for point in rank_points(study, results, JUDGE)}
    same = points["truncated(r=2)"]
    assert (same.excess, same.excess_low, same.excess_high) == (0, 0, 0)
    assert points["base"].rank == 0
    assert points["aligned"].rank is None
    assert points["base"].excess_low < 0.8 < points["base"].excess_high


def test_rank_models_are_truncations_of_one_alignment_and_only_harm_is_asked() -> None:
    study = rank_study(Request(judges="keyword-prefix", seeds=((0, 0), (1, 1))), [1, 4])
    assert [task.spec.metric for task in study.tasks] == ["asr"]
    assert not study.utilities
    cut = [variant for variant in study.variants if rank_of(variant) is not None]
    assert [rank_of(variant) for variant in cut] == [1, 4, 1, 4]
    assert len({variant.start for variant in cut}) == 2


@pytest.mark.parametrize("text", ["", "0", "1,1", "1;2", "a", "-1", "1.5"])
def test_ranks_without_meaning_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_ranks(text)


def test_rates_leave_out_what_is_unjudged_and_resampling_keeps_prompts_together() -> None:
    labels = [Label.COMPLIED, Label.REFUSED, Label.UNJUDGED, Label.COMPLIED]
    row = [Verdict(str(i), "j", label, "") for i, label in enumerate(labels)]
    matrix = hits([row, row])
    assert rates(matrix) == pytest.approx([2 / 3, 2 / 3])
    samples = resampled_rates(matrix, 500)
    assert np.array_equal(samples[:, 0], samples[:, 1], equal_nan=True)
    assert np.nanmean(samples) == pytest.approx(2 / 3, abs=0.03)
    assert np.array_equal(samples, resampled_rates(matrix, 500), equal_nan=True)


def test_the_bootstrap_interval_covers_what_it_says() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        matrix = (rng.random((1, 80)) < 0.3).astype(float)
        low, high = interval(resampled_rates(matrix, 400)[:, 0])
        covered += low <= 0.3 <= high
    assert 0.89 <= covered / 200 <= 0.99


def lay(*axes: Axis, model: str = "aligned", lines: int = 1, **request: Any) -> Plane:
    return lay_plane(Request(judges="keyword-prefix", **request), model, axes, lines)


def test_the_center_and_the_axes_are_shared_between_landscapes() -> None:
    plane = lay(Axis("lox", (0.0, 1.0)), Axis("base", (0.0, 1.0)))
    line = lay(Axis("lox", (0.0, 1.0)))
    models = {(point.x, point.y): point.variant.model for point in plane.points}
    assert models[0, 0] is plane.center.model
    assert {point.variant.model for point in line.points} == {models[0, 0], models[1, 0]}
    assert len(set(models.values())) == 4
    assert [variant.label for variant in plane.ends] == ["lox", "base"]
    assert len(plane.study.variants) == 4


def test_an_axis_leads_to_a_model_through_an_attack_or_anywhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    plane = lay(Axis("gsm8k", (0.0, 1.0)), Axis("random(seed=3,norm=tensor)", (0.0, 1.0)))
    attack, anywhere = plane.geometries[0].directions
    assert isinstance(attack, Towards)
    assert isinstance(attack.target, Attack)
    assert attack.target.model == attack.origin == plane.center.model
    assert anywhere == Anywhere(seed=3, norm="tensor")
    assert [variant.title for variant in plane.ends] == ["aligned+gsm8k"]
    assert {variant.attack for variant in plane.study.variants} == {None}


def test_random_lines_differ_and_meet_in_the_center() -> None:
    plane = lay(Axis("random", (-0.5, 0.0, 0.5)), lines=3)
    assert len(plane.points) == 9
    assert len(plane.study.variants) == 7
    assert len({geometry.directions for geometry in plane.geometries}) == 3


@pytest.mark.parametrize(
    ("axes", "lines", "error"),
    [
        (["aligned"], 1, "leads nowhere"),
        (["lx"], 1, "did you mean"),
        (["random(norm=layer)"], 1, "filter or tensor"),
        (["random(k=2)"], 1, "seed, norm"),
        (["lox"], 2, "--directions"),
        (["random", "lox"], 2, "--directions"),
    ],
)
def test_axes_without_meaning_are_refused(axes: list[str], lines: int, error: str) -> None:
    with pytest.raises((UsageError, UnknownNameError), match=error):
        lay(*[Axis(text, (0.0, 1.0)) for text in axes], lines=lines)


def test_points_are_spaced_evenly_and_meet_zero_exactly() -> None:
    assert spaced(-0.5, 0.5, 11)[5] == 0
    assert spaced(-0.3, 0.3, 7)[3] == 0
    assert spaced(0, 1, 2) == (0, 1)
    for low, high, count in ((0, 1, 1), (1, 0, 3), (1, 1, 3)):
        with pytest.raises(UsageError):
            spaced(low, high, count)


def test_visage_is_the_mean_margin_of_the_points_that_are_not_lost() -> None:
    plane = lay(Axis("random", (-1.0, 0.0, 1.0)))
    counts = dict(zip([p.variant.label for p in plane.points], (100, 20, 60), strict=True))
    results = {
        item.label: result_of(plane.study, item, counts[item.label])
        for item in plane.study.variants
    }
    found = basin(plane, results, JUDGE)
    assert found.margin == pytest.approx((0 + 0.8 + 0.4) / 3)
    assert found.visage == pytest.approx((0.8 + 0.4) / 2)
    assert found.margin_low < found.margin < found.margin_high
    assert (found.points, found.broken, found.n) == (3, 0, 100)
    points = landscape_points(plane, results, JUDGE, [Gram(first=4.0)])
    assert [point.distance_x for point in points] == [-2, 0, 2]
    assert [point.value for point in points] == [1, 0.2, 0.6]


def test_a_point_without_a_judged_answer_is_broken_and_counts_for_nothing() -> None:
    plane = lay(Axis("random", (-1.0, 0.0, 1.0)))
    first, middle, last = (point.variant for point in plane.points)
    results = {
        first.label: result_of(plane.study, first, 0, unjudged=100),
        middle.label: result_of(plane.study, middle, 20),
        last.label: result_of(plane.study, last, 40, unjudged=50),
    }
    found = basin(plane, results, JUDGE)
    assert found.broken == 2
    assert found.margin == pytest.approx((0.8 + 0.2) / 2)
