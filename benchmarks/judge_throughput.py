"""Judging through an endpoint with 50 ms latency: how fast, and what a kill and faults cost.

A loopback server in a process of its own (tests/support/loopback.py) answers 2,000 questions.
Printed:

- the rate of the plain sequential loop, of the client, and the ratios to both the loop and to
  concurrency / latency;
- the same judging killed with SIGKILL in the middle and resumed: requests sent and paid, by the
  server's count;
- the same with faults on 30 % of the requests: verdicts that differ from the clean run's.

    python benchmarks/judge_throughput.py
"""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import openai

TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path.insert(0, str(TESTS))

from support.judged import COMPLETIONS, FAST, judge_through, spec_for  # noqa: E402 - beside the tests
from support.loopback import Loopback  # noqa: E402

from lox_bench.judges.assembly import assemble  # noqa: E402
from lox_bench.types import Completion, Label, Verdict  # noqa: E402

LATENCY_S = 0.05
SEQUENTIAL = 100  # requests of the plain loop: its rate does not depend on their number


def questions(count: int) -> list[Completion]:
    """Distinct answers to one request."""
    return [
        replace(COMPLETIONS[0], prompt_id=f"p-{i}", text=f"Begin with plank {i}. " * 20)
        for i in range(count)
    ]


@contextmanager
def server(*options: str) -> Iterator[Loopback]:
    """The loopback server in a process of its own."""
    command = [
        sys.executable,
        str(TESTS / "support" / "loopback.py"),
        "--latency",
        str(LATENCY_S),
        *options,
    ]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield Loopback(port=int(child.stdout.readline() if child.stdout else 0))
    finally:
        child.kill()
        child.wait()


def stats(loopback: Loopback) -> dict[str, dict[str, int]]:
    """The server's own counts, by idempotency key."""
    with urllib.request.urlopen(f"http://127.0.0.1:{loopback.port}/stats") as reply:
        held: dict[str, dict[str, int]] = json.load(reply)
    return held


def sequential(loopback: Loopback) -> float:
    """Requests per second of one call after the other with the same library."""
    client = openai.OpenAI(api_key="none", base_url=loopback.url, max_retries=0)
    chats = [assemble(spec_for(loopback.url), item) for item in questions(SEQUENTIAL)]
    start = time.perf_counter()
    for chat in chats:
        client.chat.completions.create(
            model="loopback",
            messages=[{"role": "user", "content": chat.turns[0][1]}],
            temperature=0,
            seed=0,
            max_tokens=chat.max_tokens,
        )
    return SEQUENTIAL / (time.perf_counter() - start)


def judge(loopback: Loopback, cache: Path, count: int, concurrency: int) -> list[Verdict]:
    """Judge all questions."""
    serving = replace(FAST, concurrency=concurrency, backoff_s=0.05)
    return judge_through(loopback, cache, serving=serving, completions=questions(count))


def timed(options: argparse.Namespace, scratch: Path) -> list[Verdict]:
    """The rate of a clean run, and its ratios."""
    with server() as loopback:
        loop = sequential(loopback)
        start = time.perf_counter()
        verdicts = judge(loopback, scratch / "clean", options.count, options.concurrency)
        rate = options.count / (time.perf_counter() - start)
    ideal = options.concurrency / LATENCY_S
    print(f"sequential loop        {loop:8.1f} requests/s")
    print(f"client, concurrency {options.concurrency:2d} {rate:8.1f} requests/s")
    print(f"  of concurrency / latency ({ideal:.0f}/s)  {rate / ideal:6.2f}")
    print(f"  of the sequential loop          {rate / loop:6.1f} x")
    return verdicts


def killed(options: argparse.Namespace, scratch: Path) -> list[Verdict]:
    """Kill a run in the middle, resume it, count what the server saw."""
    cache = scratch / "killed"
    with server() as loopback:
        child = subprocess.Popen(
            [sys.executable, __file__, "--child", str(loopback.port), str(cache),
             "--count", str(options.count), "--concurrency", str(options.concurrency)]
        )  # fmt: skip
        while (kept := len(received(cache))) < options.count // 2:
            time.sleep(0.02)
        child.send_signal(signal.SIGKILL)
        child.wait()
        time.sleep(2 * LATENCY_S)
        kept, before = len(received(cache)), stats(loopback)
        verdicts = judge(loopback, cache, options.count, options.concurrency)
        after = stats(loopback)
    repeated = [key for key, times in after["sent"].items() if times > 1]
    lost = sum(verdict.label is Label.UNJUDGED for verdict in verdicts)
    print(f"killed after {kept} replies ({sum(before['sent'].values())} requests sent), resumed:")
    print(f"  questions answered {len(verdicts) - lost} of {options.count}, lost {lost}")
    print(f"  received and asked again {sum(key in received(cache)[:kept] for key in repeated)}")
    print(
        f"  under way at the kill and asked again {len(repeated)} (at most {options.concurrency})"
    )
    print(f"  distinct idempotency keys {len(after['sent'])}: what such a server bills")
    return verdicts


def received(cache: Path) -> list[str]:
    """Keys of the replies on disk, in order."""
    files = list(cache.glob("requests/*.jsonl"))
    lines = files[0].read_bytes().split(b"\n")[:-1] if files else []  # the last may be half seen
    return [json.loads(line)["key"] for line in lines]


def faulty(options: argparse.Namespace, scratch: Path) -> list[Verdict]:
    """The same with faults on 30 % of the requests."""
    with server("--fault-share", "0.3") as loopback:
        start = time.perf_counter()
        verdicts = judge(loopback, scratch / "faulty", options.count, options.concurrency)
        seconds = time.perf_counter() - start
        sent = sum(stats(loopback)["sent"].values())
    print(f"faults on 30 % of the requests: {sent} sent, {seconds:.1f} s")
    return verdicts


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=25)
    parser.add_argument("--child", nargs=2, metavar=("PORT", "CACHE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        port, cache = options.child
        judge(Loopback(port=int(port)), Path(cache), options.count, options.concurrency)
        return
    scratch = Path(tempfile.mkdtemp(prefix="lox-bench-judge-"))
    try:
        clean = timed(options, scratch)
        for name, other in (
            ("kill", killed(options, scratch)),
            ("faults", faulty(options, scratch)),
        ):
            differ = sum(one != two for one, two in zip(clean, other, strict=True))
            print(f"verdicts that differ from the clean run's ({name}): {differ}")
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
