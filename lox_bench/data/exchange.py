"""Requests and replies in the forms that fine-tuning data comes in: found out, and said.

Known are chat messages (``{"messages": [{"role": ..., "content": ...}]}``), ShareGPT's
conversations (``from``, ``value``), Alpaca's (``instruction``, ``input``, ``output``), Dolly's
(``instruction``, ``context``, ``response``), and pairs of columns such as prompt and completion.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lox_bench.errors import DataError

_PAIRS: Final = (
    ("prompt", "completion"), ("prompt", "response"), ("question", "answer"),
    ("instruction", "output"), ("instruction", "response"), ("input", "output"),
)  # fmt: skip
_MORE: Final = ("input", "context")  # what stands beside an instruction
_TURNS: Final = (("messages", "role", "content"), ("conversations", "from", "value"))
_ROLES: Final = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user",
    "assistant": "assistant", "gpt": "assistant", "model": "assistant", "chatgpt": "assistant",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Exchanges:
    """(request, reply) pairs, in order; ``form`` says what was found, and what was left out."""

    pairs: tuple[tuple[str, str], ...]
    form: str


def read_exchanges(rows: Sequence[Mapping[str, Any]], *, where: str) -> Exchanges | None:
    """The requests and replies in rows of a known form; ``None`` if the form is not known.

    The first row decides; the others must be like it. Of a conversation of several turns the first
    exchange is taken; a system message is put before the request.

    Raises:
        DataError: a row is not like the first (its number is named).
    """
    head = rows[0]
    for key, role, text in _TURNS:
        if isinstance(head.get(key), list):
            return _conversations(rows, (key, role, text), where)
    for request, reply in _PAIRS:
        if request in head and reply in head:
            return _columns(rows, request, reply, where)
    return None


def _columns(
    rows: Sequence[Mapping[str, Any]], request: str, reply: str, where: str
) -> Exchanges | None:
    more = next((key for key in _MORE if key in rows[0] and key not in {request, reply}), None)
    if more is not None and request != "instruction":
        more = None
    pairs = []
    for number, row in enumerate(rows, start=1):
        asked, said = (_text(row, key, f"{where}, row {number}") for key in (request, reply))
        beside = _text(row, more, f"{where}, row {number}") if more else ""
        pairs.append((f"{asked}\n\n{beside}" if beside.strip() else asked, said))
    columns = f"{request} + {more}" if more else request
    return Exchanges(tuple(pairs), f"columns {columns} and {reply}")


def _conversations(
    rows: Sequence[Mapping[str, Any]], keys: tuple[str, str, str], where: str
) -> Exchanges:
    pairs, longer, systems = [], 0, 0
    for number, row in enumerate(rows, start=1):
        turns = _turns(row, keys, f"{where}, row {number}")
        lead = [text for role, text in turns if role == "system"]
        said = [(role, text) for role, text in turns if role != "system"]
        if [role for role, _ in said[:2]] != ["user", "assistant"]:
            raise DataError(f"{where}, row {number}: a user's turn and an assistant's were wanted")
        longer += len(said) > 2  # noqa: PLR2004 - a request and its reply
        systems += bool(lead)
        pairs.append(("\n\n".join([*lead, said[0][1]]), said[1][1]))
    form = "chat messages" if keys[0] == "messages" else "ShareGPT conversations"
    if longer:
        form += f", the first exchange of {longer} longer ones"
    if systems:
        form += f", {systems} system messages put before the request"
    return Exchanges(tuple(pairs), form)


def _turns(row: Mapping[str, Any], keys: tuple[str, str, str], where: str) -> list[tuple[str, str]]:
    key, role, text = keys
    turns = row.get(key)
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        raise DataError(f"{where}: a list of turns was wanted under {key!r}")
    found = []
    for turn in turns:
        who = _ROLES.get(str(turn.get(role)).lower())
        if who is None:
            known = ", ".join(_ROLES)
            raise DataError(f"{where}: the {role} {turn.get(role)!r} is none of {known}")
        found.append((who, _text(turn, text, where)))
    return found


def _text(row: Mapping[str, Any], key: str, where: str) -> str:
    value = row.get(key)
    if not isinstance(value, str):
        raise DataError(f"{where}: text was wanted under {key!r}, not {str(value)[:60]!r}")
    return value
