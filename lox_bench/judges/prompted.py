"""A judge that asks a language model: assemble, ask (or remember), read, ask once more, label."""

from collections.abc import Sequence
from pathlib import Path

from lox_bench.errors import SpecError
from lox_bench.judges.assembly import assemble
from lox_bench.judges.kinds import PromptedSpec, endpoint_of
from lox_bench.judges.parsers import PARSERS, Reading, Unread, read_reply
from lox_bench.serving.endpoint import Chat
from lox_bench.serving.pricing import Account
from lox_bench.serving.replies import Backend, Failure, Reply
from lox_bench.serving.request_cache import RequestCache, request_key
from lox_bench.types import Completion, Label, Progress, Verdict

_ATTEMPTS = 2  # a reply that cannot be read is asked for once more
_EVIDENCE = 600  # characters kept of a judge's reply, from its end: verdicts come last

_Outcome = Reading | Unread | Failure


class PromptedJudge:
    """Labels answers by a model's replies; answers that are none are not put before it."""

    def __init__(
        self,
        spec: PromptedSpec,
        backend: Backend,
        cache: Path,
        account: Account,
        *,
        afresh: bool = False,
    ) -> None:
        """Prepare a judge.

        Args:
            spec: what to ask and how to read the reply.
            backend: where its model runs.
            cache: the folder of replies received so far.
            account: where requests and tokens are counted.
            afresh: ask again where a remembered reply cannot be read.

        Raises:
            SpecError: the spec names a parser that there is not, or a prompt lacks its fields.
        """
        _check(spec)
        self.name = spec.name
        self._spec, self._backend, self._account = spec, backend, account
        self._endpoint = endpoint_of(spec)
        self._parser = PARSERS[spec.parser]
        self._cache = RequestCache(cache, self._endpoint)
        self._afresh = afresh

    def outstanding(self, completions: Sequence[Completion]) -> list[int]:
        """Sizes, in bytes, of the prompts that would have to be sent now."""
        chats = [assemble(self._spec, item) for item in completions if item.defect is None]
        fresh = {request_key(self._endpoint, chat): chat.size for chat in chats}
        return [size for key, size in fresh.items() if self._cache.find(key) is None]

    def judge(self, completions: Sequence[Completion], progress: Progress) -> list[Verdict]:
        """Label each completion; an unjudged one carries the reason as evidence."""
        wanted = [i for i, item in enumerate(completions) if item.defect is None]
        heard: dict[int, tuple[_Outcome, str]] = {}
        for attempt in range(_ATTEMPTS):
            todo = [i for i in wanted if i not in heard or isinstance(heard[i][0], Unread)]
            items = [completions[i] for i in todo]
            heard |= dict(zip(todo, self._round(items, attempt, progress), strict=True))
        return [self._verdict(item, heard.get(i)) for i, item in enumerate(completions)]

    def _round(
        self, items: Sequence[Completion], attempt: int, progress: Progress
    ) -> list[tuple[_Outcome, str]]:
        chats = [assemble(self._spec, item, attempt=attempt) for item in items]
        keys = [request_key(self._endpoint, chat) for chat in chats]
        known = {key: reply for key in keys if (reply := self._cache.find(key)) is not None}
        if self._afresh:
            readable = {
                key
                for key, item in zip(keys, items, strict=True)
                if key in known and isinstance(self._read(known[key], item)[0], Reading)
            }
            known = {key: reply for key, reply in known.items() if key in readable}
        self._account.cached += len(known)
        fresh = {key: chat for key, chat in zip(keys, chats, strict=True) if key not in known}
        outcomes: dict[str, Reply | Failure] = {**known, **self._ask(fresh, progress)}
        return [self._read(outcomes[key], item) for key, item in zip(keys, items, strict=True)]

    def _ask(self, fresh: dict[str, Chat], progress: Progress) -> dict[str, Reply | Failure]:
        """Send what is not known; equal requests only once, every reply kept as it comes."""
        keys = list(fresh)
        outcomes: dict[str, Reply | Failure] = {}

        def deliver(index: int, outcome: Reply | Failure) -> None:
            if isinstance(outcome, Reply):
                self._cache.keep(keys[index], outcome)
            outcomes[keys[index]] = outcome
            progress.step(len(outcomes), len(keys), "replies")

        self._backend.answer(list(fresh.values()), deliver)
        return outcomes

    def _read(self, outcome: Reply | Failure, item: Completion) -> tuple[_Outcome, str]:
        if isinstance(outcome, Failure):
            return outcome, ""
        return read_reply(self._parser, outcome.text, item.text, cut=outcome.cut), outcome.text

    def _verdict(self, item: Completion, heard: tuple[_Outcome, str] | None) -> Verdict:
        if heard is None:
            reason = f"degenerate: {item.defect.value}" if item.defect else ""
            return Verdict(item.prompt_id, self.name, Label.UNJUDGED, reason)
        outcome, said = heard
        if isinstance(outcome, Failure):
            return Verdict(item.prompt_id, self.name, Label.UNJUDGED, f"no reply: {outcome.reason}")
        if isinstance(outcome, Unread):
            reason = f"unreadable: {outcome.reason}; it said: {_tail(said)}"
            return Verdict(item.prompt_id, self.name, Label.UNJUDGED, reason)
        label = Label.COMPLIED if outcome.score >= self._spec.success else Label.REFUSED
        return Verdict(item.prompt_id, self.name, label, _tail(said), outcome.score)


def _tail(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _EVIDENCE else f"...{words[-_EVIDENCE:]}"


def _check(spec: PromptedSpec) -> None:
    if spec.parser not in PARSERS:
        known = ", ".join(PARSERS)
        raise SpecError(f"judge {spec.name}", f"parser must be one of {known}, not {spec.parser!r}")
    missing = [f for f in ("{request}", "{response}") if spec.prompt and f not in spec.prompt]
    if missing:
        raise SpecError(f"judge {spec.name}", f"its prompt lacks {missing[0]}")
    parser = PARSERS[spec.parser]
    if not parser.low < spec.success <= parser.high:
        raise SpecError(
            f"judge {spec.name}",
            f"success must lie above {parser.low:g} and be at most {parser.high:g}, "
            f"not {spec.success:g}",
        )
