"""A served model as a stage: an address and a name in place of weights."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

from lox_bench.codec import from_plain, read_json, write_record
from lox_bench.engine.context import Context, Inputs
from lox_bench.engine.stage import Facts, Stage
from lox_bench.errors import UsageError
from lox_bench.serving.endpoint import Endpoint, ServingSpec

PREFIX: Final = "openai:"
_FORM: Final = re.compile(r"openai:(?P<base_url>https?://[^\s@?#]+)#(?P<model>\S+)")
MODEL: Final = "model"  # the role of an asker: a model under test
_BACKEND, _RECORD = "openai", "served.json"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a model is asked, what its server calls it, and what the user does."""

    label: str
    base_url: str
    model: str


@dataclass(frozen=True, eq=False)
class Served(Stage):
    """A model behind an OpenAI-compatible endpoint, known by its address and name alone.

    What the server computes there, and whether it is the same tomorrow, nobody here can see.
    """

    kind: ClassVar[str] = "served"

    base_url: str
    model: str
    label: str = field(compare=False)  # what the user calls it

    @classmethod
    def of(cls, label: str, uri: str) -> "Served":
        """The model at ``openai:http://host/v1#name``.

        Raises:
            UsageError: the text is of another form.
        """
        found = _FORM.fullmatch(uri)
        if found is None:
            raise UsageError(
                f"model {label!r}: openai:http://HOST/v1#MODEL was wanted (the name that the "
                f"server gives the model; no password or query), not {uri[:200]!r}"
            )
        return cls(found["base_url"].rstrip("/"), found["model"], label)

    @property
    def title(self) -> str:
        """Says who is asked."""
        return f"{self.model} at {self.base_url}"

    def build(self, inputs: Inputs, out: Path, context: Context) -> Facts:
        """Note the address; the server is asked when there is something to ask."""
        del inputs, context
        write_record(out / _RECORD, Address(self.label, self.base_url, self.model))
        return {"base_url": self.base_url, "model": self.model}


def asked_at(place: Served | Address, serving: ServingSpec) -> Endpoint:
    """The endpoint of a served model, asked in a manner."""
    return Endpoint(MODEL, place.label, place.model, place.base_url, _BACKEND, serving=serving)


def read_address(folder: Path) -> Address:
    """The address in a finished stage's folder.

    Raises:
        UsageError: there are weights in it, or anything else.
    """
    if not (folder / _RECORD).is_file():
        raise UsageError(
            "the back end openai asks a served model, NAME=openai:http://HOST/v1#MODEL; this model "
            "has weights of its own: --backend hf or vllm computes it"
        )
    return from_plain(Address, read_json(folder / _RECORD), where=str(folder / _RECORD))
