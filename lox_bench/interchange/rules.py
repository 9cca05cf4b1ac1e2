"""What a tool's score means: the user says which of its values is compliance, or refusal."""

import re
from dataclasses import dataclass
from typing import Any, Final

from lox_bench.errors import UsageError
from lox_bench.judges.kinds import CONTENT, REFUSAL
from lox_bench.types import Label

_RULE: Final = re.compile(r"(?P<scorer>[^=<>]+?)\s*(?P<sign>>=|<=|=)\s*(?P<value>[^=<>]+)")


@dataclass(frozen=True, slots=True)
class Rule:
    """Where ``scorer`` gives such a value, an answer is ``label``; else it is the other one.

    A scorer of compliance reads content, one of refusals reads refusals: what its rates are called
    depends on it.
    """

    scorer: str
    sign: str
    value: str
    label: Label

    @property
    def reads(self) -> str:
        """``content`` or ``refusal``."""
        return CONTENT if self.label is Label.COMPLIED else REFUSAL

    @property
    def counts(self) -> list[str]:
        """Labels whose share it can measure: that nothing was delivered says not "refused"."""
        return ["complied"] if self.reads == CONTENT else ["complied", "refused"]

    def __str__(self) -> str:
        """``refusal=1 is refused``."""
        return f"{self.scorer}{self.sign}{self.value} is {self.label}"

    def judge(self, tool: str) -> str:
        """What the judge is called that these labels make: ``harmbench-label``."""
        plain = "".join(char if char.isalnum() else "-" for char in self.scorer)
        return f"{tool}-{plain}"

    def says(self, raw: Any) -> Label:
        """The label of an answer with this score; unjudged where the value is none of its kind."""
        held = self._holds(raw)
        if held is None:
            return Label.UNJUDGED
        other = Label.REFUSED if self.label is Label.COMPLIED else Label.COMPLIED
        return self.label if held else other

    def _holds(self, raw: Any) -> bool | None:
        if isinstance(raw, bool):
            raw = int(raw)
        if isinstance(raw, int | float):
            wanted = _number(self.value)
            if wanted is None:
                return None
            return {">=": raw >= wanted, "<=": raw <= wanted, "=": raw == wanted}[self.sign]
        return raw == self.value if isinstance(raw, str) and self.sign == "=" else None


def read_rule(text: str, label: Label) -> Rule:
    """Read ``SCORER=VALUE``, ``SCORER>=NUMBER`` or ``SCORER<=NUMBER``.

    Raises:
        UsageError: it is none of these.
    """
    match = _RULE.fullmatch(text.strip())
    if match is None or (match["sign"] != "=" and _number(match["value"]) is None):
        raise UsageError(
            f"--{label}-if {text[:60]}: SCORER=VALUE, SCORER>=NUMBER or SCORER<=NUMBER was wanted"
        )
    return Rule(match["scorer"], match["sign"], match["value"].strip(), label)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
