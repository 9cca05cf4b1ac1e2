"""Adapters as one: what an engine is served is the sum of what PEFT would merge."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from support.adapters import lora, peft_merged

from lox_bench.errors import SourceError
from lox_bench.sources.adapter_config import adapter_rank
from lox_bench.weights.stacked import merge_adapters, stack_adapters

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # PEFT's advice
LINEAR = ["q_proj", "v_proj", "down_proj"]
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "rank-stabilised": {"use_rslora": True},
    "patterns": {
        "rank_pattern": {"q_proj": 2},
        "alpha_pattern": {"layers.1.mlp.down_proj": 3},
    },
}


def stacked(base: Path, adapters: list[Path], out: Path) -> dict[str, torch.Tensor]:
    """What PEFT makes of the stack; half of the test is that it reads it at all."""
    out.mkdir()
    rank = stack_adapters(base, adapters, out)
    assert rank == adapter_rank(out)
    config = json.loads((out / "adapter_config.json").read_text())
    assert config["lora_alpha"] == config["r"]  # of all that PEFT can say, engines heed these two
    assert config["alpha_pattern"] == config["rank_pattern"]
    return peft_merged(base, out)


@pytest.mark.parametrize("kind", KINDS)
def test_one_adapter_is_scaled_into_its_factors(pico: Path, tmp_path: Path, kind: str) -> None:
    adapter = lora(pico, tmp_path / "one", targets=LINEAR, **KINDS[kind])
    made = stacked(pico, [adapter], tmp_path / "stack")
    for name, weight in peft_merged(pico, adapter).items():
        torch.testing.assert_close(made[name], weight, rtol=1e-5, atol=1e-6)


def test_two_adapters_are_their_sum_and_so_is_what_is_merged(
    pico: Path, tmp_path: Path, silent: Any
) -> None:
    one = lora(pico, tmp_path / "one", targets=["q_proj"], r=2, seed=1)
    two = lora(pico, tmp_path / "two", targets=["q_proj", "up_proj"], r=3, seed=2)
    made = stacked(pico, [one, two], tmp_path / "stack")
    assert adapter_rank(tmp_path / "stack") == 5
    before = load_file(pico / "model.safetensors")
    first, second = peft_merged(pico, one), peft_merged(pico, two)
    (tmp_path / "merge").mkdir()
    merged = load_file(
        merge_adapters(pico, [one, two], tmp_path / "merge", silent) / "model.safetensors"
    )
    assert len([*(tmp_path / "merge").iterdir()]) == 1
    changed = 0
    for name, weight in before.items():
        wanted = weight + (first[name] - weight) + (second[name] - weight)
        torch.testing.assert_close(made[name], wanted, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(merged[name], wanted, rtol=1e-5, atol=1e-6)
        changed += not torch.equal(weight, wanted)
    assert changed == 4  # two layers


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"targets": ["q_proj", "embed_tokens"]}, "ties embedding and head"),
        ({"use_dora": True}, "use_dora"),
    ],
)
def test_what_is_no_sum_of_linear_factors_is_refused(
    pico: Path, tmp_path: Path, more: dict[str, Any], said: str
) -> None:
    adapter = lora(pico, tmp_path / "one", **{"targets": ["q_proj"], **more})
    with pytest.raises(SourceError, match=said):
        stack_adapters(pico, [adapter], tmp_path)


def test_a_head_of_its_own_is_refused(tmp_path: Path, untied: Path) -> None:
    whole = lora(untied, tmp_path / "one", targets=["q_proj"], modules_to_save=["lm_head"])
    with pytest.raises(SourceError, match=r"whole.*lm_head"):
        stack_adapters(untied, [whole], tmp_path)
    factors = lora(untied, tmp_path / "two", targets=["embed_tokens"])
    with pytest.raises(SourceError, match=r"embedding_A.*embed_tokens"):
        stack_adapters(untied, [factors], tmp_path)
    head = lora(untied, tmp_path / "three", targets=["q_proj", "lm_head"])
    with pytest.raises(SourceError, match=r"lm_head\.weight"):
        stack_adapters(untied, [head], tmp_path)
