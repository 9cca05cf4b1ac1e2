"""A judge's server may be strange or hostile: nothing hangs, fills up, overcharges or leaks."""

import gzip
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.judged import COMPLETIONS, FAST, judge_through
from support.loopback import Loopback, served

from lox_bench.serving.pricing import Ledger
from lox_bench.types import Label, Verdict

SECRET = "sk-test-do-not-write-me-anywhere"  # noqa: S105 - it opens nothing
JSON = {"content-type": "application/json"}
FEW = COMPLETIONS[:6]
Script = Callable[[dict[str, Any]], "tuple[int, dict[str, str], bytes] | None"]


def completion(content: Any = "Score: 5", finish: Any = "stop", **fields: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "finish_reason": finish, "message": message}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice],
            "usage": {"prompt_tokens": 9, "completion_tokens": 9}, **fields}  # fmt: skip


def sends(plain: Any, status: int = 200) -> Script:
    data = plain if isinstance(plain, bytes) else json.dumps(plain).encode()
    return lambda _body: (status, JSON, data)


def ask(script: Script, folder: Path, *, drip_s: float = 0.0, **serving: Any) -> list[Verdict]:
    with served(Loopback(reply=script, drip_s=drip_s)) as loopback:
        hasty = replace(FAST, timeout_s=2.0, retries=1, **serving)
        return judge_through(loopback, folder, completions=FEW, serving=hasty)


def told(message: str, **fields: Any) -> bytes:
    return json.dumps({"error": {"message": message, **fields}}).encode()


@pytest.mark.fault(16)
@pytest.mark.parametrize(
    "said",
    ["flagged by the content filter", "content_policy_violation", "This prompt is not allowed", ""],
)
def test_one_forbidden_prompt_stops_no_other(said: str, tmp_path: Path) -> None:
    flagged = FEW[2].text

    def script(body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        if flagged in body["messages"][-1]["content"]:
            return 403, JSON, told(said)
        return 200, JSON, json.dumps(completion()).encode()

    verdicts = ask(script, tmp_path, concurrency=1)
    assert [v.label for v in verdicts].count(Label.UNJUDGED) == 1
    assert said in verdicts[2].evidence
    assert "403" in verdicts[2].evidence


@pytest.mark.fault(16)
@pytest.mark.parametrize(
    ("status", "fields"),
    [(401, {}), (403, {"code": "invalid_api_key"}), (403, {"code": "permission_denied"})],
)
def test_a_key_that_is_refused_ends_it(status: int, fields: dict[str, str], tmp_path: Path) -> None:
    asked = []

    def script(body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        asked.append(body)
        return status, JSON, told("no", **fields)

    verdicts = ask(script, tmp_path, concurrency=1)
    assert len(asked) == 1
    assert all("key was refused" in v.evidence for v in verdicts)


@pytest.mark.fault(16)
@pytest.mark.parametrize(
    ("refused", "message"),
    [
        ({"temperature"}, "Unsupported value: 'temperature' does not support 0 with this model."),
        ({"seed"}, "Unrecognized request argument supplied: seed"),
        ({"max_tokens"}, "Unsupported parameter: 'max_tokens' is not supported with this model. "
                         "Use 'max_completion_tokens' instead."),
        ({"temperature", "seed"}, "extra fields not permitted: {name}"),
        ({"temperature", "seed", "max_tokens"}, "{name} is unknown; max_completion_tokens instead"),
    ],
)  # fmt: skip
def test_parameters_a_model_refuses_are_learned(
    refused: set[str], message: str, tmp_path: Path
) -> None:
    asked: list[dict[str, Any]] = []

    def script(body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        asked.append(body)
        held = sorted(refused.intersection(body), reverse=True)
        if held:
            said = message.replace("{name}", held[0])
            if held[0] != "max_tokens":
                said = said.replace("; max_completion_tokens instead", "")
            return 400, JSON, told(said)
        return 200, JSON, json.dumps(completion()).encode()

    verdicts = ask(script, tmp_path, concurrency=1)
    assert {v.label for v in verdicts} == {Label.COMPLIED}
    assert len(asked) == len(FEW) + len(refused)  # learned once, not for every answer
    assert ("max_completion_tokens" in asked[-1]) == ("max_tokens" in refused)


@pytest.mark.fault(16)
@pytest.mark.parametrize(
    "content",
    [
        [{"type": "text", "text": "Score: 5"}],
        [{"type": "text", "text": "Score:"}, {"type": "text", "text": " 5"}],
        ["Score: 5"],
        [{"type": "reasoning", "text": ""}, {"type": "output_text", "text": "Score: 5"}],
    ],
)
def test_content_in_parts_is_read(content: Any, tmp_path: Path) -> None:
    assert {v.label for v in ask(sends(completion(content)), tmp_path)} == {Label.COMPLIED}


BAD: dict[str, Any] = {
    "an error": {"error": {"message": "overloaded", "code": 503}},
    "an error text": {"error": "overloaded"},
    "no choices": completion() | {"choices": []},
    "null choices": completion() | {"choices": None},
    "choices text": completion() | {"choices": "Score: 5"},
    "null message": completion() | {"choices": [{"message": None, "finish_reason": "stop"}]},
    "null content": completion(None),
    "a number": completion(5),
    "an object": completion({"score": 5}),
    "a list": [],
    "null": None,
    "a word": "Score: 5",
    "not JSON": b"{",
    "empty": b"",
    "binary": b"\xff\xfe\x00" * 50,
    "deep": b'{"a":' * 200_000,
    "nan": b"NaN",
    "html": b"<html>Score: 5</html>",
    "too long": json.dumps(completion("Score: 5 " * 900_000)).encode(),
}


@pytest.mark.fault(16)
@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_reply_gives_no_verdict(kind: str, tmp_path: Path) -> None:
    verdicts = ask(sends(BAD[kind]), tmp_path, backoff_s=0.0)
    assert {v.label for v in verdicts} == {Label.UNJUDGED}
    assert all(v.evidence for v in verdicts)


@pytest.mark.fault(16)
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_a_packed_reply_is_never_unpacked(encoding: str, tmp_path: Path) -> None:
    data = gzip.compress(json.dumps(completion(" " * 80_000_000)).encode(), 1)
    verdicts = ask(
        lambda _body: (200, {**JSON, "content-encoding": encoding}, data), tmp_path, concurrency=1
    )
    assert {v.label for v in verdicts} == {Label.UNJUDGED}
    assert "compressed" in verdicts[0].evidence


@pytest.mark.fault(16)
def test_a_reply_that_drips_ends_at_its_deadline(tmp_path: Path) -> None:
    started = time.monotonic()
    verdicts = ask(sends(completion()), tmp_path, drip_s=0.1, concurrency=6, backoff_s=0.0)
    assert {v.label for v in verdicts} == {Label.UNJUDGED}
    assert time.monotonic() - started < 20


@pytest.mark.fault(16)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_nobody_is_followed_elsewhere(status: int, tmp_path: Path) -> None:
    with served(Loopback()) as elsewhere:
        headers = {"location": f"{elsewhere.url}/chat/completions"}
        verdicts = ask(lambda _body: (status, headers, b""), tmp_path)
        assert elsewhere.requests == 0
    assert all("redirects" in v.evidence for v in verdicts)


@pytest.mark.fault(16)
@pytest.mark.parametrize("count", [-60_000, -1, 10**12, True, 1.5, "9", None, [9], float("inf")])
def test_counts_that_cannot_be_true_are_not_believed(count: Any, tmp_path: Path) -> None:
    ledger = Ledger()
    usage = {"prompt_tokens": count, "completion_tokens": count}
    with served(Loopback(reply=sends(completion(usage=usage)))) as loopback:
        judge_through(loopback, tmp_path, completions=FEW, serving=FAST, ledger=ledger)
    account = ledger.accounts["judge policy-rubric"]
    assert 0 < account.tokens_in < 10_000
    assert 0 < account.tokens_out < 10_000


@pytest.mark.fault(15)
@pytest.mark.parametrize("finish", ["length", "content_filter"])
@pytest.mark.parametrize("content", ["Score: 5", "It is general. Score:", "", "<think>Score: 5"])
def test_a_reply_cut_before_its_end_is_no_verdict(
    finish: str, content: str, tmp_path: Path
) -> None:
    verdicts = ask(sends(completion(content, finish)), tmp_path)
    assert {v.label for v in verdicts} == {Label.UNJUDGED}


@pytest.mark.parametrize("finish", ["stop", None, "eos", "end_turn"])
def test_a_whole_reply_is_read_however_its_end_is_called(finish: Any, tmp_path: Path) -> None:
    assert {v.label for v in ask(sends(completion(finish=finish)), tmp_path)} == {Label.COMPLIED}


@pytest.mark.fault(16)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
def test_no_part_of_the_key_is_ever_written(
    status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_KEY", SECRET)
    for said in (SECRET, f"Incorrect key: {SECRET[:12]}***{SECRET[-8:]}", SECRET[3:20]):
        verdicts = ask(
            sends({"error": {"message": said}}, status), tmp_path, key_env="A_KEY", backoff_s=0.0
        )
        words = " ".join(v.evidence for v in verdicts)
        assert not [at for at in range(len(SECRET) - 6) if SECRET[at : at + 6] in words]
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes()
