"""``--backend``, ``--samples``, and served models: what can be asked, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
from support.pico import FAMILY

from lox_bench.backends.backend import Backend, Configured, resolved
from lox_bench.backends.vllm import VllmOptions
from lox_bench.errors import LoxBenchError, MissingExtraError
from lox_bench.serving.endpoint import ServingSpec
from lox_bench.study import backends
from lox_bench.study.backends import automatic, choose_backends
from lox_bench.study.measure import Stages, graph_of
from lox_bench.study.request import Request
from lox_bench.study.study import Study, make_study

SERVED = "mine=openai:http://localhost:9/v1#m"


@pytest.fixture
def plan(pico: Path, tmp_path: Path) -> Any:
    file = tmp_path / "pico.toml"
    file.write_text(FAMILY.format(base=pico))

    def make(**asked: Any) -> Study:
        given = {"models": "base", "attack": "none", "judges": "keyword", **asked}
        return make_study(Request(family=str(file), **given))

    return make


@pytest.fixture
def with_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lox_bench.backends.engine.find_spec", lambda name: name)


def test_hf_is_the_usual_and_its_options_are_said_in_its_key(plan: Any) -> None:
    usual = plan()
    assert usual.backend == resolved(Backend())
    assert usual.answering.described() == {}
    assert plan(backend="hf").key == usual.key
    smaller = plan(backend="hf(dtype=float32,batch_size=7)")
    assert smaller.backend == Backend("hf", "float32", 7)
    assert smaller.key != usual.key


@pytest.mark.usefixtures("with_vllm")
def test_options_of_vllm_are_part_of_its_key_and_manners_of_endpoints_are_not() -> None:
    text = "vllm(dtype=bfloat16,tensor_parallel=2,memory=0.5),openai(key_env=MINE,retries=2)"
    chosen = choose_backends(text)
    options = VllmOptions(tensor_parallel=2, memory=0.5)
    assert chosen.local == Configured("vllm", "bfloat16", 256, options=options)
    assert chosen.served.manner == ServingSpec(key_env="MINE", retries=2)
    assert chosen.served == choose_backends("hf").served


@pytest.mark.usefixtures("with_vllm")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hff", "did you mean 'hf'"),
        ("hf,vllm", "one back end computes"),
        ("hf(memory=0.5)", "unknown argument 'memory'.*dtype, batch_size"),
        ("hf(dtype=int8)", "dtype must be one of auto, float32"),
        ("hf(batch_size=0)", "batch_size must be 1 to 65536, not '0'"),
        ("hf(batch_size=many)", "not 'many'"),
        ("vllm(memory=2)", "memory must be"),
        ("vllm(tensor_parallel=0)", "tensor_parallel must be"),
        ("vllm(gpus=2)", "back end 'vllm.gpus=2.': unknown argument"),
        ("openai(concurrency=0)", "concurrency must be"),
        ("hf,openai(key=1)", "unknown argument 'key'"),
    ],
)
def test_what_cannot_be_meant_is_one_line(text: str, said: str) -> None:
    with pytest.raises(LoxBenchError, match=said):
        choose_backends(text)


def test_vllm_that_is_not_installed_is_said_before_any_work(
    plan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lox_bench.backends.engine.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"lox-bench\[vllm\]"):
        plan(backend="vllm")


@pytest.mark.parametrize(
    ("device", "installed", "chosen", "why"),
    [
        ("cpu", True, "hf", "no GPU"),
        ("cuda", False, "hf", "not installed"),
        ("cuda", True, "vllm", "there is a GPU"),
    ],
)
def test_auto_says_why(
    monkeypatch: pytest.MonkeyPatch,
    device: str,
    installed: bool,
    chosen: str,
    why: str,
) -> None:
    monkeypatch.setenv("LOX_BENCH_DEVICE", device)
    monkeypatch.setattr(backends, "find_spec", lambda name: name if installed else None)
    name, reason = automatic()
    assert name == chosen
    assert why in reason


def test_auto_is_told_in_one_line(plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOX_BENCH_DEVICE", "cpu")
    assert plan(backend="auto").answering.why.startswith("back end: hf (auto: there is no GPU")


def test_what_models_are_trained_on_is_the_same_under_any_back_end(plan: Any) -> None:
    one, other = (plan(models="aligned", backend=text) for text in ("hf", "hf(batch_size=7)"))
    assert one.variants[0].model.key == other.variants[0].model.key
    answers = [Stages(study, study.variants[0]).answers["harmful"].key for study in (one, other)]
    assert answers[0] != answers[1]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"models": SERVED, "attack": "gsm8k"}, "'mine' is served: an attack trains weights"),
        ({"models": f"{SERVED}+lox"}, "lox needs weights"),
        ({"models": f"{SERVED}+lox(k=2)"}, "lox.k=2. needs weights"),
        ({"models": "mine=openai:localhost"}, "openai:http://HOST/v1#MODEL"),
        ({"models": f"base,{SERVED}", "backend": "openai"}, "'base' has weights"),
        ({"models": SERVED, "samples": 0}, "--samples must be 1"),
        ({"models": SERVED, "samples": 3}, "at temperature 0 all samples are one"),
        ({"models": SERVED, "temperature": -1.0}, "--temperature must be 0"),
    ],
)
def test_what_a_served_model_cannot_do_is_one_line(
    plan: Any, asked: dict[str, Any], said: str
) -> None:
    with pytest.raises(LoxBenchError, match=said):
        plan(**asked)


def test_a_served_model_stands_beside_one_with_weights(plan: Any) -> None:
    study = plan(models=f"base,{SERVED}", backend="hf,openai(concurrency=2)")
    names = [study.answering.backend_of(variant).name for variant in study.variants]
    assert names == ["hf", "openai"]


def test_each_sample_is_a_stage_so_that_more_of_them_cost_only_the_new_ones(plan: Any) -> None:
    three, five = (plan(samples=n, temperature=0.7) for n in (3, 5))
    held, wanted = ({stage.key for stage in graph_of(study).order} for study in (three, five))
    assert held < wanted
    assert len(wanted - held) == 2 * (2 + 2)  # two more samples: answers and verdicts of two sets
    assert plan(samples=1, temperature=0.7).key != plan().key
