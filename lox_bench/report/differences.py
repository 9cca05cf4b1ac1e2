"""Differences and spreads as tables for people, and as flat records for CSV."""

from collections.abc import Sequence
from dataclasses import dataclass

from lox_bench.compare.compare import Difference, Kind, Spread
from lox_bench.results.run import NO_ATTACK, VariantName
from lox_bench.results.text_table import TextTable, p_value, share, signed
from lox_bench.results.validity import SHOWN

_NOTE = (
    "Δ: rate of the second minus rate of the first, same prompts, 95 % interval over prompts "
    "(seeds fixed: it holds for these checkpoints; by seed shows how far others may lie); "
    "p: exact McNemar clustered by prompt; Holm: over all comparisons of the same "
    "kind, task, judge and metric; MDE: minimum detectable effect, the smallest Δ found with 80 % "
    "power at this size; n: prompts x seeds; dropped: pairs with an unjudged side; invalid: no "
    "basis for a comparison."
)
_SEED_NOTE = (
    "SD seeds: standard deviation of the seeds' rates as seen; of which beyond coin flips: the "
    "seed's own variance component; SE prompts: standard error from drawing these prompts; "
    "p: Cochran's Q, no difference between seeds."
)


def difference_table(differences: Sequence[Difference]) -> TextTable:
    """One line per comparison."""
    head = ("metric", "attack", "comparison", "rates", "Δ (95 %)", "by seed", "p", "Holm",
            "MDE", "n")  # fmt: skip
    rows = tuple(_difference(item) for item in differences)
    return TextTable("Paired differences", head, rows, _NOTE, group=0)


def _difference(item: Difference) -> tuple[str, ...]:
    attack = "before" if item.attack == NO_ATTACK else item.attack
    dropped = f", {item.dropped} dropped" if item.dropped else ""
    invalid = f" ({SHOWN[item.valid]})" if item.valid in SHOWN else ""
    return (
        _measure(item.metric, item.task, item.judge),
        f"{attack if item.kind is Kind.MODEL else 'by ' + attack}{invalid}",
        f"{item.model_a} → {item.model_b}",
        f"{share(item.rate_a)} → {share(item.rate_b)}",
        f"{signed(item.delta)} ({signed(item.ci_low)} to {signed(item.ci_high)})",
        " ".join(map(signed, item.by_seed)) if len(item.by_seed) > 1 else "",
        p_value(item.p),
        p_value(item.p_holm),
        share(item.detectable),
        f"{item.n}x{item.seeds}{dropped}",
    )


def seed_table(spreads: Sequence[Spread]) -> TextTable:
    """One line per model, attack and measure that has several seeds."""
    head = ("metric", "model", "seeds", "rates", "mean", "SD seeds", "of which beyond coin flips",
            "SE prompts", "p", "n")  # fmt: skip
    rows = tuple(_spread(item) for item in spreads if len(item.seeds) > 1)
    return TextTable("Spread over seeds, apart from prompt noise", head, rows, _SEED_NOTE, group=0)


def _spread(item: Spread) -> tuple[str, ...]:
    measure, spread = item.name.measure, item.spread
    return (
        _measure(measure.metric, measure.task, measure.judge),
        VariantName(item.name.model, item.name.attack, 0).title,
        ",".join(map(str, item.seeds)),
        " ".join(share(rate) for rate in spread.rates),
        share(spread.mean),
        _fine(spread.sd_seeds),
        _fine(spread.sd_excess),
        _fine(spread.se_prompts),
        p_value(spread.p_seeds),
        str(spread.n),
    )


@dataclass(frozen=True, slots=True)
class SpreadRecord:
    """A spread with one column a fact, for CSV."""

    task: str
    judge: str
    metric: str
    model: str
    attack: str
    seeds: int
    mean: float
    lowest: float
    highest: float
    sd_seeds: float
    sd_excess: float
    se_prompts: float
    p_seeds: float
    n: int


def spread_records(spreads: Sequence[Spread]) -> list[SpreadRecord]:
    """All spreads, single seeds too."""
    return [
        SpreadRecord(
            task=item.name.measure.task,
            judge=item.name.measure.judge,
            metric=item.name.measure.metric,
            model=item.name.model,
            attack=item.name.attack,
            seeds=len(item.seeds),
            mean=item.spread.mean,
            lowest=item.spread.pooled.lowest,
            highest=item.spread.pooled.highest,
            sd_seeds=item.spread.sd_seeds,
            sd_excess=item.spread.sd_excess,
            se_prompts=item.spread.se_prompts,
            p_seeds=item.spread.p_seeds,
            n=item.spread.n,
        )
        for item in spreads
    ]


def _measure(metric: str, task: str, judge: str) -> str:
    return f"{metric}: {task}, {judge}"


def _fine(value: float) -> str:
    return "-" if value != value else f"{value:.3f}"  # noqa: PLR0124 - NaN is absent
