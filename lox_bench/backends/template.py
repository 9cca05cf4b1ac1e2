"""The one place that renders a prompt and turns it into token ids.

Generation, alignment, attacks and utility tasks all go through ``Renderer``, so that a model is
trained and judged on the very same bytes. A template is a Jinja chat template: one of ours by
name (``tasks/templates/*.jinja``), or ``tokenizer`` for the model's own.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from lox_bench.errors import DataError, UnknownNameError
from lox_bench.registry import packaged_file

TOKENIZER_TEMPLATE: Final = "tokenizer"


@dataclass(frozen=True, slots=True)
class Template:
    """A Jinja chat template: its name and text (``None``: the tokenizer's own)."""

    name: str
    text: str | None


def load_template(name: str) -> Template:
    """Read a chat template by name; ``tokenizer`` stands for the model's own."""
    if name == TOKENIZER_TEMPLATE:
        return Template(name=name, text=None)
    folder = packaged_file("templates")
    file = folder / f"{name}.jinja"
    if not file.is_file():
        known = [entry.name.removesuffix(".jinja") for entry in folder.iterdir()]
        raise UnknownNameError("template", name, [*known, TOKENIZER_TEMPLATE])
    return Template(name=name, text=file.read_text(encoding="utf-8"))


class Renderer:
    """Render user messages for one tokenizer under one template, with at most one BOS."""

    def __init__(self, tokenizer: Any, template: Template) -> None:
        """Bind ``template`` to ``tokenizer`` (a transformers tokenizer)."""
        text = template.text if template.text is not None else tokenizer.chat_template
        if not isinstance(text, str):
            raise DataError(
                f"the tokenizer of {tokenizer.name_or_path!r} has no chat template of its own; "
                "name one in the family (template = 'chatml' or 'alpaca')"
            )
        self._tokenizer = tokenizer
        self._text = text
        self._bos = tokenizer.bos_token_id if _adds_bos(tokenizer) else None

    @property
    def template_hash(self) -> str:
        """SHA-256 of the Jinja text in force."""
        return hashlib.sha256(self._text.encode()).hexdigest()

    def render(self, *turns: str) -> str:
        """Return the prompt text for a dialogue, ready for the assistant's turn.

        Args:
            turns: user and assistant in alternation, the user's first and last.
        """
        roles = ("user", "assistant")
        rendered = self._tokenizer.apply_chat_template(
            [{"role": roles[i % 2], "content": turn} for i, turn in enumerate(turns)],
            chat_template=self._text,
            tokenize=False,
            add_generation_prompt=True,
        )
        return str(rendered)

    def prompt_ids(self, *turns: str) -> list[int]:
        """Token ids of the rendered prompt; one BOS if the tokenizer uses one, never two."""
        ids = list(self._tokenizer.encode(self.render(*turns), add_special_tokens=False))
        if self._bos is None:
            return ids
        start = 0
        while start < len(ids) and ids[start] == self._bos:
            start += 1
        return [self._bos, *ids[start:]]

    def completion_ids(self, text: str, *, closed: bool = True) -> list[int]:
        """Token ids of an assistant answer; ``closed`` ends it with the end-of-sequence token."""
        ids = list(self._tokenizer.encode(text, add_special_tokens=False))
        return [*ids, self._tokenizer.eos_token_id] if closed else ids


def _adds_bos(tokenizer: Any) -> bool:
    ids = tokenizer.encode("a")
    return tokenizer.bos_token_id is not None and ids[:1] == [tokenizer.bos_token_id]
