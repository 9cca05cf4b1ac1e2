"""Lay points around a model in weight space: from what the user typed to an ordinary study.

An axis leads somewhere: to another model (``lox``, ``base``, ``mine=./folder``), to where an
attack takes the model (``gsm8k``), or anywhere (``random``). Coordinates count steps: x = 1 on the
axis ``lox`` is the LoX model itself. The second axis is made orthogonal to the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lox_bench.diagnostics.stage import Geometry, Perturb
from lox_bench.diagnostics.sweep import harm_only
from lox_bench.diagnostics.ways import Anywhere, Direction, Towards
from lox_bench.errors import UnknownNameError, UsageError
from lox_bench.grammar import Call, parse_call
from lox_bench.registry import names_of
from lox_bench.results.run import NO_ATTACK
from lox_bench.study.models import known_models
from lox_bench.study.request import Request
from lox_bench.study.study import Study, make_study
from lox_bench.study.variant import Variant

RANDOM = "random"
NORMS = ("filter", "tensor")  # as diagnostics.directions has them; that module loads torch


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis as typed, and where its points lie (in steps, ascending)."""

    text: str
    values: tuple[float, ...]

    @property
    def call(self) -> Call:
        """The text, parsed."""
        return parse_call(self.text)

    @property
    def is_random(self) -> bool:
        """Whether it leads anywhere."""
        return self.call.name == RANDOM and self.call.target is None


@dataclass(frozen=True, slots=True)
class Point:
    """One model of the landscape; ``line`` counts the random directions of a 1-D one."""

    line: int
    x: float
    y: float
    variant: Variant


@dataclass(frozen=True)
class Plane:
    """Points around one model, and the study that measures them.

    ``ends`` are the other models that the axes lead to; they are made, but not measured.
    """

    center: Variant
    ends: tuple[Variant, ...]
    axes: tuple[Axis, ...]
    geometries: tuple[Geometry, ...]  # one a line
    points: tuple[Point, ...]
    study: Study


def spaced(low: float, high: float, count: int) -> tuple[float, ...]:
    """``count`` equal distances apart; exactly 0 where the middle of a symmetric range falls."""
    if count < 2 or not low < high:  # noqa: PLR2004 - a line has two ends
        raise UsageError(
            f"an axis needs at least 2 points between two bounds, not {count} in {low:g},{high:g}"
        )
    step = (high - low) / (count - 1)
    return tuple(round(low + step * index, 9) + 0.0 for index in range(count))


def lay_plane(request: Request, model: str, axes: Sequence[Axis], lines: int = 1) -> Plane:
    """Resolve axes and make the study.

    Args:
        request: family, judges, seed, limit, split, data; its models and attacks are replaced.
        model: the center, a name that ``run --models`` takes.
        axes: one or two.
        lines: random directions of a 1-D landscape.

    Raises:
        UsageError: an axis leads nowhere, or several lines are asked of an axis that has one.
    """
    if lines != 1 and (len(axes) > 1 or not axes[0].is_random):
        raise UsageError("--directions repeats one random axis: use it with --x random, no --y")
    study = make_study(replace(request, models=_models(model, axes), attack=_attacks(axes)))
    center = study.variants[0]
    geometries = tuple(
        Geometry(center.model, tuple(_direction(axis, center, study, line) for axis in axes))
        for line in range(lines)
    )
    points = _points(center, axes, geometries)
    variants = tuple({v.name: v for v in (center, *(point.variant for point in points))}.values())
    ends = tuple(
        variant
        for variant in study.variants[1:]
        if any(Towards(center.model, variant.model) in held.directions for held in geometries)
    )
    measured = harm_only(replace(study, variants=variants))
    return Plane(center, ends, tuple(axes), geometries, tuple(points), measured)


def _models(model: str, axes: Sequence[Axis]) -> str:
    wanted = [model]
    for axis in axes:
        call = axis.call
        if axis.is_random or _is_attack(call):
            continue
        if call.target is None and call.name not in known_models():
            known = [*known_models(), *names_of("attacks"), RANDOM]
            raise UnknownNameError("model", call.name, known)
        if axis.text in wanted:
            raise UsageError(f"the axis {axis.text!r} leads nowhere: it is the model in the center")
        wanted.append(axis.text)
    return ",".join(wanted)


def _attacks(axes: Sequence[Axis]) -> str:
    return ",".join(axis.text for axis in axes if _is_attack(axis.call)) or NO_ATTACK


def _is_attack(call: Call) -> bool:
    return call.target is None and call.name in names_of("attacks")


def _direction(axis: Axis, center: Variant, study: Study, line: int) -> Direction:
    call = axis.call
    if axis.is_random:
        return _random(call, line)
    if _is_attack(call):
        return Towards(origin=center.model, target=_attacked(call, center, study).model)
    name = call.name if call.target is not None else str(call)
    found = next(item for item in study.variants if item.label == name and item.attack is None)
    return Towards(origin=center.model, target=found.model)


def _attacked(call: Call, center: Variant, study: Study) -> Variant:
    """The center after the attack that ``call`` names."""
    of_center = [item for item in study.variants if item.label == center.label and item.attack]
    exact = [item for item in of_center if item.name.attack == str(call)]
    found = exact or [
        item for item in of_center if item.attack and item.attack.point.spec.name == call.name
    ]
    if len(found) != 1:
        raise UsageError(f"the axis {str(call)!r} names {len(found)} attacks; name one")
    return found[0]


def _random(call: Call, line: int) -> Anywhere:
    odd = sorted(set(call.args) - {"seed", "norm"})
    if odd:
        raise UsageError(f"axis {str(call)!r}: unknown argument {odd[0]!r}; it takes seed, norm")
    seed, norm = call.args.get("seed", "0"), call.args.get("norm", NORMS[0])
    if not seed.isdecimal() or norm not in NORMS:
        raise UsageError(f"axis {str(call)!r}: seed is a whole number, norm {' or '.join(NORMS)}")
    return Anywhere(seed=int(seed) + line, norm=norm)


def _points(center: Variant, axes: Sequence[Axis], geometries: Sequence[Geometry]) -> list[Point]:
    heights = axes[1].values if len(axes) > 1 else (0.0,)
    points = []
    for line, geometry in enumerate(geometries):
        for y in heights:
            for x in axes[0].values:
                name = f"x={x:g}" + (f",y={y:g}" if len(axes) > 1 else "")
                name += f",line={line}" if len(geometries) > 1 else ""
                label = f"{center.label}@({name})"
                points.append(Point(line, x, y, _moved(center, geometry, (x, y), label)))
    return points


def _moved(center: Variant, geometry: Geometry, place: tuple[float, float], label: str) -> Variant:
    """The center itself where nothing moves; one direction where the other stays still."""
    x, y = place
    if x == 0 and y == 0:
        return center
    if y == 0:
        geometry, steps = Geometry(geometry.model, geometry.directions[:1]), (x,)
        return replace(center, label=label, start=Perturb(geometry, steps, label), methods=())
    return replace(center, label=label, start=Perturb(geometry, place, label), methods=())
