"""Answers of a served model, asked with the manners that judges are: slowly, again, and once."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from lox_bench.backends.ids import seed_of
from lox_bench.backends.served import asked_at, read_address
from lox_bench.backends.template import Template
from lox_bench.engine.context import Context
from lox_bench.errors import EndpointError
from lox_bench.serving.client import ServedModel
from lox_bench.serving.endpoint import REQUESTS, Chat, ServingSpec
from lox_bench.serving.pricing import Ledger
from lox_bench.serving.replies import Failure, Reply
from lox_bench.serving.request_cache import RequestCache, request_key
from lox_bench.types import Finish, Generated, Progress


class OpenAIGenerator:
    """Answers user messages through an OpenAI-compatible endpoint.

    The server puts messages into its own chat template; replies are kept in the request cache.
    """

    Options: ClassVar[type] = ServingSpec
    changes_answers: ClassVar[bool] = False
    default_batch: ClassVar[int] = 1

    template_hash: ClassVar[str] = "served"  # the server's, which nobody here sees
    pinned_date: ClassVar[str] = ""

    def __init__(
        self,
        folder: Path,
        template: Template,
        *,
        batch_size: int,
        dtype: str,
        options: ServingSpec,
        context: Context,
    ) -> None:
        """Prepare to ask the model whose address lies in ``folder``.

        Args:
            folder: of a stage ``Served``.
            template: not used: the server has its own.
            batch_size: not used.
            dtype: not used.
            options: how fast, how often and at what price it is asked.
            context: of its session are the ledger of costs and the cache of requests.

        Raises:
            UsageError: there is no address, no key, or a cost limit that cannot be kept.
        """
        del template, batch_size, dtype
        self._endpoint = asked_at(read_address(folder), options)
        ledger = context.of_session(Ledger, Ledger)
        self._account = ledger.open(self._endpoint)
        self._client = ServedModel(self._endpoint, ledger)
        self._cache = RequestCache(context.root / REQUESTS, self._endpoint)

    def generate(
        self, messages: Sequence[str], *, max_new_tokens: int, progress: Progress
    ) -> list[Generated]:
        """Answer each message at temperature 0."""
        chats = [Chat((("user", text),), 0, max_new_tokens) for text in messages]
        return self._answers(chats, progress)

    def sample(
        self,
        messages: Sequence[str],
        *,
        max_new_tokens: int,
        temperature: float,
        seed: int,
        draw: int,
        progress: Progress,
    ) -> list[Generated]:
        """One drawn answer to each message; whether the seed is heeded is the server's affair."""
        chats = [
            Chat((("user", text),), seed_of(text, seed, draw), max_new_tokens, temperature)
            for text in messages
        ]
        return self._answers(chats, progress)

    def _answers(self, chats: Sequence[Chat], progress: Progress) -> list[Generated]:
        """Ask what is not known, equal requests once.

        Raises:
            EndpointError: something could not be asked; what was answered is kept.
        """
        keys = [request_key(self._endpoint, chat) for chat in chats]
        fresh = {
            key: chat
            for key, chat in zip(keys, chats, strict=True)
            if self._cache.find(key) is None
        }
        self._account.cached += len(set(keys)) - len(fresh)
        self._ask(fresh, progress)
        replies = [self._cache.find(key) for key in keys]
        return [_generated(reply) for reply in replies if reply is not None]

    def _ask(self, fresh: dict[str, Chat], progress: Progress) -> None:
        names, failures = list(fresh), Counter[str]()
        done = 0

        def deliver(index: int, outcome: Reply | Failure) -> None:
            nonlocal done
            done += 1
            if isinstance(outcome, Failure):
                failures[outcome.reason] += 1
            else:
                self._cache.keep(names[index], outcome)
            progress.step(done, len(names), "answers")

        self._client.answer(list(fresh.values()), deliver)
        if failures:
            raise EndpointError(
                f"{self._endpoint.who} got no answer to {failures.total()} of {len(names)} "
                f"requests from {self._endpoint.where} ({failures.most_common(1)[0][0]}); what it "
                "did answer is kept: run the same command again to ask for the rest"
            )


def _generated(reply: Reply) -> Generated:
    finish = Finish.LENGTH if reply.cut else Finish.STOP
    return Generated(reply.text.strip(), reply.tokens_out, finish)
