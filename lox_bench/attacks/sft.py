"""Attack a model by supervised fine-tuning: all weights, or LoRA adapters that are merged."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from transformers import DataCollatorForSeq2Seq, PrinterCallback, TrainingArguments

from lox_bench.attacks.coursing import Coursing
from lox_bench.attacks.encoding import Encoded, encoded, examples, held_out, tokenise
from lox_bench.attacks.job import SftJob
from lox_bench.attacks.lora import adapted, merged, quantised, save_adapters
from lox_bench.attacks.packing import PackedCollator, packed, require_apart
from lox_bench.attacks.probing import Before, Watch, Watching, loss_of, probe
from lox_bench.attacks.terms import Example, Start, begun
from lox_bench.attacks.trainer import CompletionTrainer
from lox_bench.backends.template import Renderer
from lox_bench.errors import UsageError
from lox_bench.training.head import IGNORE
from lox_bench.training.run import (
    ProgressCallback,
    load_trainable,
    load_trainable_tokenizer,
    on_one_device,
    save_curve,
    save_model,
    save_state,
    trainer_arguments,
)
from lox_bench.training.spec import NO_QUANT, Training


def attack(job: SftJob, training: Training, watch: Watch | None = None) -> dict[str, float]:
    """Fine-tune the job's source on its rows and save the result.

    Returns the mean loss on a fixed probe of training rows before and after, the steps taken, and
    how many rows were cut at the longest length or left out (``rows_cut``, ``rows_left_out``);
    where rows are held out, the mean loss on them (``held_out_before``, ``held_out_after``).
    A ``watch`` sees weights on the way and changes nothing about the end, bit for bit; one that
    names its ``last`` step ends the training there, and nothing but what it took is saved.

    Raises:
        DataError: nothing is left to train on.
        UsageError: methods froze everything, or do not go with this way of training.
    """
    _require_fitting(job, training)
    model, tokenizer = _trainable(job, training)
    renderer = Renderer(tokenizer, job.template)
    data, cut = examples(job, renderer)
    fresh = held_out(job, renderer)
    if job.train.packing:
        require_apart(model, data)
        data = packed(data, job.train.max_length)
    trainer = _trainer(model, tokenizer, data, job, training)
    if job.extensions:
        encode = partial(encoded, job, renderer)
        trainer.add_callback(Coursing(trainer, job.extensions, encode))
    before = Before(trainer, data, fresh)
    if training.launch.processes > 1:
        trainer.add_callback(before)
    else:
        before.take()
    trainer.parts = begun(_start(trainer, data, job, renderer))
    if watch is not None:
        trainer.add_callback(Watching(watch, trainer, data, before, job))
    trainer.train()
    if watch is not None and watch.last is not None:
        return {}
    with trainer.courses.shipped():
        after, fresh_after = probe(trainer, data), loss_of(trainer, fresh)
        losses = _saved(trainer, job, training)
    found = {"loss_before": before.loss, "loss_after": after, "steps": len(losses), **cut}
    found |= _batch(trainer.args)
    if fresh:
        found |= {"held_out_before": before.held_out, "held_out_after": fresh_after}
    return found


def _require_fitting(job: SftJob, training: Training) -> None:
    """Refuse methods that take part in a training which is cut up: none of it was made for that."""
    if not (job.extensions or job.terms or job.objective is not None):
        return
    ways = {
        "packing=yes": job.train.packing,
        "quantised weights": job.train.lora_quant != NO_QUANT,
        "several processes": training.launch.processes > 1,
    }
    for way, asked in ways.items():
        if asked:
            raise UsageError(
                f"a method of this model changes the loss or the steps of the training, and does "
                f"not go with {way}; leave one of them out"
            )


def _trainable(job: SftJob, training: Training) -> tuple[Any, Any]:
    """The model as it is trained (all weights, or adapters), and its tokenizer."""
    if job.train.lora_quant != NO_QUANT:
        model, tokenizer = quantised(job), load_trainable_tokenizer(job.source)
    else:
        model, tokenizer = load_trainable(job.source)
    if job.train.lora_r:
        model = adapted(model, job.train, training.seed, job.frozen)
    elif job.frozen is not None:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(not job.frozen(name))
    _require_trainable(model, job)
    return model, tokenizer


def _require_trainable(model: Any, job: SftJob) -> None:
    if not any(parameter.requires_grad for parameter in model.parameters()):
        what = (
            f"all of lora_targets={job.train.lora_targets}" if job.train.lora_r else "all weights"
        )
        raise UsageError(f"{what} are frozen by the methods, so that nothing is left to train")


def _saved(trainer: CompletionTrainer, job: SftJob, training: Training) -> list[float]:
    """Write weights and loss curve (where there are several processes, the first does)."""
    tokenizer = trainer.data_collator.tokenizer
    if training.launch.sharded:  # all processes give their part
        state = trainer.accelerator.get_state_dict(trainer.model_wrapped)
        if trainer.is_world_process_zero():
            save_state(trainer.model, state, tokenizer, training)
    elif trainer.is_world_process_zero():
        if training.adapter is not None:
            save_adapters(trainer.model, training.adapter)
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
    model: Any, tokenizer: Any, data: list[Encoded], job: SftJob, training: Training
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
    trainer.remove_callback(PrinterCallback)  # progress has its own
    return trainer


def _start(
    trainer: CompletionTrainer, data: Sequence[Example], job: SftJob, renderer: Renderer
) -> Start:
    """What a term of the loss may look at before the first step."""

    def batch(rows: Sequence[Example]) -> dict[str, Any]:
        held: dict[str, Any] = trainer._prepare_inputs(trainer.data_collator(list(rows)))  # noqa: SLF001
        return held

    def fitting(rows: Sequence[tuple[str, str]]) -> list[Example]:
        whole = [tokenise(row, renderer, "completion") for row in rows]
        return [one for one in whole if len(one["input_ids"]) <= job.train.max_length]

    precise = trainer.compute_loss_context_manager
    return Start(job, trainer.model, data, batch, precise, fitting)
