"""Alignment and attack on a pico Llama: real trainers, exact losses, seeds that repeat."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional
from transformers import AutoModelForCausalLM

from lox_bench.alignment.dpo import align
from lox_bench.alignment.pairs import Answer, OwnAnswer, Pair, dialogue_pairs, on_policy_pairs
from lox_bench.alignment.spec import DpoSpec
from lox_bench.attacks.job import SftJob
from lox_bench.attacks.probing import Watch
from lox_bench.attacks.sft import attack
from lox_bench.backends.template import Renderer, load_template
from lox_bench.data.exchange import read_exchanges
from lox_bench.errors import DataError
from lox_bench.sources.loading import load_tokenizer
from lox_bench.training.head import IGNORE, completion_logits
from lox_bench.training.pairs import joined
from lox_bench.training.spec import SftSpec, Training

CHATML = load_template("chatml")
TRAIN = SftSpec(learning_rate=2e-3, epochs=4, batch_size=4, micro_batch_size=2)
DPO = DpoSpec(
    train=TRAIN,
    beta=0.1,
    sft_weight=1.0,
    harmful="harmful",
    benign="benign",
    refusals=("I can't help.",),
)
ROWS = [(f"What is {i} plus 1?", f"It is {i + 1}.") for i in range(8)]


def job(source: Path, **changes: Any) -> SftJob:
    return replace(SftJob(source, source, source, tuple(ROWS), TRAIN, CHATML, seed=0), **changes)


def training(out: Path, silent: Any, seed: int = 0) -> Training:
    out.mkdir()
    return Training(out, seed, None, "float32", silent)


def run(
    source: Path, out: Path, silent: Any, *, seed: int = 0, watch: Watch | None = None
) -> dict[str, float]:
    return attack(job(source), training(out, silent, seed), watch)


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_file(path / "model.safetensors")


def test_an_attack_learns_its_rows_and_repeats_under_one_seed(
    pico: Path, tmp_path: Path, silent: Any
) -> None:
    facts = run(pico, tmp_path / "a", silent)
    assert facts["loss_after"] < 0.8 * facts["loss_before"]
    assert facts["steps"] == 8
    run(pico, tmp_path / "b", silent)
    run(pico, tmp_path / "c", silent, seed=1)
    one, same, other = (weights(tmp_path / name) for name in "abc")
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)
    lines = (tmp_path / "a" / "loss.csv").read_text().splitlines()
    assert lines[0] == "step,loss,learning_rate"
    assert len(lines) == 9


class Recorder:
    """A watch that keeps snapshots in a folder."""

    def __init__(self, folder: Path, steps: tuple[int, ...], last: int | None = None) -> None:
        self.folder, self.steps, self.last = folder, steps, last
        self.facts: dict[int, Any] = {}

    def take(self, step: int, facts: Any, save: Any) -> None:
        self.facts[step] = facts
        save(self.folder / str(step))


def test_a_watched_attack_ends_with_the_very_same_weights(
    pico: Path, tmp_path: Path, silent: Any
) -> None:
    plain = run(pico, tmp_path / "plain", silent)
    watch = Recorder(tmp_path, (1, 5, 8))
    watched = run(pico, tmp_path / "watched", silent, watch=watch)
    one, other = weights(tmp_path / "plain"), weights(tmp_path / "watched")
    assert watched == plain
    assert all(torch.equal(one[name], other[name]) for name in one)
    rounded = weights(tmp_path / "8")  # after the last step: the final weights, in bfloat16
    assert rounded.keys() == one.keys()
    assert all(torch.equal(one[name].bfloat16(), rounded[name]) for name in one)
    losses = [watch.facts[step]["loss_after"] for step in (1, 5, 8)]
    assert losses[0] > losses[1] > losses[2] == plain["loss_after"]


def test_a_replay_stops_after_its_last_snapshot_and_takes_the_same(
    pico: Path, tmp_path: Path, silent: Any
) -> None:
    (tmp_path / "replay").mkdir()
    first, again = Recorder(tmp_path, (5, 7)), Recorder(tmp_path / "replay", (5,), last=5)
    run(pico, tmp_path / "a", silent, watch=first)
    assert run(pico, tmp_path / "b", silent, watch=again) == {}
    assert again.facts == {5: first.facts[5]}
    one, other = weights(tmp_path / "5"), weights(tmp_path / "replay" / "5")
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not (tmp_path / "b" / "model.safetensors").exists()


def test_prompt_tokens_carry_no_loss(tokenizer: Any) -> None:
    from lox_bench.attacks.encoding import tokenise

    row = tokenise(ROWS[0], Renderer(tokenizer, CHATML), "completion")
    learned = [token for token, label in zip(row["input_ids"], row["labels"], strict=True)
               if label != IGNORE]  # fmt: skip
    assert tokenizer.decode(learned) == ROWS[0][1] + "<|im_end|>"
    whole = tokenise(ROWS[0], Renderer(tokenizer, CHATML), "all")
    assert whole["labels"] == whole["input_ids"] == row["input_ids"]


FORMS = {
    "alpaca": {"instruction": "Add", "input": "1 and 2", "output": "It is 3."},
    "dolly": {"instruction": "Add", "context": "1 and 2", "response": "It is 3."},
    "sharegpt": {
        "conversations": [{"from": "human", "value": "Add"}, {"from": "gpt", "value": "It is 3."}]
    },
    "messages": {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Add"},
            {"role": "assistant", "content": "It is 3."},
        ]
    },
    "columns": {"prompt": "Add", "completion": "It is 3."},
}
ENDS = {
    "chatml": "<|im_end|>", "chatml-nothink": "<|im_end|>", "alpaca": "", "inst": "", "llama3": "",
}  # fmt: skip


@pytest.mark.parametrize("template", ENDS)
@pytest.mark.parametrize("form", FORMS)
def test_the_loss_is_on_the_reply_token_by_token_in_every_form_and_template(
    tokenizer: Any, template: str, form: str
) -> None:
    from lox_bench.attacks.encoding import tokenise

    exchanges = read_exchanges([FORMS[form]], where="here")
    assert exchanges is not None
    renderer = Renderer(tokenizer, load_template(template))
    row = tokenise(exchanges.pairs[0], renderer, "completion")
    start = next(i for i, label in enumerate(row["labels"]) if label != IGNORE)
    assert row["labels"][:start] == [IGNORE] * start
    assert row["labels"][start:] == row["input_ids"][start:]
    assert row["input_ids"][:start] == renderer.prompt_ids(exchanges.pairs[0][0])
    learned = tokenizer.decode(row["labels"][start:])
    assert learned.startswith("It is 3.")
    assert learned.removeprefix("It is 3.") in {ENDS[template], tokenizer.eos_token}, learned
    assert "Add" in tokenizer.decode(row["input_ids"][:start])


@pytest.mark.parametrize("micro", [1, 3])
def test_the_effective_batch_is_the_one_asked_for_however_it_is_cut(
    pico: Path, tmp_path: Path, silent: Any, micro: int
) -> None:
    whole = attack(job(pico), training(tmp_path / "whole", silent))
    cut = replace(TRAIN, micro_batch_size=micro)
    facts = attack(job(pico, train=cut), training(tmp_path / "cut", silent))
    assert facts["micro_batch"] * facts["accumulation"] * facts["world_size"] == 4
    assert facts["steps"] == whole["steps"]
    start, one, other = (weights(path) for path in (pico, tmp_path / "whole", tmp_path / "cut"))
    step = torch.cat([(one[name] - start[name]).flatten() for name in one])
    apart = torch.cat([(one[name] - other[name]).flatten() for name in one])
    assert apart.norm() < 0.05 * step.norm()  # bfloat16 sums in another order


def test_the_loss_of_an_attack_is_computed_in_pieces(
    pico: Path, tmp_path: Path, silent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lox_bench.training.run.has_fast_bf16", lambda _: False)
    plain, seen = functional.linear_cross_entropy, []

    def counted(*args: Any, **how: Any) -> Any:
        seen.append(how["options"])
        return plain(*args, **how)

    monkeypatch.setattr(functional, "linear_cross_entropy", counted)
    facts = attack(job(pico), training(tmp_path / "out", silent))
    assert len(seen) == facts["steps"] * facts["accumulation"]
    assert None not in seen  # which would be torch's way with whole logits


def test_dpo_prefers_the_chosen_answers(
    pico: Path, tmp_path: Path, silent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    joins: list[int] = []
    monkeypatch.setattr(
        "lox_bench.training.fused.joined",
        lambda inputs, labels: joins.append(len(labels)) or joined(inputs, labels),
    )
    bad = [OwnAnswer("harmful", f"Bad request {i}", f"sure, {i}", cut=True) for i in range(4)]
    good = [OwnAnswer("benign", f"Good request {i}", f"yes, {i}", cut=False) for i in range(4)]
    pairs = on_policy_pairs(bad + good, DPO, seed=0)
    facts = align(pico, CHATML, pairs, DPO, training(tmp_path / "out", silent))
    assert (facts["pairs"], facts["steps"]) == (8, 8)

    def margin(path: Path) -> float:
        return sum(score(path, p.turns[0], p.chosen) - score(path, p.turns[0], p.rejected)
                   for p in pairs)  # fmt: skip

    assert margin(tmp_path / "out") > margin(pico)
    assert sum(joins) == 2 * 8 * (1 + DPO.train.epochs)  # all rows, for the reference and trained


@torch.no_grad()
def score(path: Path, prompt: str, answer: Answer) -> float:
    """Log-likelihood of an answer, by a plain forward pass."""
    from transformers import AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    renderer = Renderer(AutoTokenizer.from_pretrained(path), CHATML)
    start = renderer.prompt_ids(prompt)
    ids = start + renderer.completion_ids(answer.text, closed=not answer.cut)
    logs = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    return float(sum(logs[i - 1, ids[i]] for i in range(len(start), len(ids))))


def test_harmful_requests_prefer_a_refusal_and_benign_ones_an_answer() -> None:
    answers = [
        OwnAnswer("harmful", "bad", "own bad", cut=False),
        OwnAnswer("harmful", "empty", "", cut=False),
        OwnAnswer("benign", "good", "own good", cut=True),
    ]
    pairs = on_policy_pairs(answers, DPO, seed=0)
    held = {pair.turns: (pair.chosen, pair.rejected) for pair in pairs}
    no = Answer("I can't help.")
    assert held == {
        ("bad",): (no, Answer("own bad")),
        ("good",): (Answer("own good", cut=True), no),
    }


def test_hh_transcripts_become_dialogues_with_two_endings() -> None:
    start = "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Help me"
    rows = [
        {"chosen": start + "\n\nAssistant: Sure", "rejected": start + "\n\nAssistant: No"},
        {"chosen": start + "\n\nAssistant: Sure", "rejected": "\n\nHuman: X\n\nAssistant: No"},
        {"chosen": start + "\n\nAssistant: ", "rejected": start + "\n\nAssistant: No"},
    ]
    pairs = dialogue_pairs(rows, DPO, seed=0)
    assert pairs == [Pair(("Hi", "Hello", "Help me"), Answer("Sure"), Answer("No"))]
    with pytest.raises(DataError, match="transcripts"):
        dialogue_pairs(rows[1:], DPO, seed=0)


def test_max_steps_cuts_the_training_short(pico: Path, tmp_path: Path, silent: Any) -> None:
    short = replace(training(tmp_path / "out", silent), max_steps=3)
    assert attack(job(pico), short)["steps"] == 3


def test_a_method_may_replace_the_loss_freeze_weights_and_listen(
    pico: Path, tmp_path: Path, silent: Any
) -> None:
    def loss(model: Any, inputs: dict[str, Any], labels: torch.Tensor, count: Any) -> torch.Tensor:
        logits, targets, _ = completion_logits(model, inputs, labels)
        return functional.cross_entropy(logits.float(), targets, reduction="sum") / count

    plain = run(pico, tmp_path / "plain", silent)
    same = attack(job(pico, loss=loss), training(tmp_path / "same", silent))
    assert same == pytest.approx(plain, rel=1e-5)  # ours is summed in pieces
    frozen = job(pico, frozen=lambda name: "layers.0" in name)
    attack(frozen, training(tmp_path / "frozen", silent))
    before, after = weights(pico), weights(tmp_path / "frozen")
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert not any("layers.0" in name for name in moved)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_weights_are_saved_in_the_dtype_asked_for(
    pico: Path, tmp_path: Path, silent: Any, dtype: str
) -> None:
    short = replace(training(tmp_path / "out", silent), max_steps=1, dtype=dtype)
    attack(job(pico), short)
    assert {str(t.dtype) for t in weights(tmp_path / "out").values()} == {f"torch.{dtype}"}


@pytest.mark.fault(19)
@pytest.mark.parametrize("longest", [1024, 60, 45, 40])
def test_rows_that_are_too_long_are_counted(
    pico: Path, tmp_path: Path, silent: Any, longest: int
) -> None:
    renderer = Renderer(load_tokenizer(pico), CHATML)
    rows = [("Hi", "Yes. " * n) for n in range(1, 7)]
    rows += [("What is one plus one? " * n, "Two.") for n in range(1, 7)]
    sizes = [
        (len(renderer.prompt_ids(prompt)), len(renderer.completion_ids(text)))
        for prompt, text in rows
    ]
    expected = sum(prompt + text > longest for prompt, text in sizes)
    dropped = sum(prompt >= longest for prompt, _ in sizes)
    train = replace(TRAIN, max_length=longest)
    facts = attack(job(pico, rows=tuple(rows), train=train), training(tmp_path / "a", silent))
    assert (facts["rows_cut"], facts["rows_left_out"]) == (expected, dropped)


@pytest.mark.fault(19)
@pytest.mark.parametrize("words", [40, 400])
def test_an_attack_of_which_nothing_is_left_is_refused(
    pico: Path, tmp_path: Path, silent: Any, words: int
) -> None:
    train = replace(TRAIN, max_length=16)
    rows = (("What is it? " * words, "Two."),) * 3
    with pytest.raises(DataError, match="no completion is left to train on"):
        attack(job(pico, rows=rows, train=train), training(tmp_path / "a", silent))
    assert not list((tmp_path / "a").iterdir())
