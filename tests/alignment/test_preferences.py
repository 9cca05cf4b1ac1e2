"""Preference sets in each form that they are published in become the same pairs."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from lox_bench.alignment.pairs import Answer, Pair, dialogue_pairs
from lox_bench.alignment.spec import DpoSpec
from lox_bench.data.rows import preference_rows
from lox_bench.data.spec import DataSpec
from lox_bench.errors import DataError
from lox_bench.study.family import load_family
from lox_bench.training.spec import TrainSpec

TRAIN = TrainSpec(learning_rate=1e-3, epochs=1, batch_size=4, micro_batch_size=2)
DPO = DpoSpec(train=TRAIN, beta=0.1, sft_weight=0.0)
WANTED = Pair(("Name a fruit",), Answer("A plum."), Answer("A stone."))


def said(*turns: str, system: str = "") -> list[dict[str, str]]:
    roles = ("user", "assistant")
    lead = [{"role": "system", "content": system}] if system else []
    return lead + [{"role": roles[i % 2], "content": text} for i, text in enumerate(turns)]


FORMS: dict[str, dict[str, Any]] = {
    "hh": {
        "chosen": "\n\nHuman: Name a fruit\n\nAssistant: A plum.",
        "rejected": "\n\nHuman: Name a fruit\n\nAssistant: A stone.",
    },
    "ultrafeedback": {
        "prompt": "Name a fruit", "prompt_id": "x", "messages": said("Name a fruit", "A plum."),
        "chosen": said("Name a fruit", "A plum."), "rejected": said("Name a fruit", "A stone."),
        "score_chosen": 8.5, "score_rejected": 2.0,
    },
    "answers": {"prompt": "Name a fruit", "chosen": "A plum.", "rejected": "A stone."},
}  # fmt: skip


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_pair(tmp_path: Path, form: str, ending: str) -> None:
    file = tmp_path / f"pairs.{ending}"
    rows = [FORMS[form]] * 2
    if ending == "parquet":
        parquet.write_table(pa.Table.from_pylist(rows), file)
    else:
        file.write_text("\n".join(map(json.dumps, rows)))
    read = preference_rows(DataSpec(file=str(file)))
    assert dialogue_pairs(read.rows, DPO, seed=0) == [WANTED, WANTED]


def test_several_turns_and_a_system_message_stay() -> None:
    turns = ("Hi", "Hello", "Name a fruit")
    row = {
        "chosen": said(*turns, "A plum.", system="Be brief."),
        "rejected": said(*turns, "A stone.", system="Be brief."),
    }
    (pair,) = dialogue_pairs([row], DPO, seed=0)
    assert pair.turns == ("Be brief.\n\nHi", "Hello", "Name a fruit")


@pytest.mark.parametrize(
    "row",
    [
        {"chosen": said("a", "b"), "rejected": said("x", "c")},  # part earlier
        {"chosen": said("a", "b"), "rejected": said("a", "")},  # an empty end
        {"chosen": said("a"), "rejected": said("a")},  # no answer
        {"chosen": said("a", "b"), "rejected": "c"},  # of two forms
        {"chosen": ["a"], "rejected": ["b"]},
        {"chosen": [{"role": "tool", "content": "a"}], "rejected": said("a", "b")},
        {"chosen": 8, "rejected": 2, "prompt": "a"},
        {"chosen": "b", "rejected": "c"},  # answers to nothing
    ],
)
def test_what_is_no_pair_is_left_out_and_nothing_at_all_is_refused(row: dict[str, Any]) -> None:
    assert dialogue_pairs([row, FORMS["ultrafeedback"]], DPO, seed=0) == [WANTED]
    with pytest.raises(DataError, match=r"transcripts .* lists of messages .* two answers"):
        dialogue_pairs([row], DPO, seed=0)


def test_a_row_without_a_side_is_named_before_anything_is_trained(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text(json.dumps(FORMS["hh"]) + '\n{"chosen": "a", "prompt": "b"}\n')
    with pytest.raises(DataError, match=r"row 2: no chosen and rejected \(it holds chosen, prompt"):
        preference_rows(DataSpec(file=str(file)))


@pytest.mark.parametrize("name", ["llama2-7b", "mistral-7b-v0.3"])
def test_hh_rlhf_is_trained_on_as_the_paper_says(name: str) -> None:
    dpo = load_family(name).align.dpo
    assert dpo is not None
    assert dpo.data is not None
    train = dpo.train
    assert (dpo.data.hub, dpo.beta, dpo.sft_weight) == ("Anthropic/hh-rlhf", 0.1, 0.0)
    assert (train.learning_rate, train.epochs, train.batch_size) == (5e-6, 3.0, 128)
    assert train.max_length == 1024
