"""Judging through a real server: `transformers serve` on loopback, asked by the real client."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.judged import COMPLETIONS, FAST, spec_for
from support.pico import CHATML, NoProgress, save_pico

from lox_bench.backends.hf import HFGenerator
from lox_bench.backends.template import load_template
from lox_bench.judges.assembly import assemble
from lox_bench.judges.build import build_judge
from lox_bench.serving.pricing import Ledger
from lox_bench.types import Label

MISSING = [name for name in ("fastapi", "uvicorn") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(MISSING),
        reason=f"transformers serve lacks {', '.join(MISSING)}: pip install 'lox-bench[serving]'",
    ),
]
START_S = 90
ANSWERS = COMPLETIONS[:4]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, tokenizer) -> Path:  # type: ignore[no-untyped-def]
    folder = save_pico(tmp_path_factory.mktemp("served"), tokenizer)
    (folder / "chat_template.jinja").write_text(str(CHATML.text))
    return folder


@pytest.fixture(scope="module")
def url(model: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(model)]
    options = ["--device", "cpu", "--dtype", "float32", "--host", "127.0.0.1", "--port", str(port)]
    log = model.parent / "serve.log"
    with log.open("w") as file:
        server = subprocess.Popen(
            [*command, *options],
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + START_S
        while not answers(port):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.kill()
        server.wait()


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_served_model_says_what_the_same_model_says_in_process(
    url: str, model: Path, tmp_path: Path
) -> None:
    spec = replace(spec_for(url, replace(FAST, timeout_s=60)), model=str(model), max_tokens=12)
    ledger = Ledger()
    verdicts = build_judge(spec, ledger=ledger, root=tmp_path).judge(ANSWERS, NoProgress())
    assert {verdict.label for verdict in verdicts} == {Label.UNJUDGED}  # random weights: no verdict
    account = ledger.accounts[f"judge {spec.name}"]
    assert (account.asked, account.failures) == (2 * len(ANSWERS), {})
    assert account.tokens_in > 0
    held = next((tmp_path / "requests").glob("*.jsonl")).read_text().splitlines()
    served = {json.loads(line)["text"].strip() for line in held}
    chats = [assemble(spec, item, attempt=attempt) for item in ANSWERS for attempt in (0, 1)]
    generator = HFGenerator(model, load_template("tokenizer"), dtype="float32")
    local = generator.converse(
        [[text for _, text in chat.turns] for chat in chats],
        max_new_tokens=12,
        progress=NoProgress(),
    )
    assert served == {reply.text for reply in local}


def test_a_model_the_server_does_not_have_is_an_endpoint_s_failure(
    url: str, tmp_path: Path
) -> None:
    spec = replace(spec_for(url, replace(FAST, retries=1)), model="no/such-model")
    ledger = Ledger()
    verdicts = build_judge(spec, ledger=ledger, root=tmp_path).judge(ANSWERS, NoProgress())
    assert {verdict.label for verdict in verdicts} == {Label.UNJUDGED}
    assert ledger.accounts[f"judge {spec.name}"].failures.total() == len(ANSWERS)
