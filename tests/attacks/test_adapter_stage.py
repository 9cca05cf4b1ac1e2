"""A LoRA attack leaves its adapters too: merged they are its model, made again they are equal."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from support.display import Display
from support.pico import FAMILY, NoProgress

from lox_bench.attacks.adapter_stage import LoraAdapter
from lox_bench.attacks.stage import Attack
from lox_bench.engine.graph import Graph
from lox_bench.engine.local import LocalExecutor
from lox_bench.engine.store import Store
from lox_bench.sources.adapter_config import adapter_rank
from lox_bench.study.request import Request
from lox_bench.study.study import make_study
from lox_bench.weights.stacked import merge_adapters

WEIGHTS, ADAPTER = "model.safetensors", "adapter_model.safetensors"


class Titles(Display):
    """Remembers what was built."""

    def __init__(self) -> None:
        super().__init__(NoProgress())
        self.seen: list[str] = []

    def stage(self, title: str) -> Any:
        self.seen.append(title)
        return super().stage(title)


@pytest.fixture
def attack(
    pico: Path, pico_aligned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Attack:
    monkeypatch.setattr("lox_bench.data.rows._from_hub", lambda *_: None)
    text = FAMILY.format(base=pico).split("[align.dpo]")[0]
    (tmp_path / "pico.toml").write_text(f'{text}[align]\nsource = "{pico_aligned}"\n')
    study = make_study(
        Request(
            models="aligned",
            attack="gsm8k(lora_r=2,lr=1e-2)",
            family=str(tmp_path / "pico.toml"),
            judges="keyword",
            max_steps=2,
        )
    )
    made = study.variants[-1].training
    assert made is not None
    return made


def run(store: Store, *stages: Any) -> list[str]:
    titles = Titles()
    LocalExecutor(store, titles).run(Graph.of(stages))
    return [title.split(" (")[0] for title in titles.seen if "attack" in title]


def test_adapters_are_left_on_the_way_and_are_the_model(
    attack: Attack, pico_aligned: Path, tmp_path: Path, silent: Any
) -> None:
    store, adapter = Store(tmp_path / "store"), LoraAdapter(attack)
    assert attack.over is not None
    assert (attack.over.base, attack.over.adapter, attack.over.rank) == (attack.model, adapter, 2)
    assert run(store, attack) == ["attack aligned"]
    assert run(store, attack, adapter) == []  # it is there, though nobody had asked
    folder = store.path_of(adapter)
    assert adapter_rank(folder) == 2
    assert not (folder / "README.md").exists()
    assert {held.dtype for held in load_file(folder / ADAPTER).values()} == {torch.float32}
    (tmp_path / "merged").mkdir()
    merged = merge_adapters(pico_aligned, [folder], tmp_path / "merged", silent)
    tuned = load_file(store.path_of(attack) / WEIGHTS)
    before = load_file(pico_aligned / WEIGHTS)
    for name, weight in load_file(merged / WEIGHTS).items():
        torch.testing.assert_close(weight, tuned[name], rtol=1e-6, atol=1e-7)
    assert any(not torch.equal(before[name], weight) for name, weight in tuned.items())


def test_where_an_attack_was_stored_without_it_is_trained_again_to_the_same(
    attack: Attack, tmp_path: Path
) -> None:
    store, adapter = Store(tmp_path / "store"), LoraAdapter(attack)
    run(store, attack)
    held = {file.name: file.read_bytes() for file in store.path_of(adapter).glob("adapter_*")}
    store.discard(adapter)
    assert run(store, attack, adapter) == ["attack aligned again"]
    again = {file.name: file.read_bytes() for file in store.path_of(adapter).glob("adapter_*")}
    assert again == held
    assert not (store.path_of(adapter) / "merged").exists()


def test_an_attack_on_all_weights_leaves_none(attack: Attack) -> None:
    from dataclasses import replace

    assert replace(attack, train=replace(attack.train, lora_r=0)).over is None
