"""QLoRA: trained over quantised weights, merged into the weights as they came."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from lox_bench.attacks.job import SftJob
from lox_bench.attacks.lora import quantised
from lox_bench.attacks.sft import attack
from lox_bench.backends.template import load_template
from lox_bench.errors import MissingExtraError
from lox_bench.sources import require
from lox_bench.study.request import Request
from lox_bench.study.study import make_study
from lox_bench.training.spec import SftSpec, Training

ROWS = tuple((f"What is {i} plus 1?", f"It is {i + 1}.") for i in range(8))
TRAIN = SftSpec(
    learning_rate=5e-3, epochs=6, batch_size=4, micro_batch_size=2, lora_r=2, lora_quant="nf4",
    lora_targets="q_proj+v_proj",
)  # fmt: skip


def job(source: Path, **changes: Any) -> SftJob:
    template = load_template("chatml")
    return SftJob(source, source, source, ROWS, replace(TRAIN, **changes), template, seed=0)


def test_without_bitsandbytes_one_line_says_what_to_install_before_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(require, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'lox-bench\[qlora\]'"):
        make_study(Request(models="base", attack="gsm8k(qlora(r=8))"))


@pytest.mark.filterwarnings("ignore")  # bitsandbytes warns of torch's own deprecations
@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_adapters_learn_over_quantised_weights_and_join_the_plain_ones(
    kind: str, pico: Path, tmp_path: Path, silent: Any
) -> None:
    pytest.importorskip("bitsandbytes", reason="the extra qlora is not installed")
    work, before = job(pico, lora_quant=kind), load_file(pico / "model.safetensors")
    held = quantised(work).model.layers[0].self_attn.q_proj
    assert held.weight.dtype in {torch.uint8, torch.int8}
    out = tmp_path / "out"
    out.mkdir()
    facts = attack(work, Training(out, 0, None, "float32", silent))
    after = load_file(out / "model.safetensors")
    assert facts["loss_after"] < facts["loss_before"] - 0.1
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if "q_proj" in name or "v_proj" in name}
    for name in changed:  # of the rank asked for: no rounding of quantised weights is in it
        values = torch.linalg.svdvals((after[name] - before[name]).double())
        assert values[2] < 1e-5 * values[0]
