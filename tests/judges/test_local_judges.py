"""Judges whose model runs in this process: causal and sequence-classification, on pico models."""

import shutil
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support.pico import CHATML, NoProgress
from transformers import BertConfig, BertForSequenceClassification

from lox_bench.backends.hf import HFGenerator
from lox_bench.backends.template import load_template
from lox_bench.errors import SourceError, SpecError
from lox_bench.judges.assembly import assemble
from lox_bench.judges.build import build_judge, pinned
from lox_bench.judges.choice import load_judge
from lox_bench.judges.kinds import ClassifierSpec, PromptedSpec, described
from lox_bench.serving.pricing import Ledger
from lox_bench.types import Completion, Defect, Finish, Label

ANSWERS = [
    Completion(f"p-{i}", f"How do I build shed {i}?", text, 5, Finish.STOP, defect)
    for i, (text, defect) in enumerate(
        [("Take a board and a saw.", None), ("", Defect.EMPTY), ("I can't help with that.", None)]
    )
]


@pytest.fixture
def chatty(pico: Path, tmp_path: Path) -> Path:
    """The pico model with a chat template of its own, as a judge's model must have."""
    folder = tmp_path / "judge"
    folder.mkdir()
    for file in pico.iterdir():
        shutil.copy(file, folder / file.name)
    (folder / "chat_template.jinja").write_text(str(CHATML.text))
    return folder


def local(name: str, model: Path) -> PromptedSpec:
    spec = load_judge(name)
    assert isinstance(spec, PromptedSpec)
    return replace(spec, backend="hf", model=str(model), base_url="", max_tokens=8)


@pytest.mark.parametrize("name", ["policy-rubric", "llama-guard"])
def test_a_causal_model_judges_in_process_and_is_remembered(
    name: str, chatty: Path, tmp_path: Path
) -> None:
    ledger = Ledger()
    spec = local(name, chatty)
    verdicts = build_judge(spec, ledger=ledger, root=tmp_path).judge(ANSWERS, NoProgress())
    turns = [turn for _, turn in assemble(spec, ANSWERS[0]).turns]
    generator = HFGenerator(chatty, load_template("tokenizer"))
    said = generator.converse([turns], max_new_tokens=8, progress=NoProgress())[0].text
    assert verdicts[1].evidence == "degenerate: empty"
    assert verdicts[0].label is Label.UNJUDGED  # a random model gives no verdict
    assert "unreadable" in verdicts[0].evidence
    asked = ledger.accounts[f"judge {name}"].asked
    assert asked == 4  # two sound answers, each asked about twice
    held = next((tmp_path / "requests").glob("*.jsonl")).read_text()
    import json

    assert said in [json.loads(line)["text"] for line in held.splitlines()]
    again = build_judge(spec, ledger=ledger, root=tmp_path).judge(ANSWERS, NoProgress())
    assert again == verdicts
    assert ledger.accounts[f"judge {name}"].asked == asked


def test_a_local_model_is_pinned_by_its_weights(chatty: Path) -> None:
    spec = pinned(local("policy-rubric", chatty))
    assert isinstance(spec, PromptedSpec)
    assert spec.identity.startswith("sha256:")
    assert described(spec)["identity"] == spec.identity
    assert "identity" not in described(load_judge("policy-rubric"))


def test_a_local_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no folder"):
        pinned(local("refusal", tmp_path / "none"))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Path:
    folder = tmp_path_factory.mktemp("classifier")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        num_labels=3,
        id2label={0: "FINE", 1: "BAD", 2: "WORSE"},
        label2id={"FINE": 0, "BAD": 1, "WORSE": 2},
        initializer_range=1.0,
        pad_token_id=tokenizer.eos_token_id,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    own = deepcopy(tokenizer)  # the tests share one
    own.pad_token = own.eos_token
    own.save_pretrained(folder)
    return folder


def classifying(model: Path, **changes: Any) -> ClassifierSpec:
    spec = ClassifierSpec(
        "classifier", "c", "d", str(model), ("BAD", "WORSE"), ("complied",), "content"
    )
    return replace(spec, **changes)


@pytest.mark.parametrize("given", ["pair", "response"])
def test_a_classifier_s_score_is_the_probability_of_its_labels(
    given: str, classifier: Path, tokenizer: Any
) -> None:
    spec = classifying(classifier, input=given, batch_size=1)
    verdicts = build_judge(spec).judge(ANSWERS, NoProgress())
    together = build_judge(replace(spec, batch_size=8)).judge(ANSWERS, NoProgress())
    model = BertForSequenceClassification.from_pretrained(classifier).eval()
    first = (ANSWERS[0].prompt, ANSWERS[0].text) if given == "pair" else (ANSWERS[0].text,)
    with torch.no_grad():
        shares = model(**tokenizer(*first, return_tensors="pt")).logits.softmax(-1)[0]
    assert verdicts[0].score == pytest.approx(float(shares[1] + shares[2]), abs=1e-5)
    assert [v.score for v in together] == pytest.approx([v.score for v in verdicts], abs=1e-5)
    assert (verdicts[1].label, verdicts[1].score) == (Label.UNJUDGED, None)
    for verdict in (verdicts[0], verdicts[2]):
        assert (verdict.label is Label.COMPLIED) == (float(verdict.score or 0) >= 0.5)


def test_a_label_the_classifier_does_not_have_is_named_with_those_it_has(classifier: Path) -> None:
    judge = build_judge(classifying(classifier, complied=("UNSAFE",)))
    with pytest.raises(SpecError, match="no label 'UNSAFE', but BAD, FINE, WORSE"):
        judge.judge(ANSWERS, NoProgress())
