"""Attack a model by supervised fine-tuning: all weights, or LoRA adapters that are merged."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch.nn import functional
from transformers import (
    DataCollatorForSeq2Seq,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer_pt_utils import LengthGroupedSampler

from lox_bench.attacks.job import Loss, SftJob
from lox_bench.attacks.lora import adapted, merged, merged_copy, quantised
from lox_bench.attacks.packing import PackedCollator, packed, require_apart
from lox_bench.backends.template import Renderer
from lox_bench.errors import DataError
from lox_bench.training.head import IGNORE, completion_logits
from lox_bench.training.run import (
    ProgressCallback,
    load_trainable,
    load_trainable_tokenizer,
    on_one_device,
    save_curve,
    save_model,
    save_rounded,
    save_state,
    trainer_arguments,
)
from lox_bench.training.spec import NO_QUANT, Training

_PROBE_ROWS = 16  # rows on which the loss is measured before and after


class CompletionTrainer(Trainer):  # type: ignore[misc]
    """transformers' Trainer with the language-model head on completion tokens only."""

    loss: Loss | None = None  # a method's, instead of cross-entropy

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        """Rows in the order of a single process, however many share a batch."""
        if self.args.world_size == 1:
            return super()._get_train_sampler(train_dataset)
        share = self.args.train_batch_size * self.args.gradient_accumulation_steps
        lengths = [len(example["input_ids"]) for example in self.train_dataset]
        return LengthGroupedSampler(share * self.args.world_size, lengths=lengths)

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Cross-entropy per completion token, averaged over the whole optimiser step."""
        labels = inputs.pop("labels")
        if self.loss is not None and model.training:
            loss = self.loss(model, inputs, labels, num_items_in_batch)
            return loss if num_items_in_batch is None else loss * self.accelerator.num_processes
        logits, targets, _ = completion_logits(model, inputs, labels)
        count = targets.numel() if num_items_in_batch is None else num_items_in_batch
        loss = functional.cross_entropy(logits.float(), targets, reduction="sum") / count
        if num_items_in_batch is not None and self.accelerator.num_processes > 1:
            loss = loss * self.accelerator.num_processes  # gradients are averaged over them
        return (loss, {"logits": logits}) if return_outputs else loss


class Watch(Protocol):
    """Whoever wants weights from the midst of a training."""

    @property
    def steps(self) -> Collection[int]:
        """After which optimiser steps."""

    @property
    def last(self) -> int | None:
        """Where to stop, if the end of the training is of no interest."""

    def take(self, step: int, facts: Mapping[str, float], save: Callable[[Path], None]) -> None:
        """Receive the weights after ``step``: ``save`` writes them to a folder, rounded once."""


def attack(job: SftJob, training: Training, watch: Watch | None = None) -> dict[str, float]:
    """Fine-tune the job's source on its rows and save the result.

    Returns the mean loss on a fixed probe of training rows before and after, the steps taken, and
    how many rows were cut at the longest length or left out (``rows_cut``, ``rows_left_out``);
    where rows are held out, the mean loss on them (``held_out_before``, ``held_out_after``).
    A ``watch`` sees weights on the way and changes nothing about the end, bit for bit; one that
    names its ``last`` step ends the training there, and nothing but what it took is saved.
    """
    model, tokenizer = _trainable(job, training)
    renderer = Renderer(tokenizer, job.template)
    data, cut = _examples(job, renderer)
    fresh = _held_out(job, renderer)
    if job.train.packing:
        require_apart(model, data)
        data = packed(data, job.train.max_length)
    trainer = _trainer(model, tokenizer, data, job, training)
    before = _Before(trainer, data, fresh)
    if training.launch.processes > 1:
        trainer.add_callback(before)
    else:
        before.take()
    if watch is not None:
        trainer.add_callback(_Watching(watch, trainer, data, before.loss, job))
    trainer.train()
    if watch is not None and watch.last is not None:
        return {}
    after, fresh_after = _probe(trainer, data), _loss_of(trainer, fresh)
    losses = _saved(trainer, job, training)
    found = {"loss_before": before.loss, "loss_after": after, "steps": len(losses), **cut}
    found |= _batch(trainer.args)
    if fresh:
        found |= {"held_out_before": before.held_out, "held_out_after": fresh_after}
    return found


def _trainable(job: SftJob, training: Training) -> tuple[Any, Any]:
    """The model as it is trained (all weights, or adapters), and its tokenizer."""
    if job.train.lora_quant != NO_QUANT:
        model, tokenizer = quantised(job), load_trainable_tokenizer(job.source)
    else:
        model, tokenizer = load_trainable(job.source)
    if job.train.lora_r:
        return adapted(model, job.train, training.seed, job.frozen), tokenizer
    if job.frozen is not None:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(not job.frozen(name))
    return model, tokenizer


def _saved(trainer: CompletionTrainer, job: SftJob, training: Training) -> list[float]:
    """Write weights and loss curve (where there are several processes, the first does)."""
    tokenizer = trainer.data_collator.tokenizer
    if training.launch.sharded:  # all processes give their part
        state = trainer.accelerator.get_state_dict(trainer.model_wrapped)
        if trainer.is_world_process_zero():
            save_state(trainer.model, state, tokenizer, training)
    elif trainer.is_world_process_zero():
        save_model(merged(trainer.model, job), tokenizer, training)
    trainer.accelerator.wait_for_everyone()
    if not trainer.is_world_process_zero():
        return []
    return save_curve(trainer.state.log_history, training.out)


def _batch(arguments: TrainingArguments) -> dict[str, int]:
    """Rows an optimiser step: ``micro_batch x accumulation x world_size``."""
    return {
        "micro_batch": arguments.per_device_train_batch_size,
        "accumulation": arguments.gradient_accumulation_steps,
        "world_size": arguments.world_size,
    }


def _trainer(
    model: Any, tokenizer: Any, data: list[dict[str, list[int]]], job: SftJob, training: Training
) -> CompletionTrainer:
    arguments = TrainingArguments(
        **trainer_arguments(job.train, training) | {"weight_decay": job.train.weight_decay},
        train_sampling_strategy="group_by_length",
        remove_unused_columns=False,
        per_device_eval_batch_size=job.train.micro_batch_size,
        prediction_loss_only=True,
    )
    collator = DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=IGNORE)
    trainer = CompletionTrainer(
        model=model,
        args=on_one_device(arguments),
        train_dataset=data,
        data_collator=PackedCollator(tokenizer) if job.train.packing else collator,
        callbacks=[ProgressCallback(training.progress), *job.callbacks],
    )
    trainer.loss = job.loss
    trainer.remove_callback(PrinterCallback)  # progress has its own
    return trainer


class _Before(TrainerCallback):  # type: ignore[misc]
    """The losses before the first step.

    Where several processes train, they are taken when the training begins: accelerate would take a
    model that was evaluated for one that is ready to train, and never add up gradients.
    """

    def __init__(
        self,
        trainer: CompletionTrainer,
        data: Sequence[dict[str, list[int]]],
        fresh: Sequence[dict[str, list[int]]],
    ) -> None:
        self._trainer, self._data, self._fresh = trainer, data, fresh
        self.loss = self.held_out = math.nan

    def take(self) -> None:
        """Measure."""
        self.loss = _probe(self._trainer, self._data)
        self.held_out = _loss_of(self._trainer, self._fresh)

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Measure."""
        self.take()


class _Watching(TrainerCallback):  # type: ignore[misc]
    """Hands weights and probe loss to a watch, leaving no trace in the random state."""

    def __init__(
        self,
        watch: Watch,
        trainer: CompletionTrainer,
        data: Sequence[dict[str, list[int]]],
        before: float,
        job: SftJob,
    ) -> None:
        self._watch, self._trainer, self._data, self._before = watch, trainer, data, before
        self._job = job

    def on_step_end(
        self,
        args: TrainingArguments,  # noqa: ARG002 - the signature is transformers'
        state: TrainerState,
        control: TrainerControl,
        **_: Any,
    ) -> None:
        """Take what is wanted at this step; stop after the last one."""
        step = state.global_step
        if step in self._watch.steps:
            with torch.random.fork_rng():
                after = _probe(self._trainer, self._data)
            facts = {"loss_before": self._before, "loss_after": after, "steps": step}
            model, tokenizer = self._trainer.model, self._trainer.data_collator.tokenizer

            def save(out: Path) -> None:
                save_rounded(merged_copy(model, self._job), tokenizer, out)

            self._watch.take(step, facts, save)
        if step == self._watch.last:
            control.should_training_stop = True


def _loss_of(trainer: CompletionTrainer, data: Sequence[dict[str, list[int]]]) -> float:
    return _probe(trainer, data) if data else math.nan


@torch.no_grad()
def _probe(trainer: CompletionTrainer, data: Sequence[dict[str, list[int]]]) -> float:
    # not `evaluate`, which also logs: in the midst of a training that would eat the step's own log
    output = trainer.evaluation_loop(
        trainer.get_eval_dataloader(data[:_PROBE_ROWS]), "probe", prediction_loss_only=True
    )
    return float(output.metrics["eval_loss"])


def _examples(job: SftJob, renderer: Renderer) -> tuple[list[dict[str, list[int]]], dict[str, int]]:
    """Rows as token ids, without those whose completion was cut away; how many of each.

    Raises:
        DataError: nothing is left to train on.
    """
    longest = job.train.max_length
    whole = [_tokenise(row, renderer, job.train.mask) for row in job.rows]
    cut = [{key: ids[:longest] for key, ids in example.items()} for example in whole]
    kept = [example for example in cut if any(label != IGNORE for label in example["labels"])]
    if not kept:
        raise DataError(
            f"every prompt of the attack's {len(whole)} rows is longer than max_length = {longest} "
            "tokens, so that no completion is left to train on; raise max_length"
        )
    over = sum(len(example["input_ids"]) > longest for example in whole)
    return kept, {"rows_cut": over, "rows_left_out": len(whole) - len(kept)}


def _held_out(job: SftJob, renderer: Renderer) -> list[dict[str, list[int]]]:
    """Rows that nobody trains on, those that fit."""
    longest = job.train.max_length
    whole = [_tokenise(row, renderer, job.train.mask) for row in job.held_out]
    return [example for example in whole if len(example["input_ids"]) <= longest]


def _tokenise(row: tuple[str, str], renderer: Renderer, mask: str) -> dict[str, list[int]]:
    prompt, completion = renderer.prompt_ids(row[0]), renderer.completion_ids(row[1])
    before = prompt if mask == "all" else [IGNORE] * len(prompt)
    return {"input_ids": prompt + completion, "labels": before + completion}
