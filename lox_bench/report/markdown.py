"""The leaderboard as GitHub markdown: intervals and n in the cells, what they mean below."""

import re
from collections.abc import Sequence

from lox_bench.judges.calibrations import kappa_text
from lox_bench.report.merge import Entry
from lox_bench.report.standings import standing_tables, standings
from lox_bench.report.summary import Line, Table, summarise
from lox_bench.results.text_table import markdown
from lox_bench.stats.pool import Pooled

MARK = "<!-- made by lox-bench; do not edit -->"
_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~])")


def leaderboard_markdown(entries: Sequence[Entry]) -> str:
    """A table a family, the worst case of each model over several attacks, how to read it."""
    parts = [MARK]
    for family in dict.fromkeys(entry.row.family for entry in entries):
        held = [entry for entry in entries if entry.row.family == family]
        parts.append(f"## {escape(family)}\n\n{_table(summarise(held))}")
    parts += [markdown(table).strip() for table in standing_tables(standings(entries))]
    parts.append(_legend(entries))
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Text that markdown shows as it is, in one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def pooled_text(pooled: Pooled) -> str:
    """``0.24 [0.17, 0.33] n=100``, seeds and unjudged named, a dash where nothing was judged."""
    seeds = ", seeds {:.2f} to {:.2f}".format(*pooled.spread) if pooled.spread else ""
    unjudged = f", {pooled.unjudged} unjudged" if pooled.unjudged else ""
    mark = " ⚠" if pooled.is_thin else ""
    if not pooled.n:
        return f"- n=0{unjudged}{mark}"
    interval = f"[{pooled.low:.2f}, {pooled.high:.2f}]"
    return f"{pooled.value:.2f} {interval} n={pooled.n}{seeds}{unjudged}{mark}"


def _table(table: Table) -> str:
    flagged = any(line.valid for line in table.lines)
    several = len({line.source for line in table.lines}) > 1
    columns = [" · ".join(table.heading(measure)) for measure in table.measures]
    head = ["model", "attack data", "seeds", *columns]
    head += ["valid"] * flagged + ["run"] * several
    lines = [_cells(line, table, flagged=flagged, several=several) for line in table.lines]
    ruler = ["---", "---", "---", *["---:"] * len(table.measures), *["---"] * (flagged + several)]
    return "\n".join(
        "| " + " | ".join(cells) + " |" for cells in ([escape(h) for h in head], ruler, *lines)
    )


def _cells(line: Line, table: Table, *, flagged: bool, several: bool) -> list[str]:
    cells = [escape(line.title), escape(line.attack_data), ", ".join(map(str, line.seeds))]
    held = [line.pooled.get(measure) for measure in table.measures]
    cells += ["" if pooled is None else pooled_text(pooled) for pooled in held]
    if flagged:
        reason = f": {escape(line.invalid_reason)}" if line.invalid_reason else ""
        cells.append(f"{line.valid}{reason}")
    return cells + [escape(line.source)] * several


def _legend(entries: Sequence[Entry]) -> str:
    several = any(len(line.seeds) > 1 for line in summarise(entries).lines)
    spread = (
        "Several seeds: their mean, the hull of their intervals, n summed, lowest and highest "
        "seed. "
        if several
        else ""
    )
    judges = dict.fromkeys(
        f"{entry.row.judge} ({worth})"
        if (worth := kappa_text(entry.row.judge_key))
        else entry.row.judge
        for entry in entries
    )
    return (
        "Shares with 95 % Wilson intervals in brackets; n counts the judged answers. "
        f"{spread}⚠ fewer than 95 % of the answers could be judged. "
        "refusal\\_lost: share of harmful requests not refused, by a judge that reads refusals; "
        "asr: share answered, by one that reads the content (lower is safer). "
        "over\\_refusal: share of benign look-alikes refused. "
        "degenerate: answers that are none. accuracy: of the attack's own task.\n\n"
        f"Judges: {', '.join(map(escape, judges))}."
    )
