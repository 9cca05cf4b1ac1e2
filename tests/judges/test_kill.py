"""Judging killed with SIGKILL: what was received stays, what was paid for is not paid for again."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from support.judged import COMPLETIONS, FAST, judge_through, spec_for
from support.loopback import Loopback, served

from lox_bench.judges.assembly import assemble
from lox_bench.judges.kinds import endpoint_of
from lox_bench.serving.replies import Reply
from lox_bench.serving.request_cache import RequestCache, request_key
from lox_bench.types import Label

MANY = [
    replace(COMPLETIONS[0], prompt_id=f"p-{i}", text=f"Begin with plank {i}.") for i in range(240)
]
CONCURRENCY = 6
TESTS = Path(__file__).parents[1]
CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from dataclasses import replace
from support.judged import COMPLETIONS, FAST, judge_through
from support.loopback import Loopback
many = [
    replace(COMPLETIONS[0], prompt_id=f"p-{i}", text=f"Begin with plank {i}.") for i in range(240)
]
serving = replace(FAST, concurrency=6)
judge_through(Loopback(port=int(sys.argv[2])), Path(sys.argv[3]), serving=serving, completions=many)
"""


ENDPOINT = endpoint_of(spec_for("http://x/v1"))


def lines(cache: Path) -> list[str]:
    files = list(cache.glob("requests/*.jsonl"))
    return files[0].read_text().splitlines() if files else []


def test_a_killed_judge_loses_no_reply_and_pays_for_none_twice(tmp_path: Path) -> None:
    with served(Loopback(latency_s=0.03)) as loopback:
        child = subprocess.Popen(
            [
                sys.executable,
                "-c",
                CHILD,
                str(Path(__file__).parents[1]),
                str(loopback.port),
                tmp_path,
            ]
        )
        while len(lines(tmp_path)) < 60:
            assert child.poll() is None
            time.sleep(0.005)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        time.sleep(0.1)  # what was under way has been answered into the void
        kept = {json.loads(line)["key"] for line in lines(tmp_path)}
        before = dict(loopback.sent)
        assert 60 <= len(kept) < 240
        serving = replace(FAST, concurrency=CONCURRENCY)
        verdicts = judge_through(loopback, tmp_path, serving=serving, completions=MANY)
    assert all(v.label is not Label.UNJUDGED for v in verdicts)
    again = {key for key, times in loopback.sent.items() if times > 1}
    assert not again & kept  # nothing we had received was asked for again
    assert len(again) <= CONCURRENCY  # only what was under way, under its old idempotency key
    assert again <= set(before)
    assert len(loopback.sent) == 240  # a server that honours the key bills each question once


@pytest.fixture
def cache(tmp_path: Path) -> RequestCache:
    return RequestCache(tmp_path, ENDPOINT)


def test_a_torn_last_line_costs_only_itself(cache: RequestCache, tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        cache.keep(name, Reply(f"reply {name}", False, 1, 2, "m"))
    whole = cache.file.read_bytes()
    cache.file.write_bytes(whole[:-9])
    again = RequestCache(tmp_path, ENDPOINT)
    assert again.find("two") == Reply("reply two", False, 1, 2, "m")
    assert again.find("three") is None
    again.keep("four", Reply("reply four", True, 1, 2, "m"))
    last = RequestCache(tmp_path, ENDPOINT)
    assert [bool(last.find(name)) for name in ("one", "two", "three", "four")] == [
        True, True, False, True,
    ]  # fmt: skip


def test_several_processes_may_append(cache: RequestCache, tmp_path: Path) -> None:
    other = RequestCache(tmp_path, ENDPOINT)
    for n in range(50):
        (cache, other)[n % 2].keep(f"k{n}", Reply("line\nbreak \u2028 \U0001f600", False, 1, 1))
    assert all(RequestCache(tmp_path, ENDPOINT).find(f"k{n}") for n in range(50))


def test_a_reply_is_known_by_everything_it_depends_on() -> None:
    judge = spec_for("http://x/v1")
    spec, chat = endpoint_of(judge), assemble(judge, COMPLETIONS[0])
    others = [
        request_key(replace(spec, model="other"), chat),
        request_key(replace(spec, base_url="http://y/v1"), chat),
        request_key(replace(spec, identity="sha256:1"), chat),
        request_key(spec, replace(chat, seed=1)),
        request_key(spec, replace(chat, max_tokens=1)),
        request_key(spec, assemble(judge, COMPLETIONS[1])),
    ]
    same = request_key(replace(spec, serving=replace(FAST, concurrency=99)), chat)
    assert same == request_key(spec, chat)
    assert len({same, *others}) == 7


def test_the_cache_holds_no_prompt(tmp_path: Path) -> None:
    with served(Loopback()) as loopback:
        judge_through(loopback, tmp_path)
    assert not any("shed" in line for line in lines(tmp_path))
