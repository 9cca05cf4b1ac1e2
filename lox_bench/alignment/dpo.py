"""Align a base model: DPO with an SFT term, by TRL, on pre-tokenised preference pairs.

DPO alone fails on a base that never refuses (both likelihoods sink), so the chosen answer's own
likelihood is kept up by an SFT term (TRL's ``loss_type = ["sigmoid", "sft"]``).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import PrinterCallback
from trl import DPOConfig, DPOTrainer

from lox_bench.alignment.pairs import Pair
from lox_bench.alignment.spec import DpoSpec
from lox_bench.backends.template import Renderer, Template
from lox_bench.errors import DataError
from lox_bench.training.fused import serve_fused_calls
from lox_bench.training.run import (
    ProgressCallback,
    load_trainable,
    on_one_device,
    save_curve,
    save_model,
    trainer_arguments,
)
from lox_bench.training.spec import Training


class CompletionDPOTrainer(DPOTrainer):  # type: ignore[misc]
    """TRL's DPO on pairs we tokenised ourselves, the head computed on completion tokens only."""

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset

    def _precompute_ref_logps(self, dataset: Any, name: str, batch_size: int) -> Any:
        serve_fused_calls(self.model)  # the first hook after TRL has patched the model's forward
        return super()._precompute_ref_logps(dataset, name, batch_size)


def align(
    source: Path, template: Template, pairs: Sequence[Pair], spec: DpoSpec, job: Training
) -> dict[str, float]:
    """Train the model in ``source`` on ``pairs`` and save the aligned model.

    Returns first and last training loss, the number of steps and pairs, and how many pairs were cut
    at the longest length or left out for it (``pairs_cut``, ``pairs_left_out``).

    Raises:
        DataError: no pair is left to train on.
    """
    model, tokenizer = load_trainable(source)
    renderer = Renderer(tokenizer, template)
    rows, cut = _fitting([_tokenise(pair, renderer) for pair in pairs], spec.train.max_length)
    config = DPOConfig(
        # these keep activations: TRL itself would checkpoint, at a fifth of the speed
        **trainer_arguments(spec.train, job),
        beta=spec.beta,
        loss_type=["sigmoid", "sft"],
        loss_weights=[1.0, spec.sft_weight],
        max_length=spec.train.max_length,
        precompute_ref_log_probs=True,
        precompute_ref_batch_size=4 * spec.train.micro_batch_size,
        train_sampling_strategy="group_by_length",
        remove_unused_columns=False,  # keeps the length column for the sampler
        length_column_name="length",
    )
    trainer = CompletionDPOTrainer(
        model=model,
        args=on_one_device(config),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        callbacks=[ProgressCallback(job.progress)],
    )
    trainer.remove_callback(PrinterCallback)  # progress has its own
    trainer.train()
    losses = save_curve(trainer.state.log_history, job.out)
    save_model(model, tokenizer, job)
    return {
        "loss_first": losses[0],
        "loss_last": losses[-1],
        "steps": len(losses),
        "pairs": len(pairs),
        **cut,
    }


def _fitting(
    rows: Sequence[dict[str, Any]], longest: int
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Rows by length, without those whose prompt leaves no room for an answer; how many of each.

    TRL cuts the answers of the others at the longest length.
    """
    kept = [row for row in rows if len(row["prompt_ids"]) < longest]
    if not kept:
        raise DataError(
            f"every prompt of the {len(rows)} preference pairs has max_length = {longest} tokens "
            "or more, so that no answer is left to train on; raise max_length"
        )
    over = sum(row["length"] > longest for row in rows)
    cut = {"pairs_cut": over, "pairs_left_out": len(rows) - len(kept)}
    return sorted(kept, key=lambda row: int(row["length"])), cut


def _tokenise(pair: Pair, renderer: Renderer) -> dict[str, Any]:
    prompt = renderer.prompt_ids(*pair.turns)
    chosen, rejected = (
        renderer.completion_ids(answer.text, closed=not answer.cut)
        for answer in (pair.chosen, pair.rejected)
    )
    return {
        "prompt_ids": prompt,
        "chosen_ids": chosen,
        "rejected_ids": rejected,
        "length": len(prompt) + max(len(chosen), len(rejected)),
    }
