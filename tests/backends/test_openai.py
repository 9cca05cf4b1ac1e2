"""A served model under test, asked over real HTTP: every answer once, none lost, none made up."""

from pathlib import Path
from typing import Any

import pytest
from support.loopback import Loopback, served

from lox_bench.backends.answers import Answers, read_answers
from lox_bench.backends.backend import SERVED, Configured, Decoding, Sampling
from lox_bench.backends.openai import OpenAIGenerator
from lox_bench.backends.served import Served
from lox_bench.backends.template import load_template
from lox_bench.cli.making import Workers, crew_for
from lox_bench.data.stage import Prompts
from lox_bench.engine.context import Context, Loaded
from lox_bench.engine.graph import Graph
from lox_bench.engine.local import LocalExecutor
from lox_bench.engine.stage import Text
from lox_bench.engine.store import Store
from lox_bench.errors import EndpointError, UsageError
from lox_bench.judges.verdicts import Bench
from lox_bench.serving.endpoint import ServingSpec
from lox_bench.serving.pricing import Ledger

GREEDY = Decoding(3)
CHATML = load_template("chatml")
PROMPTS = [f"How do I build shed number {i}?" for i in range(20)]
FAST = ServingSpec(concurrency=4, timeout_s=5.0, retries=2, backoff_s=0.01)


def opened(
    loopback: Loopback, tmp_path: Path, silent: Any, manner: ServingSpec = FAST, **extras: Any
) -> OpenAIGenerator:
    context = Context(silent, tmp_path, Loaded(), extras={Ledger: extras.get("ledger", Ledger())})
    folder = tmp_path / "served"
    folder.mkdir(exist_ok=True)
    Served.of("mine", f"openai:{loopback.url}#some/model:7b").build(None, folder, context)
    return OpenAIGenerator(
        folder, CHATML, batch_size=1, dtype=SERVED, options=manner, context=context
    )


def test_every_message_gets_its_own_answer_and_is_asked_once(tmp_path: Path, silent: Any) -> None:
    with served(Loopback(answer=lambda text: f"You said: {text}")) as loopback:
        generator = opened(loopback, tmp_path, silent)
        asked = [*PROMPTS, PROMPTS[0]]
        answers = generator.generate(asked, max_new_tokens=9, progress=silent)
        assert [item.text for item in answers] == [f"You said: {text}" for text in asked]
        assert loopback.requests == len(PROMPTS)
        assert {body["model"] for body in loopback.bodies} == {"some/model:7b"}
        assert {(body["temperature"], body["max_tokens"]) for body in loopback.bodies} == {(0, 9)}
        again = opened(loopback, tmp_path, silent)
        assert again.generate(asked, max_new_tokens=9, progress=silent) == answers
        assert loopback.requests == len(PROMPTS)
        assert generator.template_hash == "served"


def test_a_server_that_dies_in_the_middle_costs_only_the_rest(tmp_path: Path, silent: Any) -> None:
    dying = Loopback(answer=str.upper, fault=lambda n, _: "cut" if n >= 8 else "")
    with served(dying) as loopback:
        generator = opened(loopback, tmp_path, silent)
        with pytest.raises(EndpointError, match=r"model mine got no answer to 12 of 20.*is kept"):
            generator.generate(PROMPTS, max_new_tokens=9, progress=silent)
        dying.fault = lambda _n, _text: ""
        before = dict(loopback.paid)
        answers = opened(loopback, tmp_path, silent).generate(
            PROMPTS, max_new_tokens=9, progress=silent
        )
    assert [item.text for item in answers] == [text.upper() for text in PROMPTS]
    assert len(before) == 8
    assert len(loopback.paid) == 20
    assert set(loopback.paid.values()) == {1}


def test_each_sample_is_asked_for_with_a_seed_of_its_own(tmp_path: Path, silent: Any) -> None:
    with served(Loopback()) as loopback:
        generator = opened(loopback, tmp_path, silent)
        for draw in range(3):
            generator.sample(
                PROMPTS[:4], max_new_tokens=9, temperature=0.7, seed=1, draw=draw, progress=silent
            )
        seeds = [body["seed"] for body in loopback.bodies]
        assert len(set(seeds)) == len(seeds) == 12
        assert {body["temperature"] for body in loopback.bodies} == {0.7}


def test_a_cost_limit_stops_it(tmp_path: Path, silent: Any) -> None:
    priced = ServingSpec(concurrency=1, usd_per_million_in=1e4, usd_per_million_out=1e4)
    with served(Loopback()) as loopback:
        ledger = Ledger(max_cost=1.0)
        generator = opened(loopback, tmp_path, silent, priced, ledger=ledger)
        with pytest.raises(EndpointError, match="--max-cost 1"):
            generator.generate(PROMPTS, max_new_tokens=20, progress=silent)
        assert 0 < ledger.spent <= 1.0
        with pytest.raises(UsageError, match=r"--backend openai\(...\)"):
            opened(loopback, tmp_path, silent, FAST, ledger=Ledger(max_cost=1.0))
        assert ledger.records()[0]["role"] == "model"


def test_a_model_with_weights_is_none_to_be_asked(pico: Path, tmp_path: Path, silent: Any) -> None:
    context = Context(silent, tmp_path, Loaded())
    with pytest.raises(UsageError, match="has weights of its own"):
        OpenAIGenerator(pico, CHATML, batch_size=1, dtype=SERVED, options=FAST, context=context)


@pytest.mark.parametrize(
    "uri",
    ["openai:", "openai:http://host/v1", "openai:ftp://host#m", "openai:http://u:p@host/v1#m",
     "openai:http://host/v1?key=1#m", "openai:http://host/v1#"],
)  # fmt: skip
def test_what_is_no_address_is_refused(uri: str) -> None:
    with pytest.raises(UsageError, match="openai:http://HOST/v1#MODEL"):
        Served.of("mine", uri)


def test_answers_are_a_stage_whose_key_knows_address_and_decoding_but_no_manners(
    tmp_path: Path, display: Any
) -> None:
    prompts = Prompts("one", Text('{"id": "a", "prompt": "Hello"}'))

    def stage(uri: str, decoding: Decoding = GREEDY, manner: ServingSpec = FAST) -> Answers:
        backend = Configured("openai", SERVED, 1, manner=manner)
        return Answers(Served.of("mine", uri), prompts, None, CHATML, decoding, backend)

    with served(Loopback(answer=str.upper)) as loopback:
        one = stage(f"openai:{loopback.url}#m")
        outcome = LocalExecutor(Store(tmp_path / "store"), display).run(Graph.of([one]))
        (answer,) = read_answers(outcome[one].path)
    assert (answer.text, answer.prompt_id) == ("HELLO", "a")
    assert one.key == stage(f"openai:{loopback.url}#m", manner=ServingSpec()).key
    others = [
        stage(f"openai:{loopback.url}#n"),
        stage("openai:http://elsewhere/v1#m"),
        stage(f"openai:{loopback.url}#m", Sampling(3)),
        stage(f"openai:{loopback.url}#m", Sampling(3, draw=1)),
        stage(f"openai:{loopback.url}#m", Sampling(3, temperature=0.5)),
        stage(f"openai:{loopback.url}#m", Sampling(3, seed=1)),
    ]
    assert len({one.key, *(other.key for other in others)}) == 7


@pytest.mark.usefixtures("no_files_of_other_tests")
@pytest.mark.slow
def test_workers_pay_from_the_session_s_ledger_and_keep_its_limit(
    tmp_path: Path, display: Any
) -> None:
    texts = "\n".join(f'{{"id": "{i}", "prompt": "{text}"}}' for i, text in enumerate(PROMPTS))
    priced = ServingSpec(concurrency=1, usd_per_million_in=1e4, usd_per_million_out=1e4)
    backend = Configured("openai", SERVED, 1, manner=priced)

    def run(max_cost: float | None) -> Bench:
        store = Store(tmp_path / f"store-{max_cost}")
        bench = Bench(store.root, Ledger(max_cost))
        model = Served.of("mine", f"openai:{loopback.url}#m")
        stage = Answers(model, Prompts("all", Text(texts)), None, CHATML, Decoding(20), backend)
        assert stage.resources(0).home
        with crew_for(store, display, Workers(count=2), bench=bench) as executor:
            executor.run(Graph.of([stage]))
        return bench

    with served(Loopback()) as loopback:
        (account,) = run(None).ledger.accounts.values()
        assert (account.role, account.asked) == ("model", len(PROMPTS))
        assert account.usd is not None
        with pytest.raises(EndpointError, match="--max-cost 1"):
            run(1.0)
