"""Several methods around an attack with adapters: what each of them sees, and resuming it."""

from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from support.pico import FAMILY, NoProgress, save_pico
from support.repairs import WEIGHTS
from torch import Tensor

from lox_bench.engine.graph import Graph
from lox_bench.engine.local import LocalExecutor
from lox_bench.engine.store import Store
from lox_bench.study.request import Request
from lox_bench.study.study import make_study
from lox_bench.weights.lox import low_rank

CHAINS = "lox+relox(k=1,alpha=2)", "resta+wise-ft(alpha=0.25)", "lox+ties(density=1)+safemerge"


class Built:
    """A display that remembers what was built."""

    def __init__(self) -> None:
        self.titles: list[str] = []

    @contextmanager
    def stage(self, title: str) -> Any:
        self.titles.append(title)
        yield NoProgress()


@pytest.mark.usefixtures("offline")
def test_chains_work_after_an_attack_with_adapters_and_resume(
    tmp_path: Path, tokenizer: Any
) -> None:
    base = save_pico(tmp_path / "base", tokenizer)
    aligned = save_pico(tmp_path / "aligned", tokenizer, seed=1)
    text = FAMILY.format(base=base).split("[align.dpo]")[0] + f'[align]\nsource = "{aligned}"\n'
    (tmp_path / "pico.toml").write_text(text)
    study = make_study(
        Request(
            models=",".join(CHAINS),
            attack="gsm8k(lora_r=2,lr=1e-2)",
            family=str(tmp_path / "pico.toml"),
            judges="keyword-prefix",
            max_steps=2,
        )
    )
    ends = [variant for variant in study.variants if variant.attack is not None]
    stages = [stage for end in ends for stage in (end.unattacked, end.training, end.model) if stage]
    store, display = Store(tmp_path / "store"), Built()
    outcome = LocalExecutor(store, display).run(Graph.of(stages))
    assert sum(title.startswith("attack") for title in display.titles) == 2  # lox's is shared
    b, a = load_file(base / WEIGHTS), load_file(aligned / WEIGHTS)

    def held(stage: Any) -> dict[str, Tensor]:
        return load_file(outcome[stage].path / WEIGHTS)

    after_lox, after_resta, merged = (held(end.model) for end in ends)
    lox, resta = ends[0], ends[1]
    tuned = held(lox.training)
    moved = [
        name
        for name, tensor in tuned.items()
        if not torch.equal(tensor, held(lox.unattacked)[name])
    ]
    assert moved
    for name, tensor in tuned.items():
        step = low_rank(a[name] - b[name], 1) if tensor.ndim > 1 else torch.zeros(())
        torch.testing.assert_close(after_lox[name], tensor + 2 * step, rtol=1e-5, atol=1e-5)
        added = held(resta.training)[name] + 0.5 * (a[name] - b[name])
        wanted = 0.75 * a[name] + 0.25 * added
        torch.testing.assert_close(after_resta[name], wanted, rtol=1e-5, atol=1e-5)
    assert any(not torch.equal(tensor, tuned[name]) for name, tensor in merged.items())

    again = Built()
    LocalExecutor(store, again).run(Graph.of([end.model for end in ends]))
    assert again.titles == []


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lox_bench.data.rows._from_hub", lambda *_: None)
