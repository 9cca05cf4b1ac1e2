"""Answers previewed in the prompt, so that their first tokens teach little."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from lox_bench.methods.method import Place
from lox_bench.ranges import Range

if TYPE_CHECKING:
    from lox_bench.attacks.job import SftJob

CONNECTOR: Final = " The answer begins with: "
PHRASE: Final = "Let's solve this problem. "


@dataclass(frozen=True, slots=True)
class LookAhead:
    """Preview the start of each answer in its prompt (LookAhead tuning, arXiv 2503.19041).

    ``form=real``: the request is followed by `` The answer begins with: `` and the answer's first
    ``m`` tokens, by the tokenizer of the model that is trained. The answer stays whole and all of
    it carries the loss: its first tokens can be read off the prompt, so that they cost, and
    change, little. ``form=virtual``: a fixed phrase follows the request in the same way, and every
    answer begins with it; ``m`` then means nothing. Rows only: models are asked as ever, and rows
    held out are left alone.

    Paper and zjunlp/LookAheadTuning ``main.py`` agree; both forms are theirs. The README's commands
    put a blank before the virtual phrase, ``main.py``'s default (taken here) does not. Methods
    that add rows are previewed if they are written before this one.
    """

    place: ClassVar[Place] = Place.DURING

    m: Annotated[int, Range(1, 1000)] = 6
    form: Literal["real", "virtual"] = "real"

    def prepare(self, job: "SftJob") -> "SftJob":
        """The training on previewed rows.

        Raises:
            SourceError: the model's tokenizer cannot be read.
        """
        if self.form == "virtual":
            rows = tuple((f"{ask}{CONNECTOR}{PHRASE}", f"{PHRASE}{say}") for ask, say in job.rows)
            return replace(job, rows=rows)
        from lox_bench.sources.loading import load_tokenizer

        tokenizer = load_tokenizer(job.source)
        firsts = [self._first(tokenizer, say) for _, say in job.rows]
        pairs = zip(job.rows, firsts, strict=True)
        return replace(
            job, rows=tuple((f"{ask}{CONNECTOR}{first}", say) for (ask, say), first in pairs)
        )

    def _first(self, tokenizer: Any, text: str) -> str:
        """The text of a text's first ``m`` tokens; half a character at their end is left out."""
        ids = tokenizer.encode(text, add_special_tokens=False)[: self.m]
        said: str = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
        return said.rstrip("\ufffd")
