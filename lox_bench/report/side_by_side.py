"""A publication's numbers beside those of a run: rates, and what the method is worth."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import nan
from typing import Final

from lox_bench.compare.compare import Difference, Kind, compare_runs
from lox_bench.compare.published import Published
from lox_bench.results.metrics import HARM, title_of
from lox_bench.results.run import Run
from lox_bench.results.text_table import TextTable, share, signed
from lox_bench.results.validity import CONTROL

_ALPHA: Final = 0.05
_NOTE: Final = (
    "Published: the authors' model, prompts, judge and attack data, no interval. Ours: Δ is of "
    "the same prompts, paired, 95 %; seeds pooled. What agrees is a direction, not a digit."
)


@dataclass(frozen=True, slots=True)
class Side:
    """A published difference to the undefended model, and ours after the same attack.

    ``published_*`` are shares; ours are NaN where nothing was run. ``agrees``: ``yes`` where ours
    is shown (Holm) in the published direction, ``opposite`` where it is shown in the other one,
    ``not shown`` where it is neither, ``not run``. ``valid`` as in the leaderboard.
    """

    attack: str
    model: str
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
        lines += [_side(controls[item.attack], item, family, one) for one in ours or [None]]
    return lines


def side_table(lines: Sequence[Side], title: str) -> TextTable:
    """The lines as a table: published before and after, ours before and after, and what agrees."""
    head = ("attack", "model", "published", "Δ", "here, by", "rates", "Δ", "95 %", "n", "agrees")
    return TextTable(title, head, tuple(_cells(line) for line in lines), _NOTE)


def _ours(differences: Sequence[Difference], item: Published) -> Iterator[Difference]:
    for found in differences:
        right = found.kind is Kind.MODEL and found.attack == item.attack
        if right and found.model_a == CONTROL and found.model_b in {item.model, item.counterpart}:
            yield found


def _side(control: Published, item: Published, family: str, ours: Difference | None) -> Side:
    if ours is None or not ours.n:
        none = ("", "", "") if ours is None else (ours.task, ours.judge, ours.metric)
        return Side(item.attack, item.counterpart, control.value, item.value, family, *none,
                    nan, nan, nan, nan, nan, nan, 0, 0, "", "not run")  # fmt: skip
    return Side(
        attack=item.attack,
        model=item.counterpart,
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


def _agrees(published: float, ours: Difference) -> str:
    if ours.p_holm >= _ALPHA or ours.ci_low <= 0 <= ours.ci_high:
        return "not shown"
    return "yes" if (ours.delta < 0) == (published < 0) else "opposite"


def _cells(line: Side) -> tuple[str, ...]:
    published = f"{share(line.published_aligned)} → {share(line.published_model)}"
    change = signed(line.published_model - line.published_aligned)
    if not line.n:
        return (line.attack, line.model, published, change, "-", "-", "-", "-", "-", line.agrees)
    doubt = "" if line.valid in {"", "yes"} else f" (attack {line.valid})"
    return (
        line.attack,
        line.model,
        published,
        change,
        f"{title_of(line.metric)} by {line.judge}, {line.task}",
        f"{share(line.aligned)} → {share(line.defended)}",
        signed(line.delta),
        f"{signed(line.ci_low)} to {signed(line.ci_high)}",
        f"{line.n}x{line.seeds}",
        line.agrees + doubt,
    )
