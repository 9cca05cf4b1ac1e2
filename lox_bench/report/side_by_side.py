"""A publication's numbers beside those of a run: rates, and what the method is worth."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any, Final

from lox_bench.compare.compare import Difference, Kind, compare_runs
from lox_bench.compare.published import Published
from lox_bench.results.metrics import HARM, title_of
from lox_bench.results.run import Run
from lox_bench.results.text_table import TextTable, share, signed
from lox_bench.results.validity import CONTROL, YES

_ALPHA: Final = 0.05
_HEAD: Final = ("attack", "published", "here, by", "rates", "Δ (95 %)", "n", "agrees")
_NOTE: Final = (
    "Published: the authors' model, prompts, judge and attack data, no interval. Rates: undefended "
    "→ defended. Ours: Δ is of the same prompts, paired; seeds pooled (n: prompts x seeds). What "
    "agrees is a direction, not a digit; not valid: our attack may not be used to compare, see "
    "leaderboard.md for why."
)


@dataclass(frozen=True, slots=True)
class Side:
    """A published difference to the undefended model, and ours after an attack of that name.

    ``published_name`` is the publication's model with its settings, ``settings`` those of ours,
    ``attack_data`` what ours was attacked with, ``split`` the prompts that ours were asked
    (``eval``, or ``dev``, where settings are chosen): the names alone would hide that they differ.
    ``published_*`` rates are shares; ours are NaN where nothing was run. ``agrees``: ``yes`` where
    ours is shown (Holm) in the published direction, ``opposite`` where it is shown in the other
    one, ``not shown`` where it is neither; ``not valid`` where our attack may not be used to
    compare, whatever it shows (``valid``, as in the leaderboard); ``not run``.
    """

    attack: str
    model: str
    published_name: str
    settings: str
    attack_data: str
    split: str
    published_aligned: float
    published_model: float
    family: str
    task: str
    judge: str
    metric: str
    aligned: float
    defended: float
    delta: float
    ci_low: float
    ci_high: float
    p_holm: float
    n: int
    seeds: int
    valid: str
    agrees: str


def sides(run: Run, items: Sequence[Published]) -> list[Side]:
    """A line for each published attack and defended model, and each judge and prompt set of ours.

    Raises:
        IncomparableError: the run cannot be compared with itself.
    """
    differences = compare_runs([run], metrics=HARM)
    family = run.rows[0].family if run.rows else ""
    controls = {item.attack: item for item in items if item.counterpart == CONTROL}
    lines: list[Side] = []
    for item in items:
        if item.counterpart == CONTROL or item.attack not in controls:
            continue
        ours: list[Difference | None] = [*_ours(differences, item)]
        lines += [_side(controls[item.attack], item, family, one, run) for one in ours or [None]]
    return lines


def side_tables(lines: Sequence[Side], title: str) -> list[TextTable]:
    """A table a defended model: published before and after, ours before and after, what agrees."""
    tables = []
    for name in dict.fromkeys(line.published_name for line in lines):
        held = [line for line in lines if line.published_name == name]
        rows = tuple(_cells(line) for line in held)
        tables.append(TextTable(f"{title}: {name}", _HEAD, rows, _note(held)))
    return tables


def _note(held: Sequence[Side]) -> str:
    ours = dict.fromkeys(f"{line.model}({line.settings})" for line in held if line.settings)
    data = dict.fromkeys(f"{line.attack} {line.attack_data}" for line in held if line.attack_data)
    split = ", ".join(dict.fromkeys(line.split for line in held))
    said = f"Here: {', '.join(ours) or 'nothing'}, asked the prompts of {split}; "
    return f"{said}attack data: {', '.join(data) or 'none'}. {_NOTE}"


def _ours(differences: Sequence[Difference], item: Published) -> Iterator[Difference]:
    for found in differences:
        right = found.kind is Kind.MODEL and found.attack == item.attack
        if right and found.model_a == CONTROL and found.model_b in {item.model, item.counterpart}:
            yield found


def _side(
    control: Published, item: Published, family: str, ours: Difference | None, run: Run
) -> Side:
    settings, data = ("", "") if ours is None else _made(run, ours)
    named = (item.attack, item.counterpart, item.model, settings, data, run.record.split)
    if ours is None or not ours.n:
        none = ("", "", "") if ours is None else (ours.task, ours.judge, ours.metric)
        return Side(*named, control.value, item.value, family, *none,
                    nan, nan, nan, nan, nan, nan, 0, 0, "", "not run")  # fmt: skip
    return Side(
        *named,
        published_aligned=control.value,
        published_model=item.value,
        family=family,
        task=ours.task,
        judge=ours.judge,
        metric=ours.metric,
        aligned=ours.rate_a,
        defended=ours.rate_b,
        delta=ours.delta,
        ci_low=ours.ci_low,
        ci_high=ours.ci_high,
        p_holm=ours.p_holm,
        n=ours.n,
        seeds=ours.seeds,
        valid=ours.valid,
        agrees=_agrees(item.value - control.value, ours),
    )


def _made(run: Run, ours: Difference) -> tuple[str, str]:
    """Settings of the defended model's methods, and the label of the rows it was attacked with."""
    for variant in run.record.variants:
        if (variant.model, variant.attack) == (ours.model_b, ours.attack):
            return "; ".join(dict.fromkeys(_settings(variant.made))), variant.attack_data
    return "", ""


def _settings(made: object) -> Iterator[str]:
    """``k=6, alpha=0.65`` of every method that a record of weights names, the last one first."""
    if not isinstance(made, Mapping):
        return
    held: Mapping[str, Any] = made
    method = held.get("method")
    if isinstance(method, Mapping):
        yield ", ".join(f"{name}={value}" for name, value in method.items() if name != "is")
    for below in held.values():
        yield from _settings(below)


def _agrees(published: float, ours: Difference) -> str:
    if ours.valid not in {"", YES}:
        return "not valid"
    if ours.p_holm >= _ALPHA or ours.ci_low <= 0 <= ours.ci_high:
        return "not shown"
    return "yes" if (ours.delta < 0) == (published < 0) else "opposite"


def _cells(line: Side) -> tuple[str, ...]:
    left = (line.attack, f"{share(line.published_aligned)} → {share(line.published_model)}")
    if not line.n:
        return (*left, "-", "-", "-", "-", line.agrees)
    return (
        *left,
        f"{title_of(line.metric)} by {line.judge}, {line.task}",
        f"{share(line.aligned)} → {share(line.defended)}",
        f"{signed(line.delta)} ({signed(line.ci_low)} to {signed(line.ci_high)})",
        f"{line.n}x{line.seeds}",
        line.agrees,
    )
