"""Lay a run and a reference side by side, or refuse to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lox_bench.compare.matching import require_match
from lox_bench.compare.outcomes import OutcomeKey, Outcomes, is_share, read_outcomes
from lox_bench.errors import IncomparableError, UsageError, did_you_mean
from lox_bench.gate.reference import Reference
from lox_bench.results.row import Row
from lox_bench.results.run import Run
from lox_bench.results.validity import CONTROL, judge_validity
from lox_bench.stats.pairs import Hits
from lox_bench.stats.rates import MIN_COVERAGE

_NAMED = 3  # rows a message names before it counts


@dataclass(frozen=True, slots=True)
class Kept:
    """What a reference keeps of one measured model: rates, and outcomes if it has them."""

    rows: Sequence[Row]
    hits: Hits | None


@dataclass(frozen=True, slots=True)
class Joined:
    """``models``: the run's names to the reference's; what both measured; what to mention."""

    models: Mapping[str, str]
    run: Outcomes
    reference: Mapping[OutcomeKey, Kept]
    notes: tuple[str, ...]


def join(
    run: Run, reference: Reference, models: Mapping[str, str] | None, *, allow_low_coverage: bool
) -> Joined:
    """Find what the two have in common.

    Raises:
        UsageError, IncomparableError: see ``check``.
    """
    chosen = _models(run, reference, models)
    mine = [row for row in run.rows if row.model in chosen]
    theirs = [row for row in reference.rows if row.model in chosen.values()]
    require_match([(f"reference {reference.name}", theirs), (str(run.path), mine)])
    if not allow_low_coverage:
        _require_coverage([(f"reference {reference.name}", theirs), (str(run.path), mine)])
    outcomes = read_outcomes(run)
    kept: dict[OutcomeKey, Kept] = {}
    for name in dict.fromkeys(OutcomeKey.of(row) for row in theirs):
        rows = [row for row in theirs if OutcomeKey.of(row) == name]
        kept[name] = Kept(rows, (reference.outcomes or {}).get(name))
    notes = (*_notes(run, reference, chosen), *_stale(run, outcomes))
    return Joined(chosen, outcomes, kept, notes)


def invalid_attacks(run: Run, reference: Reference) -> dict[tuple[str, str, str, str], str]:
    """(model, attack, task, judge) of the run whose attack proves nothing, with the reason.

    A run without an undefended control borrows the reference's, if the family is the same.
    """
    rows = list(run.rows)
    if not any(row.model == CONTROL for row in rows):
        family = rows[0].family
        rows += [r for r in reference.rows if r.model == CONTROL and r.family == family]
    found = judge_validity(rows, run.record.accuracy_tasks)
    return {
        (name.model, name.attack, task, judge): verdict.reason
        for (name, task, judge), verdict in found.items()
        if not verdict.valid
    }


def _models(run: Run, reference: Reference, models: Mapping[str, str] | None) -> Mapping[str, str]:
    mine = list(dict.fromkeys(row.model for row in run.rows))
    theirs = list(dict.fromkeys(row.model for row in reference.rows))
    if not models:
        common = {model: model for model in mine if model in theirs}
        if common:
            return common
        raise UsageError(
            f"{run.path} ({', '.join(mine)}) and reference {reference.name} "
            f"({', '.join(theirs)}) share no model; say what stands against what, "
            f"for instance --model {mine[0]}={theirs[0]}"
        )
    for name, other in models.items():
        for wanted, known, where in ((name, mine, run.path), (other, theirs, reference.name)):
            if wanted not in known:
                hint = did_you_mean(wanted, known) or f"; it holds {', '.join(known)}"
                raise UsageError(f"{where} holds no model {wanted!r}{hint}")
    return models


def _require_coverage(sides: Sequence[tuple[str, Sequence[Row]]]) -> None:
    """Judges must have judged; degenerate answers, which none can, have a bound of their own."""
    low = []
    for side, rows in sides:
        broken = {
            (row.model, row.attack, row.seed, row.task): row.hits or 0
            for row in rows
            if row.metric == "degenerate" and row.n
        }
        for row in (row for row in rows if row.unjudged):
            answers = row.n + row.unjudged
            answers -= broken.get((row.model, row.attack, row.seed, row.task), 0)
            if row.n < MIN_COVERAGE * answers:
                title = f"{OutcomeKey.of(row).title}, seed {row.seed}"
                low.append(f"{title} in {side} ({row.n} of {answers})")
    if low:
        more = f" and {len(low) - _NAMED} more" if len(low) > _NAMED else ""
        raise IncomparableError(
            f"less than {MIN_COVERAGE:.0%} of the answers that are any were judged: "
            f"{'; '.join(low[:_NAMED])}{more}; judge them, or accept it with --allow-low-coverage"
        )


def _notes(run: Run, reference: Reference, models: Mapping[str, str]) -> list[str]:
    notes = []
    families = [dict.fromkeys(row.family for row in rows) for rows in (run.rows, reference.rows)]
    if families[0].keys() != families[1].keys():
        shown = [", ".join(names) for names in families]
        notes.append(f"families differ: {shown[0]} in the run, {shown[1]} in the reference")
    seeds = [sorted({row.seed for row in rows}) for rows in (run.rows, reference.rows)]
    if seeds[0] != seeds[1]:
        shown = [",".join(map(str, held)) for held in seeds]
        notes.append(f"seeds differ: {shown[0]} in the run, {shown[1]} in the reference")
    if min(map(len, seeds)) == 1:
        notes.append(
            "one seed on a side: how far seeds lie apart is taken from elsewhere, see below"
        )
    if reference.outcomes is None:
        notes.append("the reference keeps no outcomes: two-sample tests, weaker than paired ones")
    for side, rows, checked in (
        ("run", run.rows, models.keys()),
        ("reference", reference.rows, models.values()),
    ):
        left = [model for model in dict.fromkeys(row.model for row in rows) if model not in checked]
        if left:
            notes.append(f"not checked, only in the {side}: {', '.join(left)}")
    return notes


def _stale(run: Run, outcomes: Outcomes) -> list[str]:
    """Verdicts that say something else than the leaderboard: they were edited, or judged anew."""
    stale = []
    for row in filter(is_share, run.rows):
        hits = [hit for hit in outcomes[OutcomeKey.of(row)][row.seed].values() if hit is not None]
        if (len(hits), sum(hits)) != (row.n, row.hits):
            stale.append(f"{OutcomeKey.of(row).title}, seed {row.seed}")
    if not stale:
        return []
    shown = "; ".join(stale[:_NAMED]) + (" and others" if len(stale) > _NAMED else "")
    return [f"the run's leaderboard is not that of its verdicts, which count here: {shown}"]
