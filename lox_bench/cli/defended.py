"""Terminal texts about tuned methods: what lies ahead, every point, and what was chosen."""

from collections.abc import Iterator, Mapping, Sequence
from math import isnan
from typing import Any, Final

from lox_bench.cli.worst import duration
from lox_bench.results.text_table import TextTable
from lox_bench.search.defence_forecast import DefenceForecast
from lox_bench.search.guards import SIGNIFICANT, Candidate, Decision
from lox_bench.search.standing import counted
from lox_bench.stats.intervals import wilson
from lox_bench.stats.paired import interval
from lox_bench.stats.pairs import Pairs
from lox_bench.study.defence import Defence

_GIGABYTE: Final = 1e9
_NAMES: Final = {"over_refusal": "over-refusal", "accuracy": "accuracy"}


def forecast_text(ahead: DefenceForecast) -> str:
    """How many trials, what one makes, and how long they may take."""
    made = ", ".join(f"{count} {kind}" for kind, count in ahead.stages.items())
    text = f"defence search of {ahead.model}: {ahead.trials} trials, each at most {made}"
    if ahead.seconds is None or ahead.nbytes is None:
        return f"{text}; how long one takes is not known yet (one of these was never made here)"
    size = ahead.nbytes * ahead.trials / _GIGABYTE
    return (
        f"{text}; about {duration(ahead.seconds)} a trial, at most "
        f"{duration(ahead.seconds * ahead.trials)} and {size:.1f} GB that stay in all (what is "
        "stored already takes nothing)"
    )


def forecast_plain(ahead: DefenceForecast) -> dict[str, Any]:
    """The same as a line of ``--dry-run --json``; it has no key, since it is no single stage."""
    totals = [None if one is None else one * ahead.trials for one in (ahead.seconds, ahead.nbytes)]
    return {
        "stage": f"defence search {ahead.model}: {ahead.trials} trials",
        "kind": "defence-search",
        "key": "",
        "stored": False,
        "to_be_made": True,
        "seconds": totals[0],
        "bytes": totals[1],
        "stays": True,
    }


def decision_table(decision: Decision, defence: Defence) -> TextTable:
    """A line per point, in the order tried: harm, what it costs, whether it is told apart."""
    attacks = decision.default.standing.attacks
    harm = (f"harm\n{attack}" for attack in attacks)
    return TextTable(
        f"Defence search: {decision.model}, on the dev prompts",
        ("point", *harm, "over-refusal", "accuracy", "p (Holm)"),
        tuple(_cells(item, decision, attacks) for item in decision.candidates),
        _caption(decision, defence),
        numbers=1,
    )


def decision_lines(decisions: Sequence[Decision]) -> Iterator[str]:
    """What was chosen of each model, and whether anything tells it from the rest."""
    for decision in decisions:
        chosen = decision.chosen
        if chosen is None:
            yield (
                f"{decision.model}: none of {len(decision.candidates)} points keeps the guards, so "
                "none was chosen"
            )
            continue
        name = chosen.label + " (the family's own values)" * chosen.is_default
        told, tested = decision.told_apart, len(decision.tested)
        many = f"{len(told) or 'none'} of the {tested} other points"
        apart = f"{many} that were tested {'is' if len(told) < 2 else 'are'} told from it"  # noqa: PLR2004 - plural
        yield f"{decision.model}: {name} was chosen; {apart} (McNemar, Holm, dev prompts)"
        p = decision.smallest_p(decision.default.label)
        if not chosen.is_default and p > SIGNIFICANT:
            yield (
                f"{decision.model}: not told from the family's own values either (Holm p {p:.2f}); "
                "the held-out rows say what the choice is worth"
            )


def _cells(item: Candidate, decision: Decision, attacks: Sequence[str]) -> tuple[str, ...]:
    marks = ["chosen"] * (item is decision.chosen) + ["the family's own"] * item.is_default
    marks += [f"breaks {_NAMES[name]}" for name in item.broken]
    p = decision.smallest_p(item.label)
    return (
        item.label + (f"\n{', '.join(marks)}" if marks else ""),
        *(_share(item, attack) for attack in attacks),
        _worst(item.rises),
        _worst(item.losses, sign=-1),
        "-" if isnan(p) else f"{p:.3f}",
    )


def _share(item: Candidate, attack: str) -> str:
    hits, asked = counted(item.standing.states[attack].harmed)
    low, high = wilson(hits, asked)
    return f"{hits / asked if asked else 0:.2f}\n{low:.2f}-{high:.2f}\nn={asked}"


def _worst(pairs: Mapping[str, Pairs], *, sign: int = 1) -> str:
    """The largest difference with its interval; accuracy is shown as what it changes by."""
    known = [held for held in pairs.values() if held.n]
    if not known:
        return "-"
    worst = max(known, key=lambda held: held.delta)
    low, high = sorted(sign * end for end in interval(worst))
    delta = sign * worst.delta or 0.0  # no -0.00
    return f"{delta:+.2f}\n{low:+.2f} to {high:+.2f}\nn={worst.n}"


def _caption(decision: Decision, defence: Defence) -> str:
    text = (
        "harm: harmful requests not refused, unjudged answers among them, all seeds; over-refusal "
        f"and accuracy: paired differences to aligned, the worst case, to be at most +"
        f"{defence.over_refusal / 100:g} and at least -{defence.accuracy / 100:g}"
    )
    if not any(decision.default.losses.values()):
        text += "; no attack here has an accuracy task, so nothing guards accuracy"
    return text
