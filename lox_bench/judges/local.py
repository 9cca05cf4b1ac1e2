"""Judges whose model runs in this process, through transformers."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from lox_bench.backends.hf import HFGenerator
from lox_bench.backends.template import TOKENIZER_TEMPLATE, Template
from lox_bench.errors import SourceError
from lox_bench.judges.kinds import PromptedSpec
from lox_bench.serving.endpoint import Chat
from lox_bench.serving.pricing import Account
from lox_bench.serving.replies import Deliver, Reply
from lox_bench.sources.hub import snapshot
from lox_bench.sources.uri import HubSource, PathSource, parse_source
from lox_bench.types import Finish, Progress

_CHUNK = 32  # chats between two writes to the request cache


class LocalModel:
    """A causal language model with its own chat template, greedy (seeds change nothing)."""

    def __init__(self, spec: PromptedSpec, account: Account) -> None:
        """Remember what to load; it is loaded for the first answer that is not remembered."""
        self._model = spec.model
        self._account = account

    @cached_property
    def _generator(self) -> HFGenerator:
        return HFGenerator(model_folder(self._model), Template(TOKENIZER_TEMPLATE, None))

    def answer(self, chats: Sequence[Chat], deliver: Deliver) -> None:
        """Answer in chunks, so that a killed process loses little.

        Raises:
            SourceError: the model cannot be had or read.
            DataError: its tokenizer has no chat template.
        """
        for start in range(0, len(chats), _CHUNK):
            chunk = chats[start : start + _CHUNK]
            replies = self._generator.converse(
                [[content for _, content in chat.turns] for chat in chunk],
                max_new_tokens=max(chat.max_tokens for chat in chunk),
                progress=_Unseen(),
            )
            for offset, reply in enumerate(replies):
                self._account.asked += 1
                self._account.tokens_out += reply.tokens
                cut = reply.finish is Finish.LENGTH
                deliver(start + offset, Reply(reply.text, cut, 0, reply.tokens, self._model))


class _Unseen(Progress):
    """The judge reports its own progress."""

    def step(self, done: int, total: int, detail: str = "") -> None:
        """Say nothing."""


def model_folder(uri: str) -> Path:
    """The folder of a model: a local one, or the hub's copy in the cache (downloaded if need be).

    Raises:
        SourceError: it is neither a folder nor to be had from the hub.
    """
    source = parse_source(uri)
    if isinstance(source, PathSource):
        return source.path
    if not isinstance(source, HubSource):
        raise SourceError(f"{uri} holds no model a judge could run; name a folder or a hub id")
    try:
        return snapshot(source.repo, source.revision)
    except SourceError as error:
        raise SourceError(
            f"the judge's model {uri} cannot be downloaded ({error}); check the "
            "network, and `hf auth login` for gated models"
        ) from error
