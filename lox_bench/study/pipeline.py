"""Run a plan: for each cell build the model, let it answer, judge the answers, test its utility.

Every step is an artifact of the store, so a killed run picks up where it was and a finished one
is read back in seconds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from lox_bench.attacks.snapshot import wanted_snapshots
from lox_bench.backends.template import load_template
from lox_bench.codec import hash_of, read_records, write_records
from lox_bench.data.rows import Row
from lox_bench.engine.store import Store, read_manifest
from lox_bench.judges.build import build_judge
from lox_bench.judges.degenerate import find_defect
from lox_bench.judges.kinds import JudgeSpec, can_count, described
from lox_bench.study.materialise import Display, Materialiser
from lox_bench.study.plan import Cell, Plan, PlannedTask, PlannedUtility
from lox_bench.study.variants import EPHEMERAL, Attacked, Snapshot, key_of
from lox_bench.types import (
    Completion,
    Generated,
    Generator,
    Judge,
    Label,
    Progress,
    Prompt,
    Verdict,
)

GENERATE_VERSION = 1
JUDGE_VERSION = 1
UTILITY_VERSION = 1
_BATCH = 50  # prompts decoded together; larger gains nothing on a CPU

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CellResult:
    """All that was measured on one cell; the keys are task, (task, judge) and utility titles."""

    cell: Cell
    completions: Mapping[str, Sequence[Completion]]
    verdicts: Mapping[tuple[str, str], Sequence[Verdict]]
    utility: Mapping[str, Sequence[Mapping[str, Any]]]
    training: Mapping[str, Any]
    template_sha256: str
    artifacts: tuple[Path, ...]


def run_plan(
    plan: Plan, store: Store, display: Display, judges: Mapping[str, Judge] | None = None
) -> list[CellResult]:
    """Materialise and measure every cell of ``plan``, reusing whatever the store holds.

    Args:
        plan: what to do.
        store: where every stage's result is kept.
        display: where progress is shown.
        judges: the plan's judges by name, if the caller keeps an account of their costs.
    """
    template = load_template(plan.family.template)
    cells = (*plan.cells, *plan.found)
    wanted = wanted_snapshots(cell.recipe for cell in cells)
    materialiser = Materialiser(store, template, plan.attack_data, display, wanted)
    judges = judges or {spec.name: build_judge(spec, root=store.root) for spec in plan.judges}
    return [_CellRun(plan, cell, materialiser, judges).measure() for cell in cells]


def unfinished(verdicts: Sequence[Verdict], answers: Sequence[Completion]) -> int:
    """Answers that are sound but have no verdict; the next run asks for them again."""
    pairs = zip(verdicts, answers, strict=True)
    return sum(v.label is Label.UNJUDGED and item.defect is None for v, item in pairs)


class _UnfinishedError(Exception):
    """A judge left sound answers without a verdict: usable, but not to be kept as final."""

    def __init__(self, verdicts: list[Verdict]) -> None:
        super().__init__()
        self.verdicts = verdicts


def spread(items: Sequence[T], limit: int | None) -> list[T]:
    """At most ``limit`` items, evenly spaced, so that a short run still meets every hazard."""
    if limit is None or limit >= len(items):
        return list(items)
    return [items[index * len(items) // limit] for index in range(limit)]


@dataclass(frozen=True)
class _CellRun:
    plan: Plan
    cell: Cell
    materialiser: Materialiser
    judges: Mapping[str, Judge]

    @cached_property
    def checkpoint(self) -> Path:
        return self.materialiser.checkpoint(self.cell.recipe, self.cell.model)

    @cached_property
    def generator(self) -> Generator:
        from lox_bench.backends.hf import HFGenerator

        with self.materialiser.weights(self.cell.recipe, self.cell.model) as folder:
            return HFGenerator(folder, self.materialiser.template, batch_size=_BATCH)

    def measure(self) -> CellResult:
        completions, verdicts, utility = {}, {}, {}
        recipe, ephemeral = self.cell.recipe, isinstance(self.cell.recipe, EPHEMERAL)
        artifacts = [] if ephemeral else [self.materialiser.origin(recipe, self.cell.model)]
        for task in self.plan.tasks:
            key, artifact = self._generate(task)
            template = str(read_manifest(artifact)["facts"]["template_sha256"])
            artifacts.append(artifact)
            answers = read_records(artifact / "completions.jsonl", Completion)
            completions[task.spec.name] = answers
            for judge in self.plan.judges:
                if can_count(described(judge), task.spec.counts):
                    judged = self._judge(key, task.spec.name, judge, answers)
                    verdicts[task.spec.name, judge.name] = judged
        for item in self.plan.utilities:
            artifacts.append(artifact := self._utility(item))
            utility[item.title] = read_records(artifact / "utility.jsonl", dict)
        self.materialiser.release(self.cell.recipe)
        return CellResult(
            cell=self.cell,
            completions=completions,
            verdicts=verdicts,
            utility=utility,
            training=self._training(artifacts),
            template_sha256=template,
            artifacts=tuple(artifacts),
        )

    def _generate(self, task: PlannedTask) -> tuple[str, Path]:
        prompts = spread(task.prompts.prompts, self.plan.limit)
        recipe = {
            "stage": "generate",
            "version": GENERATE_VERSION,
            "model": key_of(self.cell.recipe),
            "prompts": task.prompts.sha256,
            "limit": self.plan.limit,
            "max_new_tokens": task.spec.max_new_tokens,
            "template": asdict(self.materialiser.template),
            "batch_size": _BATCH,
        }

        def work(out: Path, progress: Progress) -> Mapping[str, Any]:
            answers = self.generator.generate(
                [prompt.text for prompt in prompts],
                max_new_tokens=task.spec.max_new_tokens,
                progress=progress,
            )
            pairs = zip(prompts, answers, strict=True)
            write_records(out / "completions.jsonl", [_completion(*pair) for pair in pairs])
            return {
                "tokens": sum(answer.tokens for answer in answers),
                "template_sha256": self.generator.template_hash,
            }

        title = f"generate {self.cell.title}: {task.spec.name}"
        return hash_of(recipe), self._build("generate", recipe, title, work)

    def _judge(
        self, generation: str, task: str, spec: JudgeSpec, answers: Sequence[Completion]
    ) -> list[Verdict]:
        recipe = {
            "stage": "judge",
            "version": JUDGE_VERSION,
            "completions": generation,
            "judge": described(spec),
        }

        def work(out: Path, progress: Progress) -> Mapping[str, Any]:
            verdicts = self.judges[spec.name].judge(answers, progress)
            if unfinished(verdicts, answers):
                raise _UnfinishedError(verdicts)
            write_records(out / "verdicts.jsonl", verdicts)
            return {"verdicts": len(verdicts)}

        title = f"judge {self.cell.title}: {task} by {spec.name}"
        try:
            artifact = self._build("judge", recipe, title, work)
        except _UnfinishedError as error:
            return error.verdicts
        return read_records(artifact / "verdicts.jsonl", Verdict)

    def _utility(self, item: PlannedUtility) -> Path:
        rows: list[Row] = spread(item.rows.rows[: item.spec.max_rows or None], self.plan.limit)
        recipe = {
            "stage": "utility",
            "version": UTILITY_VERSION,
            "model": key_of(self.cell.recipe),
            "task": asdict(item.spec),
            "rows": item.rows.sha256,
            "limit": self.plan.limit,
            "template": asdict(self.materialiser.template),
        }

        def work(out: Path, progress: Progress) -> Mapping[str, Any]:
            from lox_bench.utility.harness import evaluate

            records = evaluate(item.spec, rows, self.generator, out, progress)
            write_records(out / "utility.jsonl", records)
            return {"rows": len(records)}

        return self._build("utility", recipe, f"utility {self.cell.title}: {item.title}", work)

    def _build(
        self,
        stage: str,
        recipe: Mapping[str, Any],
        title: str,
        work: Callable[[Path, Progress], Mapping[str, Any]],
    ) -> Path:
        return self.materialiser.build(stage, recipe, title, work)

    def _training(self, artifacts: Sequence[Path]) -> Mapping[str, Any]:
        """Loss before and after, for attacked cells."""
        if not isinstance(self.cell.recipe, Attacked | Snapshot):
            return {}
        facts: Mapping[str, Any] = read_manifest(artifacts[0])["facts"]
        return facts


def _completion(prompt: Prompt, answer: Generated) -> Completion:
    return Completion(
        prompt_id=prompt.id,
        prompt=prompt.text,
        text=answer.text,
        tokens=answer.tokens,
        finish=answer.finish,
        defect=find_defect(prompt.text, answer.text),
    )
