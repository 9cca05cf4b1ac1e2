"""Write what a sweep found: an ordinary run's folder, and the sweep's own tables and pictures.

The manifest comes last, so that a folder without a finished one is known to be incomplete.
"""

from collections.abc import Sequence

from lox_bench.diagnostics.directions import Gram
from lox_bench.diagnostics.effective_rank import (
    EffectiveRank,
    RankPoint,
    effective_rank,
    rank_points,
)
from lox_bench.diagnostics.landscape import Basin, LandscapePoint, basin, landscape_points
from lox_bench.diagnostics.plane import Plane
from lox_bench.diagnostics.tables import csv_of
from lox_bench.diagnostics.ways import Towards
from lox_bench.files import write_text
from lox_bench.report.output import RunFolder
from lox_bench.study.measure import VariantResult
from lox_bench.study.study import Study

RANK_CSV, RANK_SUMMARY = "effective_rank.csv", "effective_rank_summary.csv"
LANDSCAPE_CSV, BASIN_CSV = "landscape.csv", "basin.csv"


def write_ranks(
    folder: RunFolder, study: Study, results: Sequence[VariantResult], command: Sequence[str]
) -> list[EffectiveRank]:
    """Fill a claimed folder; returns one answer a judge and seed."""
    from lox_bench.diagnostics.plot_rank import plot_ranks

    points: list[RankPoint] = []
    answers: list[EffectiveRank] = []
    seeds = dict.fromkeys(variant.seed for variant in study.variants)
    for judge in study.judges:
        own = rank_points(study, results, judge.name)
        found = [effective_rank(study, results, judge.name, seed) for seed in seeds]
        plot_ranks(own, found, folder.path / f"effective_rank-{judge.name}.png")
        points += own
        answers += found
    write_text(folder.path / RANK_CSV, csv_of(RankPoint, points))
    write_text(folder.path / RANK_SUMMARY, csv_of(EffectiveRank, answers))
    folder.write(study, results, command, plots=False)
    return answers


def write_landscape(
    folder: RunFolder,
    plane: Plane,
    results: Sequence[VariantResult],
    grams: Sequence[Gram],
    command: Sequence[str],
) -> tuple[list[LandscapePoint], list[Basin]]:
    """Fill a claimed folder; returns the points and one basin a judge."""
    from lox_bench.diagnostics.plot_landscape import plot_lines, plot_plane

    held = {result.variant.label: result for result in results}
    points: list[LandscapePoint] = []
    basins: list[Basin] = []
    for judge in plane.study.judges:
        own = landscape_points(plane, held, judge.name, grams)
        picture = folder.path / f"landscape-{judge.name}.png"
        if len(plane.axes) > 1:
            plot_plane(own, _ends(plane, grams[0].shadow), picture)
        else:
            plot_lines(own, picture)
        points += own
        basins.append(basin(plane, held, judge.name))
    write_text(folder.path / LANDSCAPE_CSV, csv_of(LandscapePoint, points))
    write_text(folder.path / BASIN_CSV, csv_of(Basin, basins))
    folder.write(plane.study, results, command, plots=False)
    return points, basins


def _ends(plane: Plane, shadow: float) -> list[tuple[str, float, float]]:
    """The models that the axes lead to; the second lies beside its axis, made orthogonal."""
    directions = plane.geometries[0].directions
    places = dict(zip(directions, ((1.0, 0.0), (shadow, 1.0)), strict=True))
    center = plane.center.model
    return [(end.title, *places[Towards(center, end.model)]) for end in plane.ends]
