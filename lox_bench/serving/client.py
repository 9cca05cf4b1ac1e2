"""One client for every OpenAI-compatible endpoint: OpenAI, vLLM, llama.cpp, transformers serve.

Bounded concurrency, a rate limit, retries that honour Retry-After, a cost limit. The key comes
from the environment variable that is named for it and goes nowhere but into the request's header;
the library's own variables (OPENAI_API_KEY, OPENAI_BASE_URL, organisation, project) are not read,
so that nothing meant for one endpoint reaches another.
"""

import asyncio
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

import openai
from openai.types.chat import ChatCompletion

from lox_bench.errors import UsageError
from lox_bench.serving.dialect import Dialect
from lox_bench.serving.endpoint import JUDGE, Chat, Endpoint
from lox_bench.serving.pace import Breaker, Pace
from lox_bench.serving.pricing import Account, Ledger, tokens_of
from lox_bench.serving.replies import Deliver, Failure, Reply
from lox_bench.serving.request_cache import request_key
from lox_bench.serving.transport import http_client
from lox_bench.serving.troubles import MalformedReplyError, Trouble, diagnose

_LONGEST_WAIT_S = 300.0  # a server that asks for more is not waited for
_LONGEST_BACKOFF_S = 30.0
_RETRIES_UNHEARD = 2  # of an endpoint that never answered: its address is probably wrong
_ADDRESS = re.compile(r"https?://[^\s@?#/]+(?:/[^\s@?#]*)?")  # it is written into manifests
_CUT = {"length", "content_filter"}
_OVERHEAD = 20_000  # tokens that a server may add: a system prompt, reasoning
_ELSEWHERE = {JUDGE: " (base-url and model options, or a spec of your own)"}
_NO_KEY = "none"  # the library wants some text
_ANONYMOUS: Any = {"OpenAI-Organization": openai.omit, "OpenAI-Project": openai.omit}


class ServedModel:
    """A model behind an HTTP endpoint."""

    def __init__(self, endpoint: Endpoint, ledger: Ledger) -> None:
        """Prepare to ask; nothing is sent yet.

        Raises:
            UsageError: there is no address, or the variable that is named holds no key.
        """
        require_address(endpoint)
        self._endpoint = endpoint
        self._key = _key(endpoint)
        self._ledger = ledger
        self._account: Account = ledger.open(endpoint)
        self._pace = Pace(endpoint.serving.requests_per_minute)
        self._breaker = Breaker()
        self._heard = self._answered = False
        self._dialect = Dialect()

    def answer(self, chats: Sequence[Chat], deliver: Deliver) -> None:
        """Ask everything, ``concurrency`` requests at a time.

        Raises:
            LoxBenchError: what ``deliver`` raises, such as a full disk.
        """
        if not chats:
            return
        try:
            asyncio.run(self._answer(chats, deliver))
        except ExceptionGroup as group:  # the first failure has cancelled the other workers
            raise group.exceptions[0] from None

    async def _answer(self, chats: Sequence[Chat], deliver: Deliver) -> None:
        queue = iter(enumerate(chats))
        workers = min(self._endpoint.serving.concurrency, len(chats))
        async with self._open() as client, asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work(client, queue, deliver))

    def _open(self) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(
            api_key=self._key or _NO_KEY,
            base_url=self._endpoint.base_url,
            timeout=self._endpoint.serving.timeout_s,
            http_client=http_client(),
            max_retries=0,  # they are made here, where the breaker and the other workers see them
            default_headers=_ANONYMOUS,
        )

    async def _work(
        self, client: openai.AsyncOpenAI, queue: Iterator[tuple[int, Chat]], deliver: Deliver
    ) -> None:
        for index, chat in queue:
            outcome = await self._budgeted(client, chat)
            if isinstance(outcome, Failure):
                self._account.failures[outcome.reason] += 1
            deliver(index, outcome)

    async def _budgeted(self, client: openai.AsyncOpenAI, chat: Chat) -> Reply | Failure:
        usd = self._endpoint.cost(tokens_of(chat.size), chat.max_tokens) or 0.0
        if not self._ledger.reserve(usd):
            return Failure(f"stopped at --max-cost {self._ledger.max_cost:g}")
        try:
            return await self._persist(client, chat)
        finally:
            self._ledger.release(usd)

    async def _persist(self, client: openai.AsyncOpenAI, chat: Chat) -> Reply | Failure:
        """Ask until there is a reply or no hope."""
        attempt = 0
        while True:
            if not self._breaker.reason:
                await self._pace.turn()
            if self._breaker.reason:
                return Failure(self._breaker.reason)
            try:
                reply = await self._ask(client, chat)
            except Exception as error:  # noqa: BLE001 - diagnose raises what is not the network's
                trouble = diagnose(error, self._key)
            else:
                self._heard = self._answered = True
                self._breaker.success()
                return reply
            self._heard = self._heard or trouble.heard
            if trouble.unfit and self._dialect.learn(trouble.reason):
                continue
            if not self._may_retry(trouble, attempt):
                return self._give_up(trouble)
            await self._rest(trouble, chat, attempt)
            attempt += 1

    def _may_retry(self, trouble: Trouble, attempt: int) -> bool:
        most = self._endpoint.serving.retries
        if not self._heard:
            most = min(most, _RETRIES_UNHEARD)
        return trouble.retry and attempt < most and (trouble.wait_s or 0.0) <= _LONGEST_WAIT_S

    def _give_up(self, trouble: Trouble) -> Failure:
        # a refused request says nothing of the next one; nothing but refusals says it of all
        if trouble.retry or trouble.fatal or (trouble.forbidden and not self._answered):
            self._breaker.failure(trouble.reason, fatal=trouble.fatal)
        return Failure(trouble.reason)

    async def _rest(self, trouble: Trouble, chat: Chat, attempt: int) -> None:
        self._account.retried += 1
        if trouble.wait_s is not None:
            self._pace.hold(trouble.wait_s)
            return
        longest = min(self._endpoint.serving.backoff_s * 2**attempt, _LONGEST_BACKOFF_S)
        seed = f"{request_key(self._endpoint, chat)}{attempt}"  # jitter, the same in every run
        share = hashlib.sha256(seed.encode()).digest()[0] / 255
        await asyncio.sleep(longest * (0.5 + share / 2))

    async def _ask(self, client: openai.AsyncOpenAI, chat: Chat) -> Reply:
        # not chat.completions.create: its walk over the typed body costs a fifth of the throughput
        standard = {
            "model": self._endpoint.model,
            "messages": [{"role": role, "content": text} for role, text in chat.turns],
            "temperature": chat.temperature,
            "seed": chat.seed,
            "max_tokens": chat.max_tokens,
        }
        # one deadline for the whole reply: a server that drips bytes keeps every read in time
        async with asyncio.timeout(self._endpoint.serving.timeout_s):
            answer = await client.post(
                "/chat/completions",
                cast_to=ChatCompletion,
                body=self._dialect.body(standard),
                options={"headers": {"Idempotency-Key": request_key(self._endpoint, chat)}},
            )
        reply = _reply(answer, chat)
        account = self._account
        account.asked += 1
        account.tokens_in += reply.tokens_in
        account.tokens_out += reply.tokens_out
        account.served_as.add(reply.model)
        if account.usd is not None:
            account.usd += self._endpoint.cost(reply.tokens_in, reply.tokens_out) or 0.0
        return reply


def _reply(answer: Any, chat: Chat) -> Reply:
    """The words of a chat completion; servers that count no tokens are counted for.

    Raises:
        MalformedReplyError: it is none (the library does not check what it is given).
    """
    if error := getattr(answer, "error", None):
        raise MalformedReplyError(f"an error in place of a reply: {error}")
    try:
        choice = answer.choices[0]
        text = _words(choice.message.content) or choice.message.refusal or ""
    except (AttributeError, LookupError, TypeError) as error:
        raise MalformedReplyError("no chat completion") from error
    if not isinstance(text, str):
        raise MalformedReplyError("no text in it")
    return Reply(
        text=text,
        cut=choice.finish_reason in _CUT,
        tokens_in=_count(answer.usage, "prompt_tokens", chat.size, most=chat.size + _OVERHEAD),
        tokens_out=_count(
            answer.usage,
            "completion_tokens",
            len(text.encode("utf-8", "replace")),
            most=chat.max_tokens + _OVERHEAD,
        ),
        model=str(answer.model or ""),
    )


def _words(content: object) -> object:
    """The text of a message, which some servers send as a list of parts."""
    if not isinstance(content, list):
        return content
    parts = [part.get("text", "") if isinstance(part, dict) else part for part in content]
    return "".join(part for part in parts if isinstance(part, str))


def _count(usage: object, name: str, size: int, *, most: int) -> int:
    """Tokens as the server counts them, or as the text lets expect if its count cannot be true."""
    counted = getattr(usage, name, None)
    possible = isinstance(counted, int) and not isinstance(counted, bool) and 0 <= counted <= most
    return int(counted) if possible else tokens_of(size)  # type: ignore[arg-type]


def require_address(endpoint: Endpoint) -> None:
    """Refuse what is no address to be asked.

    Raises:
        UsageError: it is none.
    """
    if not _ADDRESS.fullmatch(endpoint.base_url):
        where = "base_url in its spec, or the base-url option"
        if endpoint.role != JUDGE:
            where = f"{endpoint.name}=openai:http://localhost:8000/v1#NAME"
        raise UsageError(
            f"{endpoint.who} needs an endpoint such as http://localhost:8000/v1 ({where}; no "
            f"password or query), not {endpoint.base_url!r}"
        )


def _key(endpoint: Endpoint) -> str:
    name = endpoint.serving.key_env
    if not name:
        return ""
    key = os.environ.get(name, "").strip()
    if not key:
        raise UsageError(
            f"{endpoint.who} needs an API key: set the environment variable {name}, or name an "
            "endpoint of yours" + _ELSEWHERE.get(endpoint.role, "")
        )
    return key
