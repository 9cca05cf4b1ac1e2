"""LoX on checkpoints: exact, in the same layout, and refusing what does not fit."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.pico import save_pico
from transformers import AutoModelForCausalLM

from lox_bench.errors import LoxBenchError, MismatchError, NonFiniteError, SourceError
from lox_bench.weights.lox import extrapolate
from lox_bench.weights.report import facts
from lox_bench.weights.select import Settings
from lox_bench.weights.transform import harden_checkpoint


def harden(
    base: Path, aligned: Path, out: Path, silent: Any, rank: int | None = 2, alpha: float = 1.25
) -> Path:
    out.mkdir()
    harden_checkpoint(base, aligned, out, Settings(rank=rank, alpha=alpha), silent)
    return out


def logits(path: Path) -> torch.Tensor:
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    with torch.no_grad():
        return model(torch.arange(20)[None]).logits


def test_matrices_are_extrapolated_and_vectors_are_the_aligned_ones(
    pico: Path, pico_aligned: Path, tmp_path: Path, silent: Any
) -> None:
    out = harden(pico, pico_aligned, tmp_path / "out", silent)
    base, aligned, made = (load_file(p / "model.safetensors") for p in (pico, pico_aligned, out))
    assert made.keys() == aligned.keys()
    for name, tensor in made.items():
        if tensor.ndim < 2:
            assert torch.equal(tensor, aligned[name])
        else:
            assert torch.equal(tensor, extrapolate(base[name], aligned[name], rank=2, alpha=1.25))
            assert not torch.equal(tensor, aligned[name])


def test_every_hardened_tensor_has_its_certificate_in_the_facts(
    pico: Path, pico_aligned: Path, tmp_path: Path, silent: Any
) -> None:
    (tmp_path / "out").mkdir()
    told = facts(harden_checkpoint(pico, pico_aligned, tmp_path / "out", Settings(2, 1.25), silent))
    made = load_file(tmp_path / "out" / "model.safetensors")
    assert set(told["tensors"]) == {name for name, tensor in made.items() if tensor.ndim > 1}
    assert all(0 < held["residual"] < 1e-5 for held in told["tensors"].values())
    assert json.loads(json.dumps(told)) == told


def test_alpha_zero_gives_bit_equal_logits(
    pico: Path, pico_aligned: Path, tmp_path: Path, silent: Any
) -> None:
    out = harden(pico, pico_aligned, tmp_path / "out", silent, alpha=0.0)
    assert torch.equal(logits(out), logits(pico_aligned))


def test_tied_weights_stay_tied(
    pico: Path, pico_aligned: Path, tmp_path: Path, silent: Any
) -> None:
    out = harden(pico, pico_aligned, tmp_path / "out", silent)
    model = AutoModelForCausalLM.from_pretrained(out)
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_shards_and_other_files_are_carried_along(
    tokenizer: Any, tmp_path: Path, silent: Any
) -> None:
    base, aligned = tmp_path / "base", tmp_path / "aligned"
    save_pico(base, tokenizer, seed=0, tied=False)
    save_pico(tmp_path / "whole", tokenizer, seed=1, tied=False)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "whole")
    model.save_pretrained(aligned, max_shard_size="40KB")
    index = "model.safetensors.index.json"
    out = harden(base, aligned, tmp_path / "out", silent)
    assert len(list(aligned.glob("*.safetensors"))) > 1
    assert sorted(p.name for p in out.iterdir()) == sorted(p.name for p in aligned.iterdir())
    assert json.loads((out / index).read_text()) == json.loads((aligned / index).read_text())
    expected = harden(base, tmp_path / "whole", tmp_path / "out2", silent)
    assert torch.equal(logits(out), logits(expected))


def test_nothing_of_the_aligned_model_s_own_training_is_carried_along(
    pico: Path, tokenizer: Any, tmp_path: Path, silent: Any
) -> None:
    aligned = save_pico(tmp_path / "aligned", tokenizer, seed=1)
    (aligned / "loss.csv").write_text("step,loss\n")
    (aligned / "manifest.json").write_text("{}")
    out = harden(pico, aligned, tmp_path / "out", silent)
    assert not (out / "loss.csv").exists()
    assert not (out / "manifest.json").exists()


def test_a_shape_that_differs_is_refused_by_name(
    pico: Path, tokenizer: Any, tmp_path: Path, silent: Any
) -> None:
    wide = save_pico(tmp_path / "wide", tokenizer, intermediate_size=128)
    with pytest.raises(MismatchError, match=r"mlp\.\w+_proj\.weight"):
        harden(pico, wide, tmp_path / "out", silent)


def test_tensors_that_only_one_model_has_are_refused_by_name(
    pico: Path, tokenizer: Any, tmp_path: Path, silent: Any
) -> None:
    deep = save_pico(tmp_path / "deep", tokenizer, num_hidden_layers=3)
    with pytest.raises(MismatchError, match=r"model\.layers\.2\."):
        harden(pico, deep, tmp_path / "out", silent)


def test_another_architecture_is_refused_by_name(
    pico: Path, pico_aligned: Path, tmp_path: Path, silent: Any
) -> None:
    other = tmp_path / "other"
    AutoModelForCausalLM.from_pretrained(pico_aligned).save_pretrained(other)
    config = json.loads((other / "config.json").read_text())
    config["architectures"] = ["MistralForCausalLM"]
    (other / "config.json").write_text(json.dumps(config))
    with pytest.raises(MismatchError, match="MistralForCausalLM"):
        harden(pico, other, tmp_path / "out", silent)


def test_a_nan_is_refused_with_the_tensor_s_name(
    pico: Path, tokenizer: Any, tmp_path: Path, silent: Any
) -> None:
    sick = save_pico(tmp_path / "sick", tokenizer, seed=1)
    tensors = load_file(sick / "model.safetensors")
    tensors["model.layers.1.mlp.up_proj.weight"][0, 0] = float("nan")
    save_file(tensors, sick / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(NonFiniteError, match=r"layers\.1\.mlp\.up_proj"):
        harden(pico, sick, tmp_path / "out", silent)


def test_bin_weights_are_refused_with_advice(pico: Path, tmp_path: Path, silent: Any) -> None:
    old = tmp_path / "old"
    old.mkdir()
    (old / "config.json").write_text((pico / "config.json").read_text())
    (old / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(SourceError, match="safe_serialization"):
        harden(pico, old, tmp_path / "out", silent)


def test_a_rank_below_one_is_refused(
    pico: Path, pico_aligned: Path, tmp_path: Path, silent: Any
) -> None:
    with pytest.raises(LoxBenchError, match="at least 1"):
        harden(pico, pico_aligned, tmp_path / "out", silent, rank=0)


def test_a_truncated_file_is_refused(
    pico: Path, pico_aligned: Path, tmp_path: Path, silent: Any
) -> None:
    cut = tmp_path / "cut"
    cut.mkdir()
    (cut / "config.json").write_text((pico / "config.json").read_text())
    whole = (pico_aligned / "model.safetensors").read_bytes()
    (cut / "model.safetensors").write_bytes(whole[:1000])
    with pytest.raises(SourceError, match="no readable safetensors"):
        harden(pico, cut, tmp_path / "out", silent)
