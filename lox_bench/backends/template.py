"""The one place that renders a prompt and turns it into token ids.

Generation, alignment, attacks and utility tasks all go through ``Renderer``, so that a model is
trained and judged on the very same bytes. A template is a Jinja chat template: one of ours by
name (``tasks/templates/*.jinja``), or ``tokenizer`` for the model's own, which is a stranger's
program: it runs in transformers' sandbox, and only after a probe with bounded time and memory.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from lox_bench.backends.probe import probe, unrenderable
from lox_bench.errors import DataError, UnknownNameError
from lox_bench.registry import packaged_file

TOKENIZER_TEMPLATE: Final = "tokenizer"
DEFAULT_TEMPLATE: Final = "default"  # of several that a tokenizer names
TODAY: Final = "2025-01-01"
_ROLES: Final = ("user", "assistant")
_SHOWN: Final = 60  # characters of a request that a message shows
_LISTED: Final = "{'type': 'text'"  # what a list of parts looks like where text was wanted
Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Template:
    """A Jinja chat template: its name and text (``None``: the tokenizer's own).

    ``today`` (ISO) is the date for templates that ask for one: a prompt that changed overnight
    would change answers.
    """

    name: str
    text: str | None
    today: str = TODAY


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
        self._tokenizer, self._name = tokenizer, template.name
        self._text = template.text if template.text is not None else _own_text(tokenizer)
        self._today = date.fromisoformat(template.today)
        if template.text is None:
            probe(self._text, {key: str(text) for key, text in _special(tokenizer).items()})
        self._bos = tokenizer.bos_token_id if _adds_bos(tokenizer) else None

    @property
    def template_hash(self) -> str:
        """SHA-256 of the Jinja text in force."""
        return hashlib.sha256(self._text.encode()).hexdigest()

    @property
    def pinned_date(self) -> str:
        """The day (ISO) that the template is told it is; empty if it does not ask."""
        return self._today.isoformat() if "strftime_now" in self._text else ""

    def render(self, *turns: str) -> str:
        """Return the prompt text for a dialogue, ready for the assistant's turn.

        Args:
            turns: user and assistant in alternation, the user's first and last. They go in as
                text, or, where the template drops that, as a list of content parts.

        Raises:
            DataError: the template fails, or leaves a turn out in either form.
        """
        texts = [{"role": _ROLES[i % 2], "content": turn} for i, turn in enumerate(turns)]
        rendered = self._rendered(texts)
        if _holds(rendered, turns):
            return rendered
        parts = [{**each, "content": [{"type": "text", "text": each["content"]}]} for each in texts]
        in_parts = self._rendered(parts)
        best = in_parts if _holds(in_parts, turns[:1]) else rendered
        lost = next((turn for turn in turns if not _holds(best, [turn])), None)
        if lost is not None:
            raise DataError(
                f"the chat template {self._name!r} leaves the text out that it is to render: "
                f"{lost[:_SHOWN]!r} does not stand in the prompt; name another in the family "
                "(template = 'chatml')"
            )
        return best

    def _rendered(self, messages: Sequence[Message]) -> str:
        from lox_bench.backends.clock import clock_at

        try:
            with clock_at(self._today):
                rendered = self._tokenizer.apply_chat_template(
                    list(messages),
                    chat_template=self._text,
                    tokenize=False,
                    add_generation_prompt=True,
                    enable_thinking=False,  # what templates of reasoning models ask for
                )
        except Exception as error:  # a stranger's program may raise anything
            raise unrenderable(
                f"the chat template {self._name!r}", f"{type(error).__name__}: {error}"
            ) from error
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


def _own_text(tokenizer: Any) -> str:
    """The tokenizer's template; of several the one named ``default``."""
    own = tokenizer.chat_template
    where = f"the tokenizer of {tokenizer.name_or_path!r}"
    if isinstance(own, Mapping):
        if DEFAULT_TEMPLATE not in own:
            raise DataError(
                f"{where} has the chat templates {', '.join(sorted(own))}, and none of them is "
                "called 'default'; name one of ours in the family (template = 'chatml')"
            )
        own = own[DEFAULT_TEMPLATE]
    if not isinstance(own, str):
        raise DataError(
            f"{where} has no chat template of its own; name one in the family (template = "
            "'chatml' or 'alpaca')"
        )
    return own


def _special(tokenizer: Any) -> Mapping[str, Any]:
    special: Mapping[str, Any] = tokenizer.special_tokens_map
    return special


def _holds(rendered: str, turns: Sequence[str]) -> bool:
    """Whether each text stands in the prompt, blanks at its ends aside, and not as a repr."""
    return _LISTED not in rendered and all(turn.strip() in rendered for turn in turns)


def _adds_bos(tokenizer: Any) -> bool:
    ids = tokenizer.encode("a")
    return tokenizer.bos_token_id is not None and ids[:1] == [tokenizer.bos_token_id]
