"""Losses of ``during`` methods, value and gradient, against dense references on a pico Llama."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from support.losses import FULL, LORA, TAUGHT, agree, job, moved, started, step_of
from torch.nn import functional

from lox_bench.attacks.terms import Start, Step, begun, cross_entropy
from lox_bench.errors import UsageError
from lox_bench.methods.asft import Asft
from lox_bench.methods.constrained import Constrained, betas
from lox_bench.methods.ewc import Ewc
from lox_bench.methods.kl import Kl
from lox_bench.training.head import IGNORE
from lox_bench.training.run import load_trainable


def dense_logs(model: Any, step: Step) -> torch.Tensor:
    """Log-probabilities ``(batch, length - 1, vocab)`` by a plain forward pass."""
    return model(**step.inputs).logits.float().log_softmax(-1)[:, :-1]


@pytest.mark.parametrize("train", [FULL, LORA])
@pytest.mark.parametrize("form", ["paper", "reference"])
def test_constrained_is_the_papers_sum_over_tokens(pico: Path, form: str, train: Any) -> None:
    start = started(Constrained(0.3, form).prepare(job(pico, train=train)))
    part, step = begun(start), step_of(start, count=50)
    with torch.no_grad():
        before = dense_logs(start.model, step)
    moved(start.model)
    after, wanted = dense_logs(start.model, step), torch.zeros(())
    for row in range(2):
        place = 0
        for at, token in enumerate(step.labels[row, 1:].tolist()):
            if token != IGNORE:
                place += 1
                b = 0.3 * (5 if place == 1 else 20 if place <= 5 else 1)
                p, gained = after[row, at, token], after[row, at, token] - before[row, at, token]
                if form == "paper":
                    wanted = wanted - 2 / b * torch.log(torch.sigmoid(b * gained))
                else:
                    weight = 2 * (1 - torch.sigmoid(b * gained))
                    wanted = wanted - weight.clamp(min=1e-3).detach() * p
        assert place > 6
    agree(start, part(step), wanted / 50)


def test_constrained_starts_with_the_gradient_of_cross_entropy(pico: Path) -> None:
    start = started(Constrained().prepare(job(pico)))
    step, other = step_of(start), step_of(start)
    loss, plain = begun(start)(step), cross_entropy(other)
    assert loss.item() == pytest.approx(
        sum(2 / b for b in betas(step.predicted[2], 0.1).tolist()) * 0.693147 / int(step.own)
    )
    agree(start, loss - loss.detach(), plain - plain.detach())


def test_both_forms_of_constrained_have_one_gradient_above_the_floor(pico: Path) -> None:
    start = started(Constrained().prepare(job(pico)))
    paper = begun(start)
    reference = begun(replace(start, job=Constrained(form="reference").prepare(job(pico))))
    moved(start.model)
    one, other = (part(step_of(start)) for part in (paper, reference))
    agree(start, one - one.detach(), other - other.detach())


@pytest.mark.parametrize("train", [FULL, LORA])
def test_kl_is_the_divergence_over_the_vocabulary(pico: Path, train: Any) -> None:
    start = started(Kl(0.7).prepare(job(pico, train=train)))
    part, step = begun(start), step_of(start, count=50)
    with torch.no_grad():
        before = dense_logs(start.model, step)
    torch.testing.assert_close(part(step), cross_entropy(step), rtol=1e-5, atol=1e-6)
    moved(start.model)
    after, held = dense_logs(start.model, step), step.labels[:, 1:] != IGNORE
    kl = (before.exp() * (before - after)).sum(-1)[held].sum()
    ce = functional.nll_loss(after[held], step.labels[:, 1:][held], reduction="sum")
    assert kl.item() > 1
    agree(start, part(step_of(start, count=50)), (ce + 0.7 * kl) / 50)


def test_kl_in_chunks_is_kl_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from lox_bench.training import divergence

    torch.manual_seed(0)
    hidden, head = torch.randn(11, 4), torch.nn.Linear(4, 7)
    logits = torch.randn(11, 7, requires_grad=True)
    whole = divergence.token_kl(logits, hidden, head)
    monkeypatch.setattr(divergence, "_CHUNK", 3)
    parts = divergence.token_kl(logits, hidden, head)
    dense = functional.kl_div(
        logits.log_softmax(-1), head(hidden).log_softmax(-1), log_target=True, reduction="sum"
    )
    grads = [torch.autograd.grad(loss, logits)[0] for loss in (whole, parts, dense)]
    torch.testing.assert_close(grads[0], grads[2])
    torch.testing.assert_close(grads[1], grads[2])
    torch.testing.assert_close(whole, dense)


def per_row_fisher(start: Start, names: list[str]) -> dict[str, torch.Tensor]:
    """Mean squared gradient of each alignment row's log-likelihood, in the stored weights."""
    model, _ = load_trainable(start.job.source)
    rows = start.tokenise(TAUGHT.all_rows(seed=0))
    found = {name: torch.zeros(()) for name in names}
    for row in rows:
        model.zero_grad()
        batch = start.batch([row])
        count = int((batch["labels"] != IGNORE).sum())
        (model(**batch).loss * count).backward()
        for name in names:
            found[name] = found[name] + model.get_parameter(name).grad ** 2 / len(rows)
    return found


def stored_changes(start: Start) -> dict[str, torch.Tensor]:
    """What a training did to each stored weight so far, differentiable; ten lines of LoRA."""
    before = load_file(start.job.source / "model.safetensors")
    model, train = start.model, start.job.train
    if not train.lora_r:
        return {n: p - before[n] for n, p in model.named_parameters() if n in before}
    held = dict(model.named_parameters())
    return {
        name.split(".lora_B")[0].removeprefix("base_model.model.") + ".weight": (
            train.lora_alpha / train.lora_r * b @ held[name.replace("lora_B", "lora_A")]
        )
        for name, b in held.items()
        if ".lora_B" in name
    }


@pytest.mark.parametrize("train", [FULL, LORA])
def test_ewc_weighs_squared_changes_by_the_fisher_diagonal(pico: Path, train: Any) -> None:
    start = started(Ewc(3.0, rows=10).prepare(job(pico, train=train)))
    part, step = begun(start), step_of(start)
    torch.testing.assert_close(part(step), cross_entropy(step))  # nothing has moved
    assert all(weight.grad is None for weight in start.model.parameters())
    moved(start.model)
    deltas = stored_changes(start)
    fisher = per_row_fisher(start, list(deltas))
    wanted = 3.0 * sum((fisher[name] * delta**2).sum() for name, delta in deltas.items())
    assert wanted.item() > 0.01
    step = step_of(start, count=int(step.own) * 2)  # half of an optimiser step
    agree(start, part(step) - cross_entropy(step), wanted / 2)


@pytest.mark.parametrize("train", [FULL, LORA])
@pytest.mark.parametrize(
    "method",
    [Asft(2.0), Asft(2.0, "reference"), Asft(2.0, "projector"), Asft(2.0, "projector", 2)],
)
def test_asft_costs_what_leaves_the_alignment(
    pico: Path, pico_aligned: Path, method: Asft, train: Any
) -> None:
    held = job(pico_aligned, base=pico, train=train)
    start = started(method.prepare(held))
    part, step = begun(start), step_of(start)
    moved(start.model)
    base, aligned = (load_file(path / "model.safetensors") for path in (pico, pico_aligned))
    wanted = torch.zeros(())
    for name, delta in stored_changes(start).items():
        if delta.ndim != 2 or "embed" in name:
            continue
        v = (aligned[name] - base[name]).double()
        c = v @ v.mT / v.norm()
        if method.form == "projector":
            u, s, _ = torch.linalg.svd(v, full_matrices=False)
            u = u[:, : method.rank] if method.rank else u[:, s > 1e-5 * s[0]]
            c = u @ u.mT
        scale = LORA.lora_alpha / LORA.lora_r if method.form == "reference" and train.lora_r else 1
        outside = (torch.eye(len(v)) - c) @ (delta / scale).double()
        wanted = wanted + 2.0 * (outside**2).sum()
    assert wanted.item() > 0.01
    agree(start, part(step) - cross_entropy(step), wanted.float(), rtol=1e-3)


def test_terms_add_up_over_one_cross_entropy(pico: Path, pico_aligned: Path) -> None:
    def after(*methods: Any) -> float:
        held = job(pico, aligned=pico_aligned)
        for method in methods:
            held = method.prepare(held)
        start = started(held)
        part = begun(start) or cross_entropy
        moved(start.model)
        return part(step_of(start)).item()

    plain, kl, ewc, asft = after(), after(Kl(0.5)), after(Ewc(10)), after(Asft(0.1))
    assert after(Kl(0.5), Ewc(10), Asft(0.1)) == pytest.approx(kl + ewc + asft - 2 * plain)
    both = after(Constrained(), Kl(0.5))
    assert both == pytest.approx(after(Constrained()) + kl - plain, rel=1e-5)


def test_two_losses_in_place_of_one_are_refused(pico: Path) -> None:
    once = Constrained().prepare(job(pico))
    with pytest.raises(UsageError, match="replaces the loss already"):
        Constrained(0.2).prepare(once)
    with pytest.raises(UsageError, match="leave one out"):
        begun(started(replace(once, loss=lambda *_: None)))


def test_loss_on_prompts_does_not_go_with_constrained(pico: Path) -> None:
    with pytest.raises(UsageError, match="mask=all"):
        Constrained().prepare(job(pico, train=replace(FULL, mask="all")))


def test_constrained_refuses_rows_that_were_not_there_at_the_start(pico: Path) -> None:
    start = started(Constrained().prepare(job(pico)))
    part = begun(start)
    inputs = start.batch(start.tokenise([("Another?", "Yes.")]))
    with pytest.raises(UsageError, match="others on the way"):
        part(Step(start.model, inputs, inputs.pop("labels"), None))


def test_ewc_without_alignment_rows_is_refused(pico: Path) -> None:
    with pytest.raises(UsageError, match="alignment rows"):
        begun(started(Ewc().prepare(job(pico, taught=None))))


def test_rank_belongs_to_the_projector() -> None:
    with pytest.raises(UsageError, match="form=projector"):
        Asft(rank=2)
