"""Which parameters a judge's model takes: learned from its refusals, once for all requests."""

import re
from collections.abc import Mapping
from typing import Any, Final

_LIMIT, _NEW_LIMIT = "max_tokens", "max_completion_tokens"
_OPTIONAL: Final = ("temperature", "seed")
_UNFIT: Final = re.compile(
    r"unsupported|not support|unrecogni[sz]ed|unknown|unexpected|not permitted|not allowed|extra"
    r"|does not accept|instead",
    re.IGNORECASE,
)


class Dialect:
    """What is left out or renamed for one model; at first nothing."""

    def __init__(self) -> None:
        """Begin with the standard parameters."""
        self.left_out: set[str] = set()
        self.renamed: dict[str, str] = {}

    def body(self, standard: Mapping[str, Any]) -> dict[str, Any]:
        """The request in this model's own terms."""
        return {
            self.renamed.get(name, name): value
            for name, value in standard.items()
            if name not in self.left_out
        }

    def learn(self, message: str) -> bool:
        """Whether a refused request taught something, so that asking again may help.

        Args:
            message: the server's words on a request with status 400 or 422.
        """
        if not _UNFIT.search(message):
            return False
        if _NEW_LIMIT in message and _LIMIT not in self.renamed:
            self.renamed[_LIMIT] = _NEW_LIMIT
            return True
        for name in _OPTIONAL:
            if re.search(rf"\b{name}\b", message) and name not in self.left_out:
                self.left_out.add(name)
                return True
        return False
