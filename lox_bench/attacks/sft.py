"""Attack a model by supervised fine-tuning: all weights, or LoRA adapters that are merged."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
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

from lox_bench.attacks.course import Courses
from lox_bench.attacks.coursing import Coursing
from lox_bench.attacks.job import Loss, SftJob
from lox_bench.attacks.lora import adapted, merged, merged_copy
from lox_bench.attacks.terms import Example, Part, Start, Step, begun
from lox_bench.backends.template import Renderer
from lox_bench.errors import DataError, UsageError
from lox_bench.training.head import IGNORE, completion_logits
from lox_bench.training.run import (
    ProgressCallback,
    load_trainable,
    save_curve,
    save_model,
    save_rounded,
    trainer_arguments,
)
from lox_bench.training.spec import Training

_PROBE_ROWS = 16  # rows on which the loss is measured before and after


class CompletionTrainer(Trainer):  # type: ignore[misc]
    """transformers' Trainer with the language-model head on completion tokens only."""

    loss: Loss | None = None  # a method's, instead of cross-entropy
    parts: Part | None = None  # the whole loss, where methods have a say in it
    courses: Courses = Courses()
    _parts = 1  # micro-batches of the optimiser step

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> Any:
        """The batches of an optimiser step, or those that a method puts in their place."""
        usual, count = super().get_batch_samples(epoch_iterator, num_batches, device)
        batches = self.courses.batches(self.state.global_step, usual)
        self._parts = len(usual)
        if batches is usual:
            return usual, count
        return super().get_batch_samples(iter(batches), len(usual), device)

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Cross-entropy per completion token, averaged over the whole optimiser step."""
        labels = inputs.pop("labels")
        if self.parts is not None and model.training:
            loss = self.parts(Step(model, inputs, labels, num_items_in_batch))
            return self.courses.added(loss, self._parts)
        if self.loss is not None and model.training:
            loss = self.loss(model, inputs, labels, num_items_in_batch)
            return self.courses.added(loss, self._parts)
        logits, targets, _ = completion_logits(model, inputs, labels)
        count = targets.numel() if num_items_in_batch is None else num_items_in_batch
        loss = functional.cross_entropy(logits.float(), targets, reduction="sum") / count
        if model.training:
            loss = self.courses.added(loss, self._parts)
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
    model, tokenizer = load_trainable(job.source)
    if job.train.lora_r:
        model = adapted(model, job.train, training.seed, job.frozen)
    elif job.frozen is not None:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(not job.frozen(name))
    _require_trainable(model, job)
    renderer = Renderer(tokenizer, job.template)
    data, cut = _examples(job, renderer)
    fresh = _held_out(job, renderer)
    trainer = _trainer(model, tokenizer, data, job, training)
    if job.extensions:
        encode = partial(_encoded, job, renderer)
        trainer.add_callback(Coursing(trainer, job.extensions, encode))
    before, fresh_before = _probe(trainer, data), _loss_of(trainer, fresh)
    trainer.parts = begun(_start(trainer, data, job, renderer))
    if watch is not None:
        trainer.add_callback(_Watching(watch, trainer, data, before))
    trainer.train()
    if watch is not None and watch.last is not None:
        return {}
    losses = save_curve(trainer.state.log_history, training.out)
    with trainer.courses.shipped():
        after, fresh_after = _probe(trainer, data), _loss_of(trainer, fresh)
        save_model(merged(model), tokenizer, training)
    found = {"loss_before": before, "loss_after": after, "steps": len(losses), **cut}
    found |= _batch(trainer.args)
    if fresh:
        found |= {"held_out_before": fresh_before, "held_out_after": fresh_after}
    return found


def _require_trainable(model: Any, job: SftJob) -> None:
    if not any(parameter.requires_grad for parameter in model.parameters()):
        what = (
            f"all of lora_targets={job.train.lora_targets}" if job.train.lora_r else "all weights"
        )
        raise UsageError(f"{what} are frozen by the methods, so that nothing is left to train")


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
    trainer = CompletionTrainer(
        model=model,
        args=arguments,
        train_dataset=data,
        data_collator=DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=IGNORE),
        callbacks=[ProgressCallback(training.progress), *job.callbacks],
    )
    trainer.loss = job.loss
    trainer.remove_callback(PrinterCallback)  # progress has its own
    return trainer


def _start(
    trainer: CompletionTrainer, data: Sequence[Example], job: SftJob, renderer: Renderer
) -> Start:
    """What a term of the loss may look at before the first step."""

    def batch(examples: Sequence[Example]) -> dict[str, Any]:
        held: dict[str, Any] = trainer._prepare_inputs(trainer.data_collator(list(examples)))  # noqa: SLF001
        return held

    def tokenise(rows: Sequence[tuple[str, str]]) -> list[Example]:
        whole = [_tokenise(row, renderer, "completion") for row in rows]
        return [one for one in whole if len(one["input_ids"]) <= job.train.max_length]

    precise = trainer.compute_loss_context_manager
    return Start(job, trainer.model, data, batch, precise, tokenise)


class _Watching(TrainerCallback):  # type: ignore[misc]
    """Hands weights and probe loss to a watch, leaving no trace in the random state."""

    def __init__(
        self,
        watch: Watch,
        trainer: CompletionTrainer,
        data: Sequence[dict[str, list[int]]],
        before: float,
    ) -> None:
        self._watch, self._trainer, self._data, self._before = watch, trainer, data, before

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
            with self._trainer.courses.shipped():
                self._take(step)
        if step == self._watch.last:
            control.should_training_stop = True

    def _take(self, step: int) -> None:
        with torch.random.fork_rng():
            after = _probe(self._trainer, self._data)
        facts = {"loss_before": self._before, "loss_after": after, "steps": step}
        model, tokenizer = self._trainer.model, self._trainer.data_collator.tokenizer

        def save(out: Path) -> None:
            save_rounded(merged_copy(model), tokenizer, out)

        self._watch.take(step, facts, save)


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


def _encoded(
    job: SftJob, renderer: Renderer, rows: Sequence[tuple[str, str]]
) -> list[dict[str, list[int]]]:
    """Other rows, as those of the job are."""
    return _examples(replace(job, rows=tuple(rows)), renderer)[0]


def _held_out(job: SftJob, renderer: Renderer) -> list[dict[str, list[int]]]:
    """Rows that nobody trains on, those that fit."""
    longest = job.train.max_length
    whole = [_tokenise(row, renderer, job.train.mask) for row in job.held_out]
    return [example for example in whole if len(example["input_ids"]) <= longest]


def _tokenise(row: tuple[str, str], renderer: Renderer, mask: str) -> dict[str, list[int]]:
    prompt, completion = renderer.prompt_ids(row[0]), renderer.completion_ids(row[1])
    before = prompt if mask == "all" else [IGNORE] * len(prompt)
    return {"input_ids": prompt + completion, "labels": before + completion}
