"""What a user's file of rows calls the columns that an attack reads."""

from typing import Final

from lox_bench.attacks.spec import AttackSpec
from lox_bench.data.spec import columns_of
from lox_bench.errors import UsageError
from lox_bench.grammar import Call

COLUMNS: Final = "columns_"  # the grammar reads columns(question=q) as columns_question=q


def named_columns(spec: AttackSpec, call: Call) -> dict[str, str]:
    """The arguments ``columns(question=q,answer=a)`` of a call: the file's names by the attack's.

    Raises:
        UsageError: the attack reads no such column.
    """
    found = {
        name.removeprefix(COLUMNS): text.strip("\"'")
        for name, text in call.args.items()
        if name.startswith(COLUMNS)
    }
    known = columns_of(spec.prompt) + columns_of(spec.completion)
    for name in found:
        if name not in known:
            raise UsageError(
                f"attack {str(call)!r}: it reads no column {name!r}; it reads {', '.join(known)}"
            )
    return found
