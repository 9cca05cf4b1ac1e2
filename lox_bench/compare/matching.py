"""Whether two leaderboards measured the same thing: prompts, template, judges, back end, data."""

from collections.abc import Mapping, Sequence

from lox_bench.backends.backend import SERVED
from lox_bench.errors import IncomparableError
from lox_bench.results.row import Row
from lox_bench.results.run import NO_ATTACK

DIFFERING = "In bfloat16 some greedy answers of one model differ between hf and vllm"
_SHOWN = 24  # characters of a hash that a message shows


def fingerprints(rows: Sequence[Row]) -> Mapping[str, str]:
    """What the rows rest on, by the name a message gives it: hashes, and attack data by label."""
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(f"data of {row.task}", set()).add(row.data_sha256)
        if row.dtype == SERVED:  # computed, and put into a template, by somebody else
            found.setdefault(f"back end of {row.model}", set()).add(row.computed)
        else:
            found.setdefault("template", set()).add(row.template_sha256)
            found.setdefault("back end", set()).add(row.computed)
        found.setdefault(f"decoding of {row.metric} on {row.task}", set()).add(row.decoding)
        if row.judge_key:
            found.setdefault(f"judge {row.judge}", set()).add(row.judge_key)
        if row.attack != NO_ATTACK:
            found.setdefault(f"attack data of {row.attack}", set()).add(row.attack_data)
    return {name: "+".join(sorted(values)) for name, values in found.items()}


def mixed_back_ends(rows: Sequence[Row]) -> str:
    """What to know where rows of several back ends stand in one table; empty where they do not."""
    computed = sorted({row.computed for row in rows})
    if len(computed) < 2:  # noqa: PLR2004 - one is none to be mixed with
        return ""
    return (
        f"answers are of several back ends ({', '.join(computed)}): compare within one. "
        f"{DIFFERING} (docs/backends.md); a served model answers under its server's own template"
    )


def require_match(sides: Sequence[tuple[str, Sequence[Row]]]) -> None:
    """Refuse leaderboards (name, rows) that differ in anything they have in common.

    Raises:
        IncomparableError: they do; what differs, where, and the hashes are named.
    """
    prints = [(name, fingerprints(rows)) for name, rows in sides]
    for index, (name, mine) in enumerate(prints):
        for other, theirs in prints[:index]:
            differing = [key for key in mine if key in theirs and mine[key] != theirs[key]]
            if differing:
                shown = "; ".join(
                    f"{key} ({theirs[key][:_SHOWN]} in {other}, {mine[key][:_SHOWN]} in {name})"
                    for key in differing
                )
                raise IncomparableError(
                    f"{name} cannot be compared with {other}: they differ in {shown}; "
                    "run both with the same data, template, back end and judges"
                )
