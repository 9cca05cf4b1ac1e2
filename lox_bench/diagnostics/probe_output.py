"""Write what a sweep found: an ordinary run's folder, and the sweep's own tables and pictures.

The manifest comes last, so that a folder without a finished one is known to be incomplete.
"""

from collections.abc import Sequence

from lox_bench.diagnostics.effective_rank import (
    EffectiveRank,
    RankPoint,
    effective_rank,
    rank_points,
)
from lox_bench.diagnostics.landscape import Basin, LandscapePoint, basin, landscape_points
from lox_bench.diagnostics.plane import Plane
from lox_bench.diagnostics.tables import csv_of
from lox_bench.files import write_text
from lox_bench.report.output import RunFolder
from lox_bench.study.derive import geometry
from lox_bench.study.materialise import Materialiser
from lox_bench.study.measure import VariantResult
from lox_bench.study.study import Study
from lox_bench.study.variants import Perturbed, Towards

RANK_CSV, RANK_SUMMARY = "effective_rank.csv", "effective_rank_summary.csv"
LANDSCAPE_CSV, BASIN_CSV = "landscape.csv", "basin.csv"


def write_ranks(
    folder: RunFolder, plan: Study, results: Sequence[VariantResult], command: Sequence[str]
) -> list[EffectiveRank]:
    """Fill a claimed folder; returns one answer a judge and seed."""
    from lox_bench.diagnostics.plot_rank import plot_ranks

    points: list[RankPoint] = []
    answers: list[EffectiveRank] = []
    seeds = dict.fromkeys(cell.seed for cell in plan.cells)
    for judge in plan.judges:
        own = rank_points(plan, results, judge.name)
        found = [effective_rank(plan, results, judge.name, seed) for seed in seeds]
        plot_ranks(own, found, folder.path / f"effective_rank-{judge.name}.png")
        points += own
        answers += found
    write_text(folder.path / RANK_CSV, csv_of(RankPoint, points))
    write_text(folder.path / RANK_SUMMARY, csv_of(EffectiveRank, answers))
    folder.write(plan, results, command, plots=False)
    return answers


def write_landscape(
    folder: RunFolder,
    plane: Plane,
    results: Sequence[VariantResult],
    maker: Materialiser,
    command: Sequence[str],
) -> tuple[list[LandscapePoint], list[Basin]]:
    """Fill a claimed folder; returns the points and one basin a judge."""
    from lox_bench.diagnostics.plot_landscape import plot_lines, plot_plane

    held = {result.cell.model: result for result in results}
    ones = (1.0,) * len(plane.axes)
    grams = [
        geometry(Perturbed(plane.center.recipe, directions, ones), maker)
        for directions in plane.directions
    ]
    points: list[LandscapePoint] = []
    basins: list[Basin] = []
    for judge in plane.plan.judges:
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
    folder.write(plane.plan, results, command, plots=False)
    return points, basins


def _ends(plane: Plane, shadow: float) -> list[tuple[str, float, float]]:
    """The models that the axes lead to; the second lies beside its axis, made orthogonal."""
    places = dict(zip(plane.directions[0], ((1.0, 0.0), (shadow, 1.0)), strict=True))
    return [(cell.title, *places[Towards(plane.center.recipe, cell.recipe)]) for cell in plane.ends]
