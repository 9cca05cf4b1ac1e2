"""Attack a model by supervised fine-tuning: full weights, loss on the completion only."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional
from transformers import (
    DataCollatorForSeq2Seq,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)

from lox_bench.generation.template import Renderer
from lox_bench.specs import TrainSpec
from lox_bench.training.head import IGNORE, completion_logits
from lox_bench.training.run import (
    ProgressCallback,
    TrainingJob,
    load_trainable,
    save_curve,
    save_model,
    trainer_arguments,
)

_PROBE_ROWS = 16  # rows on which the loss is measured before and after


class CompletionTrainer(Trainer):  # type: ignore[misc]
    """transformers' Trainer with the language-model head on completion tokens only."""

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Cross-entropy per completion token, averaged over the whole optimiser step."""
        labels = inputs.pop("labels")
        logits, targets, _ = completion_logits(model, inputs, labels)
        count = targets.numel() if num_items_in_batch is None else num_items_in_batch
        loss = functional.cross_entropy(logits.float(), targets, reduction="sum") / count
        return (loss, {"logits": logits}) if return_outputs else loss


def attack(job: TrainingJob, rows: Sequence[tuple[str, str]], spec: TrainSpec) -> dict[str, float]:
    """Fine-tune the job's source on (prompt, completion) rows and save the result.

    Returns the mean loss on a fixed probe of training rows before and after, and the steps taken.
    """
    model, tokenizer = load_trainable(job.source)
    renderer = Renderer(tokenizer, job.template)
    data = [_tokenise(row, renderer, spec.max_length) for row in rows]
    arguments = TrainingArguments(
        **trainer_arguments(spec, job),
        train_sampling_strategy="group_by_length",
        remove_unused_columns=False,
        per_device_eval_batch_size=spec.micro_batch_size,
        prediction_loss_only=True,
    )
    trainer = CompletionTrainer(
        model=model,
        args=arguments,
        train_dataset=data,
        data_collator=DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=IGNORE),
        callbacks=[ProgressCallback(job.progress)],
    )
    trainer.remove_callback(PrinterCallback)  # progress has its own
    before = _probe(trainer, data)
    trainer.train()
    after = _probe(trainer, data)
    losses = save_curve(trainer.state.log_history, job.out)
    save_model(model, tokenizer, job)
    return {"loss_before": before, "loss_after": after, "steps": len(losses)}


@torch.no_grad()
def _probe(trainer: CompletionTrainer, data: Sequence[dict[str, list[int]]]) -> float:
    metrics = trainer.evaluate(data[:_PROBE_ROWS])
    return float(metrics["eval_loss"])


def _tokenise(row: tuple[str, str], renderer: Renderer, max_length: int) -> dict[str, list[int]]:
    prompt, completion = renderer.prompt_ids(row[0]), renderer.completion_ids(row[1])
    labels = [IGNORE] * len(prompt) + completion
    return {"input_ids": (prompt + completion)[:max_length], "labels": labels[:max_length]}
