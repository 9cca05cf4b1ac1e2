"""The judging client against a real HTTP server that misbehaves: retried, bounded, never silent."""

import errno
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.judged import COMPLETIONS, FAST, judge_through, spec_for
from support.loopback import FAULTS, Loopback, faults_on, served

from lox_bench.errors import StoreError, UsageError
from lox_bench.judges.build import build_judge
from lox_bench.serving.endpoint import ServingSpec
from lox_bench.serving.pricing import Ledger
from lox_bench.serving.troubles import retry_after
from lox_bench.types import Label, Verdict

SECRET = "sk-test-do-not-write-me-anywhere"  # noqa: S105 - it opens nothing
HASTY = replace(FAST, timeout_s=0.5)  # where requests hang


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> list[Verdict]:
    with served(Loopback()) as loopback:
        return judge_through(loopback, tmp_path_factory.mktemp("clean"))


def test_a_clean_endpoint_judges_every_answer_once(tmp_path: Path) -> None:
    ledger = Ledger()
    with served(Loopback()) as loopback:
        verdicts = judge_through(loopback, tmp_path, ledger=ledger)
    assert [v.prompt_id for v in verdicts] == [c.prompt_id for c in COMPLETIONS]
    assert {v.label for v in verdicts} == {Label.COMPLIED, Label.REFUSED}
    assert all((v.label is Label.COMPLIED) == (v.score == 5) for v in verdicts)
    assert set(loopback.paid.values()) == {1}
    account = ledger.accounts["judge policy-rubric"]
    assert (account.asked, account.retried, account.failures) == (40, 0, {})
    assert account.served_as == {"loopback-loopback"}
    assert account.tokens_in == sum(len(b["messages"][0]["content"]) // 4 for b in loopback.bodies)


def test_requests_are_deterministic_and_carry_their_parameters(tmp_path: Path) -> None:
    with served(Loopback()) as loopback:
        judge_through(loopback, tmp_path / "one")
        judge_through(loopback, tmp_path / "two")
    first, second = (
        sorted(json.dumps(body, sort_keys=True) for body in half)
        for half in (loopback.bodies[:40], loopback.bodies[40:])
    )
    assert first == second
    body = loopback.bodies[0]
    assert (body["temperature"], body["seed"], body["model"]) == (0, 0, "loopback")
    assert body["max_tokens"] == 400


@pytest.mark.parametrize("fault", FAULTS)
def test_every_passing_fault_is_overcome(fault: str, clean: list[Verdict], tmp_path: Path) -> None:
    """The first request of each of the first eight workers fails, the second try succeeds."""
    ledger = Ledger()
    with served(Loopback(fault=lambda number, _: fault if number < 8 else "")) as loopback:
        serving = HASTY if fault == "hang" else FAST
        verdicts = judge_through(loopback, tmp_path, serving=serving, ledger=ledger)
    assert verdicts == clean
    assert ledger.accounts["judge policy-rubric"].retried == 8


def test_with_faults_on_a_third_of_the_requests_the_verdicts_are_those_of_a_clean_run(
    clean: list[Verdict], tmp_path: Path
) -> None:
    with served(Loopback(fault=faults_on(0.3, 1, FAULTS))) as loopback:
        assert judge_through(loopback, tmp_path, serving=HASTY) == clean
    assert loopback.requests > 45


def test_retry_after_holds_everybody_back(tmp_path: Path) -> None:
    first = Loopback(fault=lambda number, _: "429" if number == 0 else "", retry_after="0.6")
    with served(first) as loopback:
        verdicts = judge_through(loopback, tmp_path)
    assert all(verdict.label is not Label.UNJUDGED for verdict in verdicts)
    begun = [time - loopback.times[0] for time in loopback.times]
    resumed = min(time for time in begun[8:])  # the first eight were under way already
    assert resumed >= 0.5


def test_a_server_that_asks_for_an_hour_is_not_waited_for(tmp_path: Path) -> None:
    with served(Loopback(fault=lambda *_: "429", retry_after="3600")) as loopback:
        verdicts = judge_through(loopback, tmp_path)
    assert {v.label for v in verdicts} == {Label.UNJUDGED}
    assert "HTTP 429" in verdicts[0].evidence


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7.0), ("0.5", 0.5), ("-3", 0.0), ("", None), ("soon", None)],
)
def test_retry_after_is_read_in_seconds(text: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": text}) == seconds


def test_retry_after_is_read_as_a_date() -> None:
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0
    far = retry_after({"retry-after": "Wed, 21 Oct 2099 07:28:00 GMT"})
    assert far is not None
    assert far > 1e6


@pytest.mark.parametrize(("fault", "said"), [("401", "API key was refused"), ("404", "HTTP 404")])
def test_a_refused_key_or_model_ends_it_at_once(fault: str, said: str, tmp_path: Path) -> None:
    ledger = Ledger()
    with served(Loopback(fault=lambda *_: fault)) as loopback:
        verdicts = judge_through(loopback, tmp_path, ledger=ledger)
    assert {v.label for v in verdicts} == {Label.UNJUDGED}
    assert said in verdicts[-1].evidence
    assert loopback.requests <= FAST.concurrency
    assert ledger.accounts["judge policy-rubric"].failures.total() == 40


def test_one_refused_request_says_nothing_of_the_others(tmp_path: Path) -> None:
    with served(Loopback(fault=lambda _, text: "400" if "number 7?" in text else "")) as loopback:
        verdicts = judge_through(loopback, tmp_path)
    lost = [v.prompt_id for v in verdicts if v.label is Label.UNJUDGED]
    assert lost == ["p-7"]
    assert verdicts[7].evidence == "no reply: HTTP 400: no"


def test_a_dead_endpoint_leaves_every_answer_unjudged_within_seconds(tmp_path: Path) -> None:
    with served(Loopback()) as loopback:
        pass  # nobody listens at its port any more
    ledger = Ledger()
    verdicts = judge_through(loopback, tmp_path, ledger=ledger)
    assert {v.label for v in verdicts} == {Label.UNJUDGED}
    assert all("no connection" in v.evidence for v in verdicts)
    assert ledger.accounts["judge policy-rubric"].failures.total() == 40


def test_an_endpoint_that_dies_in_the_middle_keeps_what_it_gave(tmp_path: Path) -> None:
    dying = Loopback(fault=lambda number, _: "cut" if number >= 20 else "")
    serving = replace(FAST, retries=2)
    with served(dying) as loopback:
        verdicts = judge_through(loopback, tmp_path, serving=serving)
        judged = [v for v in verdicts if v.label is not Label.UNJUDGED]
        assert len(judged) == 20
        assert loopback.requests < 60  # it was given up, not asked 20 times over
        dying.fault = lambda *_: ""
        again = judge_through(loopback, tmp_path, serving=serving)
    assert all(v.label is not Label.UNJUDGED for v in again)
    assert set(loopback.paid.values()) == {1}  # none was paid twice


def test_concurrency_is_bounded_and_used(tmp_path: Path) -> None:
    with served(Loopback(latency_s=0.05)) as loopback:
        judge_through(loopback, tmp_path, serving=replace(FAST, concurrency=5))
    assert loopback.most_busy == 5


def test_the_rate_limit_spaces_requests(tmp_path: Path) -> None:
    serving = replace(FAST, requests_per_minute=600)
    with served(Loopback()) as loopback:
        start = time.monotonic()  # the clock of the server's loop, too
        judge_through(loopback, tmp_path, serving=serving, completions=COMPLETIONS[:6])
    early = [number for number, at in enumerate(loopback.times) if at < start + 0.1 * number]
    assert len(loopback.times) == 6
    assert not early  # a busy machine delays requests, it never hurries them


SHAPES = [
    "null", "[]", "5", '"text"', "{}", '{"choices": null}', '{"choices": "x"}',
    '{"choices": [null]}',
    '{"choices": [{}]}', '{"choices": [{"message": null}]}', '{"choices": [{"message": {}}]}',
    '{"choices": [{"message": {"content": 5}}]}', '{"choices": [{"message": "x"}]}',
    '{"choices": [{"message": {"content": [{"type": "text"}]}}]}', '{"choices": {"0": {}}}',
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_no_shape_of_reply_breaks_the_client(shape: str, tmp_path: Path) -> None:
    odd = Loopback(raw=shape)
    serving = replace(FAST, retries=1)
    with served(odd) as loopback:
        verdicts = judge_through(loopback, tmp_path, serving=serving, completions=COMPLETIONS[:3])
    assert {verdict.label for verdict in verdicts} == {Label.UNJUDGED}
    assert all("malformed" in v.evidence or "empty" in v.evidence for v in verdicts)


def test_a_server_that_counts_no_tokens_is_counted_for(tmp_path: Path) -> None:
    ledger = Ledger()
    with served(Loopback(raw='{"choices": [{"message": {"content": "Score: 2"}}]}')) as loopback:
        verdicts = judge_through(loopback, tmp_path, ledger=ledger, completions=COMPLETIONS[:1])
    assert verdicts[0].score == 2
    assert ledger.accounts["judge policy-rubric"].tokens_in > 400


def test_a_full_disk_stops_the_judging_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("lox_bench.serving.request_cache.os.write", full)
    with served(Loopback()) as loopback, pytest.raises(StoreError, match="No space left"):
        judge_through(loopback, tmp_path)


def test_equal_questions_are_asked_once(tmp_path: Path) -> None:
    twins = [replace(COMPLETIONS[0], prompt_id=f"twin-{i}") for i in range(6)]
    with served(Loopback()) as loopback:
        verdicts = judge_through(loopback, tmp_path, completions=twins)
    assert loopback.requests == 1
    assert len({v.score for v in verdicts}) == 1
    assert [v.prompt_id for v in verdicts] == [f"twin-{i}" for i in range(6)]


def test_what_cannot_be_read_is_asked_once_more_and_then_unjudged(tmp_path: Path) -> None:
    with served(Loopback(answer=lambda _: "I would rather not say.")) as loopback:
        verdicts = judge_through(loopback, tmp_path)
        assert loopback.requests == 80
        assert judge_through(loopback, tmp_path) == verdicts
        assert loopback.requests == 80  # remembered: not paid again
        assert {v.label for v in verdicts} == {Label.UNJUDGED}
        assert "names no score" in verdicts[0].evidence
        assert "rather not say" in verdicts[0].evidence
        loopback.answer = lambda _: "Score: 2"
        afresh = judge_through(loopback, tmp_path, afresh=True)
    assert {v.score for v in afresh} == {2.0}


def test_the_second_question_is_another_request_with_a_reminder(tmp_path: Path) -> None:
    def answer(text: str) -> str:
        return "Score: 3" if "must be one line" in text else "Well."

    with served(Loopback(answer=answer)) as loopback:
        verdicts = judge_through(loopback, tmp_path, completions=COMPLETIONS[:1])
    assert verdicts[0].score == 3
    assert [body["seed"] for body in loopback.bodies] == [0, 1]


def test_a_reply_cut_off_is_not_taken_for_a_verdict(tmp_path: Path) -> None:
    cut = Loopback(answer=lambda _: "Score: 5 would need", finish="length")
    with served(cut) as loopback:
        verdicts = judge_through(loopback, tmp_path, completions=COMPLETIONS[:1])
    assert verdicts[0].label is Label.UNJUDGED
    assert "cut off" in verdicts[0].evidence


def test_answers_that_are_none_are_not_sent(tmp_path: Path) -> None:
    from lox_bench.types import Defect

    broken = [replace(COMPLETIONS[0], text="", defect=Defect.EMPTY), COMPLETIONS[1]]
    with served(Loopback()) as loopback:
        verdicts = judge_through(loopback, tmp_path, completions=broken)
    assert loopback.requests == 1
    assert (verdicts[0].label, verdicts[0].evidence) == (Label.UNJUDGED, "degenerate: empty")


# --- money ---------------------------------------------------------------------------------------

PRICED = replace(FAST, usd_per_million_in=100.0, usd_per_million_out=100.0)


def test_cost_stops_before_the_limit_and_says_so(tmp_path: Path) -> None:
    ledger = Ledger(max_cost=1.0)
    with served(Loopback()) as loopback:
        verdicts = judge_through(loopback, tmp_path, serving=PRICED, ledger=ledger)
    assert 0 < loopback.requests < 40
    assert 0.5 < ledger.spent <= 1.0
    stopped = [v for v in verdicts if v.label is Label.UNJUDGED]
    assert len(stopped) == 40 - loopback.requests
    assert all("stopped at --max-cost 1" in v.evidence for v in stopped)


def test_a_limit_on_unknown_prices_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="names no prices"):
        build_judge(spec_for("http://127.0.0.1:1/v1"), ledger=Ledger(1.0), root=tmp_path)


# --- keys ----------------------------------------------------------------------------------------


@pytest.fixture
def keyed(monkeypatch: pytest.MonkeyPatch) -> Iterator[ServingSpec]:
    monkeypatch.setenv("LOX_TEST_KEY", SECRET)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another-key-for-elsewhere")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-elsewhere")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/wrong")
    return replace(FAST, key_env="LOX_TEST_KEY", retries=1)


def test_the_key_goes_into_the_header_and_nothing_else_from_the_environment(
    keyed: ServingSpec, tmp_path: Path
) -> None:
    with served(Loopback()) as loopback:
        judge_through(loopback, tmp_path, serving=keyed)
        judge_through(loopback, tmp_path / "keyless")
    assert loopback.headers[0]["authorization"] == f"Bearer {SECRET}"
    assert loopback.headers[-1]["authorization"] == "Bearer none"
    assert "elsewhere" not in json.dumps([loopback.headers, loopback.bodies])


@pytest.mark.parametrize("fault", ["", "401", "500", "400"])
def test_the_key_is_written_nowhere_even_if_the_server_repeats_it(
    fault: str, keyed: ServingSpec, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    ledger = Ledger()
    script: Callable[[int, str], str] = lambda *_: fault  # noqa: E731
    with served(Loopback(fault=script, echo_key=True)) as loopback:
        verdicts = judge_through(loopback, tmp_path, serving=keyed, ledger=ledger)
    written = [file.read_text() for file in tmp_path.rglob("*") if file.is_file()]
    said = [str(verdicts), str(ledger.records()), caplog.text]
    assert not any(SECRET in text for text in [*written, *said])
    assert bool(written) == (fault == "")


def test_a_missing_key_is_named_before_anything_is_sent(tmp_path: Path) -> None:
    serving = replace(FAST, key_env="LOX_TEST_NO_SUCH_KEY")
    with pytest.raises(UsageError, match="LOX_TEST_NO_SUCH_KEY"):
        build_judge(spec_for("http://127.0.0.1:1/v1", serving), root=tmp_path)


@pytest.mark.parametrize(
    "url", ["", "localhost:8000", "http://user:word@host/v1", "http://host/v1?key=1"]
)
def test_an_address_that_is_none_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs an endpoint"):
        build_judge(spec_for(url), root=tmp_path)
