"""The rows that an attack trains on, found for a study."""

from collections.abc import Mapping

from lox_bench.attacks.spec import AttackSpec
from lox_bench.attacks.stage import AttackRows
from lox_bench.data.rows import published_rows, resolve_rows
from lox_bench.data.spec import columns_of
from lox_bench.errors import UsageError
from lox_bench.study.request import Request
from lox_bench.study.variant import Family


def attack_rows(
    spec: AttackSpec, request: Request, family: Family, named: Mapping[str, str]
) -> AttackRows:
    """The user's rows, else the hub's, else the stand-in: a file, or the base's own answers.

    ``named`` is what the user's file calls the columns.

    Raises:
        DataError: the file is unusable, or only a stand-in is left and is forbidden.
        UsageError: columns are named, and there is no file.
    """
    columns = columns_of(spec.prompt) + columns_of(spec.completion)
    file, data = request.data.get(spec.name), spec.data
    if named and file is None and not data.file:
        raise UsageError(
            f"attack {spec.name!r}: columns(...) names those of a file of yours; give it: file=FILE"
        )
    if data.own_answers and not request.strict_data:
        found = published_rows(data, file, columns, named)
        return found or family.own_rows(data)
    remedy = f"give a local copy with --data {spec.name}=FILE"
    return resolve_rows(
        data, file, columns=columns, strict=request.strict_data, named=named, remedy=remedy
    )
