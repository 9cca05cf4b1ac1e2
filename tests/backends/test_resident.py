"""One engine start a base, whatever goes over it; what the engine does not take is merged.

The engine is tests/support/fake_vllm, which notes what it is asked; tests/backends/test_vllm.py
holds served adapters to merged ones with vLLM itself.
"""

import gc
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.adapters import lora
from support.display import Display
from support.pico import CHATML

from lox_bench.backends.answers import Answers, read_answers
from lox_bench.backends.backend import Configured, Decoding
from lox_bench.backends.loads import Load, load_of
from lox_bench.backends.resident import Resident
from lox_bench.backends.vllm_model import VllmModel, VllmOptions
from lox_bench.data.stage import Prompts
from lox_bench.engine.graph import Graph
from lox_bench.engine.housekeeping import leftovers
from lox_bench.engine.local import LocalExecutor
from lox_bench.engine.stage import Stage, Text
from lox_bench.engine.store import Store
from lox_bench.errors import SourceError
from lox_bench.methods.stage import Merge
from lox_bench.sources.stage import Source

VLLM = Configured("vllm", "float32", 8, options=VllmOptions())
MERGING = Configured("vllm", "float32", 8, options=VllmOptions(adapters=False))


def start(path: Path, room: int) -> VllmModel:
    return VllmModel(path, batch_size=8, dtype="float32", options=VllmOptions(), room=room)


def told(notes: Path) -> list[Mapping[str, Any]]:
    return [json.loads(line) for line in notes.read_text().splitlines()]


def starts(notes: Path) -> list[int]:
    return [note["room"] for note in told(notes) if "start" in note]


def ask(model: VllmModel, silent: Any, adapter: int = 0) -> int:
    """What the stand-in says of three tokens: their number, and the adapter's added to it."""
    ((said, *_),) = model.rows([[5, 6, 7]], 2, None, silent, adapter)
    return said


@pytest.fixture
def notes(fake: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    del fake
    monkeypatch.setenv("VLLM_NOTES", str(tmp_path / "notes"))
    return tmp_path / "notes"


@pytest.fixture
def resident(pico: Path, tmp_path: Path) -> Any:
    store = Store(tmp_path / "store")
    made = Resident(pico, start, store.root)
    assert len([*(store.root / "tmp").iterdir()]) == 1
    assert not leftovers(store)  # it is in use
    yield made
    made.close()
    assert not [*(store.root / "tmp").iterdir()]
    assert not [*(store.root / "locks").iterdir()]


@pytest.fixture
def served(pico: Path, tmp_path: Path, silent: Any, resident: Resident) -> Any:
    """Ask for an adapter, which is made first unless there is one."""

    def ask_for(**more: Any) -> Any:
        path = tmp_path / "one"
        adapter = path if path.exists() else lora(pico, path, **more)
        return resident.adapted("one", [adapter], 4, silent)

    return ask_for


def test_base_and_adapters_share_one_engine(
    pico: Path, tmp_path: Path, silent: Any, notes: Path, resident: Resident
) -> None:
    one, two = (lora(pico, tmp_path / str(r), r=r) for r in (2, 12))
    base = resident.plain(room=14)
    first = resident.adapted("one", [one], 14, silent)
    both = resident.adapted("both", [one, two], 14, silent)
    again = resident.adapted("one", [one], 14, silent)
    assert base is first.model is both.model is again.model is resident.plain(0)
    assert [first.note, both.note] == ["served", "served"]
    assert [ask(base, silent, n) for n in (0, first.number, both.number, again.number)] == [
        3, 4, 5, 4,
    ]  # fmt: skip
    assert starts(notes) == [16]
    assert [note["rank"] for note in told(notes) if "take" in note] == [2, 14]


def test_room_that_nobody_foretold_costs_one_more_start(
    pico: Path, tmp_path: Path, silent: Any, notes: Path, resident: Resident
) -> None:
    adapter = lora(pico, tmp_path / "one", r=20)
    resident.plain(room=0)
    assert resident.adapted("one", [adapter], 0, silent).note == "served"
    resident.plain(room=0)
    assert starts(notes) == [0, 32]


@pytest.mark.usefixtures("notes")
@pytest.mark.parametrize(
    "case",
    [
        ({"modules_to_save": ["up_proj"]}, False, "whole for 'model.layers.0.mlp.up_proj.weight'"),
        ({"r": 513}, False, "its rank is 513, and vLLM serves 512 at most"),
        ({}, True, "no such module here"),
    ],
)
def test_what_the_engine_does_not_take_is_merged_and_said(
    served: Any, resident: Resident, monkeypatch: pytest.MonkeyPatch, case: Any, silent: Any
) -> None:
    more, refuses, why = case
    if refuses:
        monkeypatch.setenv("VLLM_REFUSES", "1")
    resident.plain(room=4)
    found = served(**{"targets": ["q_proj"], **more})
    assert found.note.startswith("merged: ")
    assert why in found.note
    assert "\n" not in found.note
    assert ask(found.model, silent) == 3
    assert served().model is found.model
    base = resident.plain(room=4)  # the merged one's engine is over
    assert base.path != found.model.path


def test_what_can_neither_be_served_nor_merged_is_one_line(
    pico: Path, tmp_path: Path, silent: Any, notes: Path, resident: Resident
) -> None:
    adapter = lora(pico, tmp_path / "one", use_dora=True)
    with pytest.raises(SourceError, match=r"use_dora.*merge it into its base"):
        resident.adapted("one", [adapter], 4, silent)
    assert not notes.exists()  # it needs no engine to know


def answers(model: Stage, backend: Configured, room: int = 0) -> Answers:
    prompts = Prompts("one", Text('{"id": "a", "prompt": "Hello"}'))
    load = load_of(model, backend)
    return Answers(load.model, prompts, None, CHATML, Decoding(3), backend, load.adapters, room)


def test_stages_of_one_base_are_asked_of_one_engine_and_say_what_became_of_adapters(
    pico: Path, tmp_path: Path, silent: Any, notes: Path
) -> None:
    base = Source.of(str(pico), "float32")
    adapters = [lora(pico, tmp_path / str(n), seed=n) for n in (1, 2)]
    adapters.append(lora(pico, tmp_path / "3", modules_to_save=["up_proj"]))
    merges = [Merge(base, Source.of(str(path), "float32"), rank=4) for path in adapters]
    chain = Merge(merges[0], Source.of(str(adapters[1]), "float32"), rank=4)
    stages = [answers(model, VLLM, 8) for model in (base, *merges[:2], chain, merges[2])]
    assert len({stage.key for stage in stages}) == 5
    assert len({stage.affinity for stage in stages}) == 1
    store = Store(tmp_path / "store")
    executor = LocalExecutor(store, Display(silent))
    outcome = executor.run(Graph.of(stages))
    said = [outcome.facts(stage).get("adapters") for stage in stages]
    assert said[:4] == [None, "served", "served", "served"]
    assert said[4].startswith("merged: ")
    lengths = [read_answers(outcome[stage].path)[0].text for stage in stages]
    assert len(set(lengths[:4])) == 4
    assert lengths[4] == lengths[0]
    assert starts(notes) == [8, 0]  # the second is the merged one
    assert not (store.root / "merge").exists()
    assert [path.name.split("-")[0] for path in (store.root / "tmp").iterdir()] == ["vllm"]
    del executor
    gc.collect()
    assert not [*(store.root / "tmp").iterdir()]


def test_adapters_can_be_merged_instead(pico: Path, tmp_path: Path) -> None:
    base = Source.of(str(pico), "float32")
    merge = Merge(base, Source.of(str(lora(pico, tmp_path / "one")), "float32"), rank=4)
    assert load_of(merge, MERGING) == Load(merge)
    assert load_of(merge, VLLM) == Load(base, (merge.adapter,), 4)
    assert answers(merge, MERGING).key != answers(merge, VLLM).key
