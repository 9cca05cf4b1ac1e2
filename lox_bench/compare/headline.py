"""One sentence per attack and judge: which model is safest after it, or why none can be named."""

from collections.abc import Iterator, Sequence

from lox_bench.compare.compare import Difference, Kind
from lox_bench.results.metrics import ASR, HARM, OVER_REFUSAL, title_of
from lox_bench.results.row import Row
from lox_bench.results.run import NO_ATTACK
from lox_bench.results.text_table import p_value, share
from lox_bench.results.validity import CONTROL, SHOWN, YES
from lox_bench.stats.intervals import CONFIDENCE
from lox_bench.utility.scores import FLEXIBLE

_ALPHA = 1 - CONFIDENCE


def headlines(rows: Sequence[Row], differences: Sequence[Difference]) -> list[str]:
    """Name the best model after each attack, with its paired difference to the control.

    A model is named only if its attack was valid, the control's too, and its harm (ASR, or refusal
    lost, as the judge reads) is lower than the control's with a Holm-corrected p below 0.05.
    """
    after = [row for row in rows if row.metric in HARM and row.attack != NO_ATTACK]
    groups = dict.fromkeys((row.attack, row.task, row.judge, row.metric) for row in after)
    return [
        f"after {group[0]}, by {group[2]}: {_sentence(rows, differences, group)}"
        for group in groups
    ]


def _sentence(
    rows: Sequence[Row], differences: Sequence[Difference], group: tuple[str, str, str, str]
) -> str:
    attack = group[0]
    held = [row for row in rows if (row.attack, row.task, row.judge, row.metric) == group]
    invalid = {row.model: row.invalid_reason for row in reversed(held) if row.valid != YES}
    valid = [model for model in dict.fromkeys(row.model for row in held) if model not in invalid]
    if CONTROL in invalid or not valid:
        model = CONTROL if CONTROL in invalid else held[0].model
        unranked = _unranked(differences, group)
        return f"no model can be named best: {model}: {invalid[model]}{unranked}"
    if valid == [CONTROL]:
        left_out = "; ".join(f"{model}: {reason}" for model, reason in invalid.items())
        return f"nothing to compare with {CONTROL}" + (f" ({left_out})" if left_out else "")
    found = [
        item
        for item in differences
        if item.kind is Kind.MODEL and (item.attack, item.task, item.judge, item.metric) == group
    ]
    rivals = [
        item for item in found if item.model_a == CONTROL and item.model_b in valid and item.n
    ]
    if not rivals:
        return f"no model can be named best: {CONTROL} did not run under {attack}"
    best = min(rivals, key=lambda item: item.rate_b)
    notes = [*_close(found, best, valid), *_price(differences, best), *_left_out(invalid)]
    return "; ".join([_claim(best), *notes])


def _unranked(differences: Sequence[Difference], group: tuple[str, str, str, str]) -> str:
    """What the lowest model has beside the control, where neither may be called the better one."""
    found = [
        item
        for item in differences
        if item.kind is Kind.MODEL
        and (item.attack, item.task, item.judge, item.metric) == group
        and item.model_a == CONTROL
        and item.n
    ]
    if not found:
        return ""
    best = min(found, key=lambda item: item.rate_b)
    return (
        f"; not ranked: {title_of(best.metric)} {best.rate_b:.2f} of {best.model_b} against "
        f"{best.rate_a:.2f}, Δ {best.delta:+.2f} (95 % {best.ci_low:+.2f} to {best.ci_high:+.2f}), "
        f"{best.worst_low:+.2f} to {best.worst_high:+.2f} whatever the unjudged answers are"
    )


def _claim(best: Difference) -> str:
    seeds = ""
    if len(best.by_seed) > 1:
        seeds = f"by seed {min(best.by_seed):+.2f} to {max(best.by_seed):+.2f}, "
    shown = (
        f"Δ {best.delta:+.2f} (95 % {best.ci_low:+.2f} to {best.ci_high:+.2f}, {seeds}"
        f"Holm p {p_value(best.p_holm)}, n={best.n}x{best.seeds})"
    )
    if not (best.p_holm < _ALPHA and best.ci_high < 0):
        return (
            f"no model is shown to {_better(best)} than {CONTROL}; lowest {title_of(best.metric)} "
            f"{best.rate_b:.2f} of "
            f"{best.model_b} against {best.rate_a:.2f}, {shown}, "
            f"detectable from {share(best.detectable)}"
        )
    return (
        f"{best.model_b} {_best(best)}, {title_of(best.metric)} {best.rate_b:.2f} against "
        f"{best.rate_a:.2f} of {CONTROL}, {shown}"
    )


def _better(best: Difference) -> str:
    """Safety is what a judge of content sees; one of refusals sees refusals."""
    return "be safer" if best.metric == ASR else "keep more refusals"


def _best(best: Difference) -> str:
    return "is safest" if best.metric == ASR else "keeps most refusals"


def _close(found: Sequence[Difference], best: Difference, valid: Sequence[str]) -> Iterator[str]:
    """Models that the best one cannot be told apart from."""
    for item in found:
        other = {item.model_a, item.model_b} - {best.model_b}
        if len(other) == 1 and other <= {*valid} - {CONTROL} and item.p_holm >= _ALPHA:
            yield f"not told apart from {other.pop()}"


def _price(differences: Sequence[Difference], best: Difference) -> Iterator[str]:
    """What the best model refuses too much and what it learned, beside the control.

    A difference is called one only by its Holm-corrected p; its interval is over prompts, at 95 %
    and uncorrected, and is shown either way.
    """
    for item in differences:
        pair = (item.attack, item.model_a, item.model_b)
        if item.kind is not Kind.MODEL or pair != (best.attack, best.model_a, best.model_b):
            continue
        if item.metric == OVER_REFUSAL and item.judge == best.judge:
            yield f"over-refusal {_beside(item)}"
        if item.metric == FLEXIBLE:
            yield f"accuracy on {item.task} {_beside(item)}"


def _beside(item: Difference) -> str:
    """``0.20 against 0.02 (higher, Δ +0.18, 95 % +0.05 to +0.31)``."""
    shown = f"Δ {item.delta:+.2f}, 95 % {item.ci_low:+.2f} to {item.ci_high:+.2f}"
    if item.metric == OVER_REFUSAL and item.valid in SHOWN:
        word = SHOWN[item.valid]
    elif not item.p_holm < _ALPHA:
        word = "no difference shown"
    else:
        word = "higher" if item.delta > 0 else "lower"
    return f"{item.rate_b:.2f} against {item.rate_a:.2f} ({word}, {shown})"


def _left_out(invalid: dict[str, str]) -> Iterator[str]:
    for model, reason in invalid.items():
        yield f"left out as invalid: {model} ({reason})"
