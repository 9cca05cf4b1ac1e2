"""lm-eval at work on its own tasks: which documents they have, and what a model gets on them."""

import functools
import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import metadata
from pathlib import Path
from typing import Any, Final

import torch
from lm_eval import simple_evaluate
from lm_eval.api.metrics import bits_per_byte, mean, weighted_perplexity
from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks import TaskManager

from lox_bench.backends.template import Template
from lox_bench.devices import pick_device
from lox_bench.errors import DataError, UnknownNameError, UsageError
from lox_bench.sources.loading import load_model, load_tokenizer
from lox_bench.utility.benchmark import PERPLEXITY, BenchmarkSpec, Sampled
from lox_bench.utility.harness import without_git
from lox_bench.utility.lm import EngineLM, QuietLM, Running
from lox_bench.utility.perplexity import perplexity_task

_BATCH: Final = 16
_SHOWN: Final = 2_000  # characters of a prompt or answer that are kept
_FOLDS: Final = (mean, weighted_perplexity, bits_per_byte)
_PLACES: Final = ("dataset_path", "dataset_name", "dataset_kwargs", "metadata")  # documents count
_ALL: Final = "tasks"
_ONE: Final = "none"  # lm-eval's name of the filter that does nothing


@dataclass(frozen=True, slots=True)
class Found:
    """What a task is made of: its documents, their SHA-256, its metrics that are means.

    The hash is also of how they are asked and scored, where the task is a file of the user's: what
    lm-eval brings along is known by its version. ``versions`` are what tasks call themselves.
    """

    count: int
    sha256: str
    metrics: tuple[str, ...]
    versions: Mapping[str, str]


def documents(spec: BenchmarkSpec) -> Found:
    """Look a task up, with all of its documents.

    Raises:
        UnknownNameError: lm-eval knows no such task.
        DataError: its data set is out of reach.
        UsageError: a library that it needs is not installed, or none of its metrics is a mean over
            documents.
    """
    count, digest, metrics = 0, hashlib.sha256(), dict[str, None]()
    versions: dict[str, str] = {}
    for name, task in _tasks(spec):
        versions[name] = str(task.VERSION)
        for document in task.eval_docs:
            digest.update(json.dumps(document, sort_keys=True, default=str).encode() + b"\n")
            count += 1
        folds = task.aggregation().items()
        metrics |= dict.fromkeys(name for name, fold in folds if fold in _FOLDS)
        if spec.folder:
            digest.update(_written(task, spec).encode())
    if not metrics:
        raise UsageError(
            f"--utility {spec.task}: none of its metrics is a mean over documents or a "
            "perplexity, so that none can be given an interval"
        )
    return Found(count, digest.hexdigest(), tuple(metrics), versions)


def _written(task: Any, spec: BenchmarkSpec) -> str:
    """A task file as text, functions as their source; and the examples before a question."""
    config = {key: value for key, value in task.dump_config().items() if key not in _PLACES}
    shots = task.config.num_fewshot if spec.num_fewshot is None else spec.num_fewshot
    examples = list(task.fewshot_docs()) if shots else []
    return json.dumps([config, examples], sort_keys=True, default=str)


def evaluate_benchmark(
    spec: BenchmarkSpec,
    folder: Path,
    template: Template | None,
    *,
    by: torch.dtype | Running,
    limit: int | None,
    metrics: tuple[str, ...],
) -> list[Sampled]:
    """What the model in ``folder`` gets on every document (or the first ``limit`` of each task).

    ``template`` takes the place of the tokenizer's own where questions are user messages. Weights
    are loaded here in the type ``by``; or ``by`` is a running engine that has them.
    """
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    tokenizer = load_tokenizer(folder)
    if template is not None and template.text is not None:
        tokenizer.chat_template = template.text
    if isinstance(by, Running):
        model: QuietLM = EngineLM(folder, tokenizer, by)
    else:
        loaded, device = load_model(folder, by), pick_device()
        model = QuietLM(
            pretrained=loaded.to(device).eval(),
            tokenizer=tokenizer,
            batch_size=_BATCH,
            device=str(device),
        )
    with without_git():
        results = simple_evaluate(
            model=model,
            tasks=[perplexity_task(spec) if spec.task == PERPLEXITY else spec.task],
            task_manager=_manager(spec),
            num_fewshot=spec.num_fewshot,
            limit=limit,
            apply_chat_template=spec.chat,
            bootstrap_iters=0,
            log_samples=True,
        )
    held = results["samples"]
    return [
        sampled
        for name, samples in held.items()
        for sampled in _by_document(samples, f"{name}/" if len(held) > 1 else "", metrics)
    ]


def _by_document(
    samples: list[Mapping[str, Any]], prefix: str, metrics: tuple[str, ...]
) -> Iterator[Sampled]:
    """One record a document: lm-eval has one a document and filter."""
    values: dict[int, dict[str, float]] = {}
    weighted: dict[int, dict[str, tuple[float, ...]]] = {}
    first: dict[int, Mapping[str, Any]] = {}
    for sample in samples:
        first.setdefault(sample["doc_id"], sample)
        mark = "" if sample["filter"] == _ONE else f"@{sample['filter']}"
        held = values.setdefault(sample["doc_id"], {})
        sums = weighted.setdefault(sample["doc_id"], {})
        for name in (name for name in metrics if name in sample):
            if isinstance(sample[name], tuple | list):
                sums[f"{name}{mark}"] = tuple(map(float, sample[name]))
            else:
                held[f"{name}{mark}"] = float(sample[name])
    for number, sample in sorted(first.items()):
        yield Sampled(
            document=f"{prefix}{number}",
            prompt=str(sample["arguments"][0][0])[-_SHOWN:],
            target=str(sample["target"])[:_SHOWN],
            answer=str(sample["filtered_resps"][0])[:_SHOWN],
            values=values[number],
            weighted=weighted[number],
        )


def _manager(spec: BenchmarkSpec) -> TaskManager:
    return (
        TaskManager(include_path=spec.folder, include_defaults=False) if spec.folder else _its_own()
    )


@functools.cache
def _its_own() -> TaskManager:
    """That of lm-eval's thousands of tasks, which takes it ten seconds to list."""
    return TaskManager()


def _tasks(spec: BenchmarkSpec) -> Iterator[tuple[str, Any]]:
    """The task, or those of a group."""
    if spec.task == PERPLEXITY:
        yield PERPLEXITY, ConfigurableTask(config=perplexity_task(spec))
        return
    manager = _manager(spec)
    if spec.task not in manager.all_tasks:
        raise UnknownNameError(
            "task of lm-eval", spec.task, manager.all_tasks, see="lm_eval ls tasks"
        )
    try:
        loaded = manager.load([spec.task])
    except ImportError as error:
        raise UsageError(
            f"--utility {spec.task}: its code wants {error.name or error}, which is not installed: "
            f"pip install 'lm-eval[{_extra(spec.task)}]'"
        ) from error
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0][:300]
        raise DataError(
            f"--utility {spec.task}: its data set is out of reach ({reason}); lm-eval fetches it "
            "from the hub, or give a task file of your own that names a local one: FILE.yaml"
        ) from error
    yield from loaded["tasks"].items()


def _extra(task: str) -> str:
    """The extra of lm-eval that installs what a task wants: its own, else that of all tasks."""
    own = task.partition("_")[0]
    return own if own in (metadata("lm-eval").get_all("Provides-Extra") or ()) else _ALL
