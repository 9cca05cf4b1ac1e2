"""vLLM itself, where it is installed: the same answers as hf, and no process left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from support.adapters import lora
from support.pico import FAMILY, NoProgress, save_pico
from support.prompts import MESSAGES
from support.run_folders import Command
from support.tasks import task_files

from lox_bench.backends.hf import HFGenerator
from lox_bench.backends.resident import Resident
from lox_bench.backends.template import load_template
from lox_bench.backends.vllm import Answerer, VllmGenerator
from lox_bench.backends.vllm_model import VllmModel, VllmOptions
from lox_bench.engine.store import Store
from lox_bench.results.run import Run, VariantName, open_run
from lox_bench.utility.benchmark import read_benchmarks
from lox_bench.utility.library import documents, evaluate_benchmark
from lox_bench.utility.lm import Running
from lox_bench.weights.stacked import merge_adapters

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("vllm") is None, reason="vllm is not installed (extra vllm)"),
]
CHATML = load_template("chatml")
SMALL = VllmOptions(kv_gib=0.25, max_length=512)
ATTACK = "gsm8k(lora_r=2)"
ALL = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
OWNER = """
import sys
from pathlib import Path
from lox_bench.backends.template import load_template
from lox_bench.backends.vllm import VllmGenerator, VllmOptions

class Unseen:
    def step(self, done, total, detail=""):
        pass

if __name__ == "__main__":
    options = VllmOptions(kv_gib=0.25, max_length=512)
    generator = VllmGenerator(Path(sys.argv[1]), load_template("chatml"), options=options)
    print(generator.model.engine.pid, flush=True)
    while True:
        generator.generate(["Hello"] * 64, max_new_tokens=200, progress=Unseen())
"""


@pytest.fixture(scope="module")
def pico(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Path:
    """As everywhere, with heads of 32 channels: the fewest that vLLM's attention on a CPU has."""
    size = {"hidden_size": 128, "intermediate_size": 128}
    return save_pico(tmp_path_factory.mktemp("pico"), tokenizer, seed=0, **size)


def test_greedy_answers_are_hf_s_and_drawn_ones_have_seeds(pico: Path, silent: Any) -> None:
    plain = HFGenerator(pico, CHATML, dtype="float32")
    engine = VllmGenerator(pico, CHATML, dtype="float32", options=SMALL)
    try:
        wanted = plain.generate(MESSAGES, max_new_tokens=16, progress=silent)
        assert engine.generate(MESSAGES, max_new_tokens=16, progress=silent) == wanted
        drawn = [
            engine.sample(
                MESSAGES, max_new_tokens=16, temperature=1.0, seed=0, draw=draw, progress=silent
            )
            for draw in (0, 0, 1)
        ]
        assert drawn[0] == drawn[1] != drawn[2]
    finally:
        engine.close()


@pytest.fixture(scope="module")
def resident(pico: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Resident]:
    def start(path: Path, room: int) -> VllmModel:
        return VllmModel(path, batch_size=8, dtype="float32", options=SMALL, room=room)

    made = Resident(pico, start, Store(tmp_path_factory.mktemp("store")).root)
    yield made
    made.close()


def test_served_adapters_say_what_merged_ones_say_to_hf(
    pico: Path, tmp_path: Path, silent: Any, resident: Resident
) -> None:
    patterns = {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"down_proj": 3}}
    one = lora(pico, tmp_path / "one", size=0.3, **patterns)
    two = lora(pico, tmp_path / "two", size=0.3, r=12, use_rslora=True, targets=ALL)
    said = []
    for key, adapters in {"one": [one], "both": [one, two], "again": [one]}.items():
        place = tmp_path / f"merged-{key}"
        place.mkdir()
        merged = HFGenerator(merge_adapters(pico, adapters, place, silent), CHATML, dtype="float32")
        found = resident.adapted("+".join(map(str, adapters)), adapters, 16, silent)
        assert found.note == "served"
        served = Answerer(found.model, CHATML, found.number)
        wanted = merged.generate(MESSAGES, max_new_tokens=16, progress=silent)
        assert served.generate(MESSAGES, max_new_tokens=16, progress=silent) == wanted
        said.append(wanted)
    plain = HFGenerator(pico, CHATML, dtype="float32")
    said.append(plain.generate(MESSAGES, max_new_tokens=16, progress=silent))
    alone = Answerer(resident.plain(16), CHATML)
    assert alone.generate(MESSAGES, max_new_tokens=16, progress=silent) == said[-1]
    assert said[0] != said[1] != said[3] != said[0]


@pytest.mark.parametrize("task", ["choices.yaml", "choices.yaml(chat=yes)", "words.yaml", ""])
def test_log_probabilities_are_those_of_lm_eval_over_weights(
    pico: Path, tmp_path: Path, silent: Any, resident: Resident, task: str
) -> None:
    item = str(task_files(tmp_path) / task) if task else "perplexity"
    (spec,) = read_benchmarks(item)
    metrics = documents(spec).metrics
    by = Running(Answerer(resident.plain(16), CHATML), silent)
    plain, engine = (
        evaluate_benchmark(
            spec, pico, CHATML if spec.chat else None, by=who, limit=8, metrics=metrics
        )
        for who in (torch.float32, by)
    )
    for mine, theirs in zip(engine, plain, strict=True):
        assert mine.values == theirs.values
        for name, sums in theirs.weighted.items():
            assert mine.weighted[name] == pytest.approx(sums, abs=1e-3)


def test_each_sum_is_hf_s_and_whether_it_is_greedy(pico: Path, resident: Resident) -> None:
    scorer = Answerer(resident.plain(16), CHATML)
    plain = HFGenerator(pico, CHATML, dtype="float32")
    prompts = [plain.renderer.prompt_ids(message) for message in MESSAGES]
    greedy = scorer.continuations(prompts, max_new_tokens=6, progress=NoProgress())
    rows = [((*ids, *made), len(made)) for ids, made in zip(prompts, greedy, strict=True)]
    rows += [((*ids, 7, 9), 2) for ids in prompts]
    found = scorer.log_probabilities(rows, NoProgress())
    with torch.inference_mode():
        for (ids, count), (total, likeliest) in zip(rows, found, strict=True):
            logits = plain._model(torch.tensor([ids])).logits[0, -count - 1 : -1]
            told = logits.log_softmax(-1)
            wanted = torch.tensor(ids[-count:])
            own = told.gather(1, wanted[:, None]).sum()
            assert total == pytest.approx(float(own), abs=1e-4)
            assert likeliest == bool((told.argmax(-1) == wanted).all())
    assert [likeliest for _, likeliest in found] == [True] * len(MESSAGES) + [False] * len(MESSAGES)


def test_a_study_says_what_it_says_on_hf_and_the_gate_refuses_to_mix_them(
    pico: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOX_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "pico.toml").write_text(FAMILY.format(base=pico))
    task = task_files(tmp_path) / "choices.yaml"
    runs = {
        name: study(command, tmp_path, name, task, backend)
        for name, backend in {"hf": "hf", "vllm": "vllm(kv_gib=0.25,max_length=512)"}.items()
    }
    one, other = runs.values()
    assert {row.backend for row in other.rows} == {"vllm"}
    notes = {
        (variant.model, variant.attack): stage.facts.get("adapters")
        for variant in other.record.variants
        for stage in variant.stages
        if stage.kind == "answers"
    }
    assert notes == {
        ("aligned", "none"): None,
        ("aligned", ATTACK): "served",
        ("lox-delta(k=3)", "none"): "served",
        ("lox-delta(k=3)", ATTACK): "served",
    }
    for model, attack in notes:
        name = VariantName(model, attack, 0)
        assert one.completions(name, "harmful") == other.completions(name, "harmful")
    values = [
        {(row.model, row.attack, row.metric, row.judge): row.value for row in run.rows}
        for run in runs.values()
    ]
    assert values[0] == values[1]
    for against in (
        command("compare", str(one.path), str(other.path)),
        command("check", str(other.path), "--against", str(one.path / "leaderboard.csv")),
    ):
        assert against.code == 2
        assert "back end (hf float32" in against.err


def study(command: Command, folder: Path, name: str, task: Path, backend: str) -> Run:
    done = command(
        "run", "--family", str(folder / "pico.toml"), "--judges", "keyword", "--limit", "3",
        "--max-steps", "2", "--prompts", "harmful", "--out", str(folder / name),
        "--models", "aligned,lox-delta(k=3)", "--attack", ATTACK, "--utility", str(task),
        "--dtype", "float32", "--backend", backend,
    )  # fmt: skip
    assert done.code == 0, done.err
    return open_run(folder / name)


def group(pid: int) -> list[int]:
    """Processes of a process group that have not ended."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, number = file.read_text().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(number) == pid and state != "Z":
            found.append(int(file.parent.name))
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_owner_leaves_no_engine(pico: Path, tmp_path: Path, number: int) -> None:
    script = tmp_path / "owner.py"
    script.write_text(OWNER)
    owner = subprocess.Popen(
        [sys.executable, str(script), str(pico)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "VLLM_NO_USAGE_STATS": "1"},
    )
    assert owner.stdout is not None
    engine = int(owner.stdout.readline())
    assert group(engine)
    time.sleep(1)
    owner.send_signal(number)
    assert owner.wait(30) != 0
    owner.stdout.close()
    late = time.monotonic() + 20
    while group(engine) and time.monotonic() < late:
        time.sleep(0.1)
    assert not group(engine)
