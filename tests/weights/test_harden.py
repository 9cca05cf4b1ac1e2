"""The harden command and API: what a user gets, what is refused, what is never overwritten."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.pico import save_pico
from transformers import AutoModelForCausalLM
from typer.testing import CliRunner

import lox_bench
from lox_bench.cli.main import app
from lox_bench.errors import LoxBenchError, MismatchError, NonFiniteError, SourceError, TargetError
from lox_bench.weights import transform
from lox_bench.weights.lox import extrapolate

HARDEN = [sys.executable, "-c", "from lox_bench.cli.main import entry; entry()", "harden"]
WEIGHTS = "model.safetensors"


def plain_svd(base: torch.Tensor, aligned: torch.Tensor, k: int, alpha: float) -> torch.Tensor:
    """LoX by a full decomposition in float64, matrix by matrix, without any of our code."""
    left, sigma, right = torch.linalg.svd(aligned.double() - base.double(), full_matrices=False)
    step = (left[..., :k] * sigma[..., None, :k]) @ right[..., :k, :]
    return aligned.double() + alpha * step


def with_tensors(source: Path, out: Path, **changes: torch.Tensor) -> Path:
    """A copy of a folder with some tensors replaced or added."""
    shutil.copytree(source, out)
    tensors = load_file(out / WEIGHTS) | changes
    save_file({k: v.contiguous() for k, v in tensors.items()}, out / WEIGHTS)
    return out


def as_dtype(source: Path, out: Path, dtype: torch.dtype) -> Path:
    AutoModelForCausalLM.from_pretrained(source, dtype=dtype).save_pretrained(out)
    return out


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("shard", ["1GB", "40KB"])
def test_a_folder_is_hardened_as_by_a_plain_svd(
    pico: Path, pico_aligned: Path, tmp_path: Path, dtype: torch.dtype, shard: str
) -> None:
    base, aligned = as_dtype(pico, tmp_path / "b", dtype), tmp_path / "a"
    model = AutoModelForCausalLM.from_pretrained(pico_aligned, dtype=dtype)
    model.save_pretrained(aligned, max_shard_size=shard)
    made = lox_bench.harden(base, aligned, out=tmp_path / "out", k=3, alpha=1.25)
    before, after, result = (
        AutoModelForCausalLM.from_pretrained(path, dtype="auto").state_dict()
        for path in (base, aligned, tmp_path / "out")
    )
    assert (len(list(aligned.glob("*.safetensors"))) > 1) == (shard == "40KB")
    assert {p.name for p in aligned.iterdir()} | {"lox.json"} == {
        p.name for p in (tmp_path / "out").iterdir()
    }
    for name, tensor in result.items():
        assert tensor.dtype == dtype
        if tensor.ndim < 2:
            assert torch.equal(tensor, after[name])
            continue
        exact = plain_svd(before[name], after[name], 3, 1.25)
        ulp = torch.finfo(dtype).eps * exact.abs() + 1e-6
        assert ((tensor.double() - exact).abs() <= ulp).all()
    assert {held.certificate.k for held in made.tensors} == {3}


def test_a_wider_type_keeps_what_rounding_loses(pico: Path, tmp_path: Path) -> None:
    base = as_dtype(pico, tmp_path / "b", torch.bfloat16)
    nudged = {
        name: (held.float() * (1 + 2e-3 * torch.randn_like(held.float()))).to(torch.bfloat16)
        for name, held in load_file(base / WEIGHTS).items()
    }
    aligned = with_tensors(base, tmp_path / "a", **nudged)
    narrow = lox_bench.harden(base, aligned, out=tmp_path / "n", k=2, alpha=0.5)
    wide = lox_bench.harden(base, aligned, out=tmp_path / "w", k=2, alpha=0.5, dtype="float32")
    shares = [[held.certificate.unchanged for held in made.tensors] for made in (narrow, wide)]
    assert min(shares[0]) > 0.3 > max(shares[1])
    result, rounded = load_file(tmp_path / "w" / WEIGHTS), load_file(tmp_path / "n" / WEIGHTS)
    assert {held.dtype for held in result.values()} == {torch.float32}
    assert all(torch.equal(held.to(torch.bfloat16), rounded[k]) for k, held in result.items())
    assert json.loads((tmp_path / "w" / "config.json").read_text())["dtype"] == "float32"
    told = json.loads((tmp_path / "n" / "lox.json").read_text())
    counted = torch.cat([(rounded[k] == v).flatten() for k, v in nudged.items() if v.ndim > 1])
    assert told["unchanged"] == pytest.approx(float(counted.float().mean()), abs=1e-3)


def test_the_index_of_a_wider_result_tells_its_size(
    pico: Path, pico_aligned: Path, tmp_path: Path
) -> None:
    aligned = tmp_path / "a"
    model = AutoModelForCausalLM.from_pretrained(pico_aligned, dtype=torch.bfloat16)
    model.save_pretrained(aligned, max_shard_size="40KB")
    lox_bench.harden(pico, aligned, out=tmp_path / "out", k=2, dtype="float32")
    index = json.loads((tmp_path / "out" / "model.safetensors.index.json").read_text())
    held = [
        v for file in (tmp_path / "out").glob("*.safetensors") for v in load_file(file).values()
    ]
    assert index["metadata"]["total_size"] == sum(v.numel() * 4 for v in held)


def test_selection_and_ranks_by_pattern(pico: Path, pico_aligned: Path, tmp_path: Path) -> None:
    lox_bench.harden(
        pico, pico_aligned, out=tmp_path / "out", k=["4", "*.layers.1.*=1"], alpha=1.0,
        include=["*.layers.*"], exclude=["*.k_proj.*"],
    )  # fmt: skip
    base, aligned, made = (load_file(p / WEIGHTS) for p in (pico, pico_aligned, tmp_path / "out"))
    for name, tensor in made.items():
        rank = 0 if tensor.ndim < 2 or "embed" in name or "k_proj" in name else 4
        rank = min(rank, 1) if ".layers.1." in name else rank
        added = (tensor - aligned[name]).double()
        if tensor.ndim > 1:
            assert torch.linalg.matrix_rank(added, rtol=1e-3) == rank, name
    del base


def test_rank_rules_look_at_every_spectrum(pico: Path, pico_aligned: Path, tmp_path: Path) -> None:
    made = lox_bench.harden(pico, pico_aligned, out=tmp_path / "out", k="energy:0.4", alpha=1.0)
    base, aligned = load_file(pico / WEIGHTS), load_file(pico_aligned / WEIGHTS)
    for held in made.tensors:
        sigma = torch.linalg.svdvals((aligned[held.name] - base[held.name]).double())
        share = sigma.square().cumsum(0) / sigma.square().sum()
        assert held.certificate.k == int((share < 0.4).sum()) + 1
        assert held.certificate.energy == pytest.approx(float(share[held.certificate.k - 1]), 1e-4)


def test_experts_are_hardened_one_by_one(pico: Path, pico_aligned: Path, tmp_path: Path) -> None:
    base, aligned = torch.randn(4, 20, 12), torch.randn(4, 20, 12)
    name = "model.layers.0.mlp.experts"
    one = with_tensors(pico, tmp_path / "b", **{name: base})
    two = with_tensors(pico_aligned, tmp_path / "a", **{name: aligned})
    lox_bench.harden(one, two, out=tmp_path / "out", k=2, alpha=1.25)
    made = load_file(tmp_path / "out" / WEIGHTS)[name]
    for expert in range(4):
        exact = plain_svd(base[expert], aligned[expert], 2, 1.25)
        torch.testing.assert_close(made[expert].double(), exact, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bad", [float("nan"), float("-inf")])
@pytest.mark.parametrize(
    ("sick", "name"),
    [("base", "model.layers.1.mlp.up_proj.weight"),
     ("aligned", "model.layers.1.mlp.up_proj.weight"), ("aligned", "model.norm.weight")],
)  # fmt: skip
def test_a_weight_that_is_no_number_is_refused_by_name_and_nothing_is_left(
    pico: Path, pico_aligned: Path, tmp_path: Path, bad: float, name: str, sick: str
) -> None:
    tensor = load_file((pico if sick == "base" else pico_aligned) / WEIGHTS)[name]
    tensor.view(-1)[3] = bad
    ill = with_tensors(pico if sick == "base" else pico_aligned, tmp_path / "ill", **{name: tensor})
    pair = (ill, pico_aligned) if sick == "base" else (pico, ill)
    with pytest.raises(NonFiniteError, match=name.replace(".", r"\.")):
        lox_bench.harden(*pair, out=tmp_path / "out", k=2)
    assert [path.name for path in tmp_path.iterdir()] == ["ill"]


def test_leaving_float16_s_range_is_refused(pico: Path, pico_aligned: Path, tmp_path: Path) -> None:
    base, aligned = (as_dtype(p, tmp_path / p.name, torch.float16) for p in (pico, pico_aligned))
    save_file(
        {name: tensor * 2000 for name, tensor in load_file(aligned / WEIGHTS).items()},
        aligned / WEIGHTS,
    )
    with pytest.raises(NonFiniteError, match="range"):
        lox_bench.harden(base, aligned, out=tmp_path / "out", k=2, alpha=100)


def test_a_head_that_only_one_model_stores_is_the_tied_embedding(
    pico: Path, tokenizer: Any, tmp_path: Path
) -> None:
    untied = save_pico(tmp_path / "untied", tokenizer, seed=1, tied=False)
    lox_bench.harden(pico, untied, out=tmp_path / "out", k=2, alpha=1.25)
    base, aligned, made = (load_file(p / WEIGHTS) for p in (pico, untied, tmp_path / "out"))
    expected = extrapolate(
        base["model.embed_tokens.weight"], aligned["lm_head.weight"], rank=2, alpha=1.25
    )
    assert torch.equal(made["lm_head.weight"], expected)
    lox_bench.harden(untied, pico, out=tmp_path / "back", k=2)
    assert "lm_head.weight" not in load_file(tmp_path / "back" / WEIGHTS)


@pytest.mark.fault(6, inputs=1)
def test_a_resized_vocabulary_can_be_left_as_aligned(
    pico: Path, pico_aligned: Path, tmp_path: Path
) -> None:
    name = "model.embed_tokens.weight"
    longer = torch.cat([load_file(pico_aligned / WEIGHTS)[name], torch.ones(3, 32)])
    grown = with_tensors(pico_aligned, tmp_path / "grown", **{name: longer})
    with pytest.raises(MismatchError, match="--exclude") as refused:
        lox_bench.harden(pico, grown, out=tmp_path / "out", k=2)
    advice = re.findall(r'--exclude "([^"]+)"', str(refused.value))
    assert advice == [name]
    lox_bench.harden(pico, grown, out=tmp_path / "out", k=2, exclude=advice)
    assert torch.equal(load_file(tmp_path / "out" / WEIGHTS)[name], longer)


@pytest.mark.fault(6, inputs=1)
def test_the_advice_on_a_resized_vocabulary_works_for_untied_models_too(
    tmp_path: Path, tokenizer: Any
) -> None:
    base = save_pico(tmp_path / "base", tokenizer, seed=0, tied=False)
    aligned = save_pico(tmp_path / "aligned", tokenizer, seed=1, tied=False)
    held = load_file(aligned / WEIGHTS)
    longer = {
        name: torch.cat([held[name], torch.ones(3, 32)])
        for name in ("lm_head.weight", "model.embed_tokens.weight")
    }
    grown = with_tensors(aligned, tmp_path / "grown", **longer)
    with pytest.raises(MismatchError) as refused:
        lox_bench.harden(base, grown, out=tmp_path / "out", k=2)
    advice = re.findall(r'--exclude "([^"]+)"', str(refused.value))
    lox_bench.harden(base, grown, out=tmp_path / "out", k=2, exclude=advice)
    made = load_file(tmp_path / "out" / WEIGHTS)
    assert all(torch.equal(made[name], tensor) for name, tensor in longer.items())


@pytest.mark.fault(6, inputs=1)
def test_another_shape_elsewhere_gets_no_such_advice(
    pico: Path, pico_aligned: Path, tmp_path: Path
) -> None:
    name = "model.layers.0.mlp.down_proj.weight"
    other = with_tensors(pico_aligned, tmp_path / "other", **{name: torch.ones(32, 7)})
    with pytest.raises(MismatchError, match=r"one architecture$"):
        lox_bench.harden(pico, other, out=tmp_path / "out", k=2)


def test_quantized_weights_are_refused(pico: Path, pico_aligned: Path, tmp_path: Path) -> None:
    coded = tmp_path / "coded"
    shutil.copytree(pico_aligned, coded)
    config = json.loads((coded / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq"}
    (coded / "config.json").write_text(json.dumps(config))
    with pytest.raises(SourceError, match="quantized \\(gptq\\)"):
        lox_bench.harden(pico, coded, out=tmp_path / "out")


def test_nothing_existing_is_replaced_without_force(
    pico: Path, pico_aligned: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    lox_bench.harden(pico, pico_aligned, out=out, k=2)
    before = load_file(out / WEIGHTS)["model.embed_tokens.weight"].clone()
    with pytest.raises(TargetError, match="--force"):
        lox_bench.harden(pico, pico_aligned, out=out, k=3)
    assert torch.equal(load_file(out / WEIGHTS)["model.embed_tokens.weight"], before)
    lox_bench.harden(pico, pico_aligned, out=out, k=3, force=True)
    assert not torch.equal(load_file(out / WEIGHTS)["model.embed_tokens.weight"], before)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_force_replaces_neither_other_folders_nor_what_is_read(
    pico: Path, pico_aligned: Path, tmp_path: Path
) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("precious")
    with pytest.raises(TargetError, match="neither a model nor an adapter"):
        lox_bench.harden(pico, pico_aligned, out=tmp_path / "thesis", force=True)
    for target in (pico, pico_aligned.parent):
        with pytest.raises(TargetError, match="which is read"):
            lox_bench.harden(pico, pico_aligned, out=target, force=True)


def test_a_failed_replacement_leaves_the_old_model(
    pico: Path, pico_aligned: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(pico, out)
    with pytest.raises(LoxBenchError):
        lox_bench.harden(pico, pico_aligned, out=out, k=2, include=["nothing"], force=True)
    assert (out / WEIGHTS).read_bytes() == (pico / WEIGHTS).read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_disk_that_is_too_small_is_found_first(
    pico: Path, pico_aligned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(transform.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(TargetError, match="GiB are free"):
        lox_bench.harden(pico, pico_aligned, out=tmp_path / "out", k=2)
    assert not list(tmp_path.iterdir())


def test_a_killed_run_leaves_no_model_and_the_next_one_cleans_up(
    pico: Path, pico_aligned: Path, tmp_path: Path
) -> None:
    out, partial = tmp_path / "out", tmp_path / ".out.partial"
    options = ["--base", pico, "--aligned", pico_aligned, "--out", out, "--k", "2", "--quiet"]
    slow = (
        "import time\n"
        "from lox_bench.weights import shards\n"
        "kept = shards.ShardWriter.write\n"
        "shards.ShardWriter.write = lambda *a: (time.sleep(0.3), kept(*a))\n"
        "from lox_bench.cli.main import entry; entry()"
    )
    child = subprocess.Popen([sys.executable, "-c", slow, "harden", *map(str, options)])
    while not (partial / WEIGHTS).is_file():
        assert child.poll() is None
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert not out.exists()
    (partial / "rubbish").write_text("of the killed run")
    lox_bench.harden(pico, pico_aligned, out=out, k=2)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert not (out / "rubbish").exists()
    assert not (out / ".lock").exists()


@pytest.fixture
def state(pico: Path, pico_aligned: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    models = [AutoModelForCausalLM.from_pretrained(p) for p in (pico, pico_aligned)]
    base, aligned = (dict(model.state_dict()) for model in models)
    return base, aligned


def test_state_dicts_give_what_folders_give(
    pico: Path, pico_aligned: Path, tmp_path: Path, state: Any
) -> None:
    base, aligned = state
    kept = {name: tensor.clone() for name, tensor in aligned.items()}
    made = lox_bench.harden(base, aligned, k=2, alpha=1.25)
    lox_bench.harden(pico, pico_aligned, out=tmp_path / "out", k=2, alpha=1.25)
    for name, tensor in load_file(tmp_path / "out" / WEIGHTS).items():
        assert torch.equal(made[name], tensor)
    assert all(torch.equal(aligned[name], kept[name]) for name in kept)
    assert made["lm_head.weight"] is made["model.embed_tokens.weight"]


def test_loaded_models_give_a_hardened_copy(pico: Path, pico_aligned: Path, state: Any) -> None:
    base, aligned = (AutoModelForCausalLM.from_pretrained(p) for p in (pico, pico_aligned))
    made = lox_bench.harden(base, aligned, k=2, alpha=1.25)
    expected = lox_bench.harden(*state, k=2, alpha=1.25)
    assert all(torch.equal(held, expected[name]) for name, held in made.state_dict().items())
    assert made.lm_head.weight is made.model.embed_tokens.weight
    assert torch.equal(aligned.lm_head.weight, state[1]["lm_head.weight"])
    ids = torch.arange(20)[None]
    same = lox_bench.harden(base, aligned, alpha=0.0)
    with torch.no_grad():
        assert torch.equal(same(ids).logits, aligned(ids).logits)


def test_models_that_do_not_belong_together_are_refused(state: Any) -> None:
    base, aligned = state
    with pytest.raises(MismatchError, match="extra"):
        lox_bench.harden(base, {**aligned, "extra": torch.zeros(2, 2)})
    with pytest.raises(LoxBenchError, match="one kind"):
        lox_bench.harden(base, "somewhere")
    with pytest.raises(LoxBenchError, match=r"norm|embed|proj"):
        lox_bench.harden(base, {k: v[:1] for k, v in aligned.items()})
    with pytest.raises(LoxBenchError, match="out="):
        lox_bench.harden("here", "there")


def test_a_device_that_is_not_there_is_one_clear_error(state: Any) -> None:
    with pytest.raises(LoxBenchError, match="cannot be used"):
        lox_bench.harden(*state, device="cuda:7")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_gpu_gives_the_same_model(state: Any) -> None:
    here, there = (lox_bench.harden(*state, k=2, device=device) for device in ("cpu", "cuda"))
    for name, tensor in here.items():
        torch.testing.assert_close(there[name], tensor, rtol=1e-5, atol=1e-5)


def test_the_command_tells_what_it_did(pico: Path, pico_aligned: Path, tmp_path: Path) -> None:
    options = ["harden", "--base", pico, "--aligned", pico_aligned, "--out", tmp_path / "out"]
    done = CliRunner().invoke(
        app, [*map(str, options), "--debug", "--k", "2", "--alpha", "0.5", "--table"]
    )
    assert done.exit_code == 0
    assert "residual" in done.stdout
    told = json.loads((tmp_path / "out" / "lox.json").read_text())
    assert told["settings"]["rank"] == "2"
    assert told["settings"]["alpha"] == 0.5
    assert 0 < told["residual"] < 1e-5
    quiet = CliRunner().invoke(app, [*map(str, options), "--debug", "--force", "--json"])
    assert json.loads(quiet.stdout)["settings"]["rank"] == "6"


MISTAKES = {
    "no such folder": (["--base", "nowhere/at/all"], "no folder"),
    "rank zero": (["--k", "0"], "k must be"),
    "unknown type": (["--dtype", "int4"], "bfloat16"),
    "a type for an adapter": (["--dtype", "float32", "--format", "delta"], "float32;"),
    "unknown precision": (["--precision", "float16"], "float32, float64"),
    "pattern of nothing": (["--include", "*.attention.*"], "matches none"),
    "full rank in an adapter": (["--k", "full", "--format", "delta"], "--format full"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_clear_line(
    name: str, pico: Path, pico_aligned: Path, tmp_path: Path
) -> None:
    arguments, said = MISTAKES[name]
    given = {"--base": pico, "--aligned": pico_aligned, "--out": tmp_path / "out"}
    options = [str(part) for pair in given.items() for part in pair if pair[0] not in arguments]
    done = CliRunner().invoke(app, ["harden", *options, "--quiet", "--debug", *arguments])
    assert isinstance(done.exception, LoxBenchError)
    assert said in str(done.exception)
    assert len(str(done.exception).splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_the_command_exits_with_two_and_no_traceback(tmp_path: Path) -> None:
    command = [*HARDEN, "--base", "nowhere/at/all", "--aligned", ".", "--out", "out", "--quiet"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("lox-bench: ")
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())
