"""PEFT adapters in and out, checked against PEFT itself."""

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.adapters import lora, peft_merged
from support.pico import save_pico

import lox_bench
from lox_bench.cli.progress import SilentDisplay
from lox_bench.engine.graph import Graph
from lox_bench.engine.local import LocalExecutor
from lox_bench.engine.store import Store
from lox_bench.errors import LoxBenchError, NonFiniteError, SourceError, UsageError
from lox_bench.study.family import load_family
from lox_bench.study.variant import Family

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    peft = pytest.importorskip("peft")

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # PEFT's advice

WEIGHTS = "model.safetensors"
EVERYTHING = ["q_proj", "v_proj", "down_proj", "lm_head"]


@pytest.fixture(scope="module")
def untied_aligned(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Path:
    return save_pico(tmp_path_factory.mktemp("untied-a"), tokenizer, seed=1, tied=False)


def save_adapter(base: Path, out: Path, **config: Any) -> Path:
    """A LoRA adapter with random factors."""
    targets = config.pop("target_modules", EVERYTHING)
    return lora(base, out, targets=targets, **config)


CONFIGS = {
    "plain": {},
    "rank-stabilised": {"use_rslora": True},
    "ranks by pattern": {
        "rank_pattern": {"q_proj": 2},
        "alpha_pattern": {"layers.1.mlp.down_proj": 3},
    },
    "alpha by module": {"alpha_pattern": {"model.layers.0.self_attn.q_proj": 5}},
    "embedding": {"target_modules": ["q_proj", "embed_tokens"]},
    "whole module": {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]},
}


@pytest.mark.parametrize("name", CONFIGS)
def test_alpha_zero_is_the_model_that_peft_merges(name: str, untied: Path, tmp_path: Path) -> None:
    adapter = save_adapter(untied, tmp_path / "adapter", **CONFIGS[name])
    lox_bench.harden(untied, adapter, out=tmp_path / "out", k=2, alpha=0.0)
    expected = peft_merged(untied, adapter)
    made = load_file(tmp_path / "out" / WEIGHTS)
    assert made.keys() == expected.keys()
    for key, held in made.items():
        torch.testing.assert_close(held, expected[key], rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", CONFIGS)
def test_an_adapter_is_hardened_like_the_merged_model(
    name: str, untied: Path, tmp_path: Path
) -> None:
    adapter = save_adapter(untied, tmp_path / "adapter", **CONFIGS[name])
    whole = {key: held.contiguous() for key, held in peft_merged(untied, adapter).items()}
    base = load_file(untied / WEIGHTS)
    lox_bench.harden(untied, adapter, out=tmp_path / "out", k=2, alpha=1.25)
    expected = lox_bench.harden(base, whole, k=2, alpha=1.25, precision="float64")
    made = load_file(tmp_path / "out" / WEIGHTS)
    changed = 0
    for key, held in made.items():
        changed += not torch.equal(held, base[key])
        if (whole[key] - base[key]).abs().max() > 1e-4:  # elsewhere only merging's rounding
            torch.testing.assert_close(held, expected[key], rtol=0, atol=2e-5)
    assert changed >= 3


def test_tensors_left_out_by_pattern_keep_the_adapter_s_change(
    untied: Path, tmp_path: Path
) -> None:
    adapter = save_adapter(untied, tmp_path / "adapter")
    lox_bench.harden(untied, adapter, out=tmp_path / "out", k=2, exclude=["*v_proj*"])
    made, expected = load_file(tmp_path / "out" / WEIGHTS), peft_merged(untied, adapter)
    for key, held in made.items():
        if "v_proj" in key:
            torch.testing.assert_close(held, expected[key], rtol=0, atol=2e-6)


@pytest.mark.parametrize("k", [2, "energy:0.4"])
def test_the_delta_over_an_aligned_model_is_the_step(
    untied: Path, untied_aligned: Path, tmp_path: Path, k: int | str
) -> None:
    lox_bench.harden(untied, untied_aligned, out=tmp_path / "full", k=k, alpha=1.25)
    made = lox_bench.harden(
        untied, untied_aligned, out=tmp_path / "delta", k=k, alpha=1.25, format="delta"
    )
    expected, weights = (
        load_file(tmp_path / "full" / WEIGHTS),
        peft_merged(untied_aligned, tmp_path / "delta"),
    )
    assert not made.left_out
    assert len(made.tensors) == sum(held.ndim > 1 for held in expected.values())
    for key, held in expected.items():
        torch.testing.assert_close(weights[key], held, rtol=0, atol=1e-5)


def test_a_negative_alpha_survives_the_split_of_the_factors(
    untied: Path, untied_aligned: Path, tmp_path: Path
) -> None:
    pair = (untied, untied_aligned)
    lox_bench.harden(*pair, out=tmp_path / "full", k=2, alpha=-0.5)
    lox_bench.harden(*pair, out=tmp_path / "delta", k=2, alpha=-0.5, format="delta")
    weights = peft_merged(untied_aligned, tmp_path / "delta")
    for key, held in load_file(tmp_path / "full" / WEIGHTS).items():
        torch.testing.assert_close(weights[key], held, rtol=0, atol=1e-5)


def test_a_tied_embedding_is_left_out_and_said_so(
    pico: Path, pico_aligned: Path, tmp_path: Path
) -> None:
    made = lox_bench.harden(pico, pico_aligned, out=tmp_path / "out", k=2, format="delta")
    assert list(made.left_out) == ["model.embed_tokens.weight"]
    assert "tied" in made.left_out["model.embed_tokens.weight"]
    told = json.loads((tmp_path / "out" / "lox.json").read_text())
    assert told["left_out"] == made.left_out
    weights, aligned = (
        peft_merged(pico_aligned, tmp_path / "out"),
        load_file(pico_aligned / WEIGHTS),
    )
    assert torch.equal(weights["lm_head.weight"], aligned["model.embed_tokens.weight"])


@pytest.mark.parametrize("name", [name for name in CONFIGS if name != "whole module"])
def test_the_delta_over_an_adapter_holds_both_changes(
    name: str, untied: Path, tmp_path: Path
) -> None:
    adapter = save_adapter(untied, tmp_path / "adapter", **CONFIGS[name])
    options = {"k": 1, "alpha": 1.25, "exclude": ["*.layers.1.self_attn.*"]}
    lox_bench.harden(untied, adapter, out=tmp_path / "full", **options)
    lox_bench.harden(untied, adapter, out=tmp_path / "delta", **options, format="delta")
    weights = peft_merged(untied, tmp_path / "delta")
    for key, held in load_file(tmp_path / "full" / WEIGHTS).items():
        torch.testing.assert_close(weights[key], held, rtol=0, atol=1e-5)


def test_an_adapter_is_small(pico: Path, pico_aligned: Path, tmp_path: Path) -> None:
    made = lox_bench.harden(pico, pico_aligned, out=tmp_path / "out", k=2, format="delta")
    held = load_file(tmp_path / "out" / "adapter_model.safetensors")
    assert sum(part.numel() for part in held.values()) == sum(
        2 * sum(item.shape) for item in made.tensors
    )


def rewrite(adapter: Path, **changes: Any) -> Path:
    file = adapter / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    return adapter


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"use_dora": True}, "use_dora"), ({"peft_type": "IA3"}, "only LORA"),
     ({"init_lora_weights": "pissa_niter_4"}, "pissa"),
     ({"target_parameters": ["mlp.experts"]}, "target_parameters")],
)  # fmt: skip
def test_adapters_that_mean_something_else_are_refused(
    untied: Path, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    adapter = rewrite(save_adapter(untied, tmp_path / "adapter"), **changes)
    with pytest.raises(SourceError, match=said):
        lox_bench.harden(untied, adapter, out=tmp_path / "out")


def test_an_adapter_of_another_base_is_refused(
    pico: Path, untied: Path, tokenizer: Any, tmp_path: Path
) -> None:
    adapter = save_adapter(untied, tmp_path / "adapter")
    with pytest.raises(SourceError, match="ties embedding and head"):
        lox_bench.harden(pico, adapter, out=tmp_path / "out")
    other = save_pico(tmp_path / "other", tokenizer, seed=5, tied=False)
    with pytest.raises(SourceError, match="another base"):
        lox_bench.harden(other, adapter, out=tmp_path / "out")
    adapter = save_adapter(untied, tmp_path / "small", target_modules=["down_proj"])
    wide = save_pico(tmp_path / "wide", tokenizer, tied=False, intermediate_size=128)
    with pytest.raises(LoxBenchError, match=r"down_proj.*do not fit"):
        lox_bench.harden(wide, adapter, out=tmp_path / "out")


def test_nan_in_an_adapter_is_refused_by_name(untied: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    adapter = save_adapter(untied, tmp_path / "adapter")
    file = adapter / "adapter_model.safetensors"
    held = load_file(file)
    next(part for key, part in held.items() if "layers.1.mlp.down" in key)[0, 0] = float("nan")
    save_file(held, file)
    with pytest.raises(NonFiniteError, match=r"layers\.1\.mlp\.down_proj"):
        lox_bench.harden(untied, adapter, out=tmp_path / "out")


def test_whole_modules_do_not_fit_into_a_new_adapter(untied: Path, tmp_path: Path) -> None:
    adapter = save_adapter(untied, tmp_path / "adapter", **CONFIGS["whole module"])
    with pytest.raises(UsageError, match="whole tensors"):
        lox_bench.harden(untied, adapter, out=tmp_path / "out", format="delta")


def test_a_bin_adapter_is_refused_with_advice(untied: Path, tmp_path: Path) -> None:
    adapter = save_adapter(untied, tmp_path / "adapter")
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    with pytest.raises(SourceError, match="safe_serialization"):
        lox_bench.harden(untied, adapter, out=tmp_path / "out")


TIED = {
    "embedding saved whole": {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"]},
    "embedding with factors": {"target_modules": ["q_proj", "embed_tokens"]},
    "head with factors": {"target_modules": ["q_proj", "lm_head"]},
    "both": {"target_modules": ["q_proj", "lm_head", "embed_tokens"]},
    "head saved whole": {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]},
    "tied by peft": {
        "target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"],
        "ensure_weight_tying": True,
    },
}  # fmt: skip


@pytest.mark.fault(5)
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", TIED)
def test_a_change_to_one_side_of_a_tied_pair_is_refused_for_what_it_is(
    name: str, pico: Path, tmp_path: Path
) -> None:
    adapter = save_adapter(pico, tmp_path / "adapter", **TIED[name])
    with pytest.raises(SourceError, match="ties embedding and head"):
        lox_bench.harden(pico, adapter, out=tmp_path / "out", k=2)
    assert not (tmp_path / "out").exists()


@pytest.mark.fault(5)
@pytest.mark.parametrize(
    "name", ["plain", "rank-stabilised", "ranks by pattern", "alpha by module"]
)
def test_other_changes_over_a_tied_base_are_what_peft_merges(
    name: str, pico: Path, tmp_path: Path
) -> None:
    config = {**CONFIGS[name], "target_modules": ["q_proj", "v_proj", "down_proj"]}
    adapter = save_adapter(pico, tmp_path / "adapter", **config)
    lox_bench.harden(pico, adapter, out=tmp_path / "out", k=2, alpha=0.0)
    expected = peft_merged(pico, adapter)
    for key, held in load_file(tmp_path / "out" / WEIGHTS).items():
        torch.testing.assert_close(held, expected[key], rtol=0, atol=2e-6)


@pytest.mark.fault(5)
@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"peft_type": "LORA"}', '{"peft_type": "LORA", "lora_alpha": "8"}',
             '{"peft_type": "LORA", "lora_alpha": true}', '{"a":' * 9999, "NaN"]
)  # fmt: skip
def test_a_broken_configuration_is_one_line(text: str, untied: Path, tmp_path: Path) -> None:
    adapter = save_adapter(untied, tmp_path / "adapter")
    (adapter / "adapter_config.json").write_text(text)
    with pytest.raises(SourceError):
        lox_bench.harden(untied, adapter, out=tmp_path / "out", k=2)


@pytest.mark.fault(5)
@pytest.mark.parametrize(
    "config",
    [
        {},
        {"use_rslora": True},
        {"target_modules": ["q_proj"], "alpha_pattern": {"q_proj": 3}},
        {"target_modules": ["down_proj"], "modules_to_save": ["v_proj"]},
    ],
)
def test_an_adapter_as_a_model_under_test_is_what_peft_merges(
    untied: Path, tmp_path: Path, config: Any
) -> None:
    adapter = save_adapter(untied, tmp_path / "adapter", **config)
    family = Family(
        replace(load_family("smollm2-135m"), base=str(untied), dtype="float32", template="chatml")
    )
    stage = family.model_at(str(adapter))
    store = Store(tmp_path / "store")
    done = LocalExecutor(store, SilentDisplay()).run(Graph.of([stage], []))
    held = load_file(done[stage].path / WEIGHTS)
    wanted = peft_merged(untied, adapter)
    assert set(held) == set(wanted)
    assert max(float((held[name] - wanted[name]).abs().max()) for name in held) < 1e-6


@pytest.mark.fault(5, inputs=1)
def test_another_adapter_is_another_model(untied: Path, tmp_path: Path) -> None:
    family = Family(replace(load_family("smollm2-135m"), base=str(untied), template="chatml"))
    adapter = save_adapter(untied, tmp_path / "adapter")
    before = family.model_at(str(adapter)).key
    weights = load_file(adapter / "adapter_model.safetensors")
    save_file(
        {name: held * 2 for name, held in weights.items()}, adapter / "adapter_model.safetensors"
    )
    assert family.model_at(str(adapter)).key != before
