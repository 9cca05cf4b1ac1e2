"""What a run's folder says of its making: stages, hashes, judges, versions, seconds per stage."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any

from lox_bench.codec import from_plain, to_plain
from lox_bench.engine.stage import Stage, Text, describe
from lox_bench.judges.kinds import described
from lox_bench.provenance import environment
from lox_bench.results.record import (
    BenchmarkRecord,
    EnvironmentRecord,
    PromptsRecord,
    RowsRecord,
    RunRecord,
    StageRecord,
    UtilityRecord,
    VariantRecord,
)
from lox_bench.study.measure import VariantResult
from lox_bench.study.study import Study
from lox_bench.types import Label


def run_record(study: Study, results: Sequence[VariantResult], command: Sequence[str]) -> RunRecord:
    """Everything a run's numbers rest on; rows are made from it."""
    return RunRecord(
        plan=study.key,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        command=tuple(command),
        family=study.family.name,
        split=study.split,
        limit=study.limit,
        strength=to_plain(study.strength.described()) if study.strength else None,
        attack_data={
            name: RowsRecord(rows.label, rows.count, rows.sha256)
            for name, rows in study.attack_data.items()
        },
        prompts={
            task.spec.name: PromptsRecord(
                task.prompts.name,
                task.prompts.sha256,
                task.spec.metric,
                Label(task.spec.counts),
                task.max_new_tokens,
                study.answering.samples,
                study.answering.temperature,
            )
            for task in study.tasks
        },
        judges={judge.name: to_plain(described(judge)) for judge in study.judges},
        added_judges=(),
        utilities={
            item.title: UtilityRecord(item.rows.count, item.rows.sha256, item.spec.max_new_tokens)
            for item in study.utilities
        },
        benchmarks={
            item.spec.title: BenchmarkRecord(
                item.documents,
                item.sha256,
                item.lm_eval,
                item.spec.num_fewshot,
                item.metrics,
                item.versions,
            )
            for item in study.benchmarks
        },
        environment=from_plain(EnvironmentRecord, to_plain(environment()), where="environment"),
        variants=tuple(_variant(study, result) for result in results),
        expenses=(),
        defence=to_plain(study.defence.described()) if study.defence else None,
    )


def _variant(study: Study, result: VariantResult) -> VariantRecord:
    variant, training = result.variant, result.training
    attack, backend = variant.attack, study.answering.backend_of(variant)
    spec = "" if attack is None else attack.point.spec.name
    task = "" if attack is None else study.accuracy_task(attack.point)
    step = None if attack is None else attack.step
    return VariantRecord(
        model=variant.label,
        attack=variant.name.attack,
        attack_spec=spec,
        attack_data=variant.attack_data,
        utility=task,
        attacked=attack is not None,
        snapshot_step=step,
        snapshot_of="" if attack is None or step is None else attack.point.name,
        seed=variant.seed,
        align_seed=variant.seeds.align,
        attack_seed=variant.seeds.attack,
        model_key=variant.model.key,
        made=to_plain(made(variant.model)),
        template_sha256=result.template_sha256,
        backend=backend.name,
        dtype=backend.dtype,
        loss_before=training.get("loss_before"),
        loss_after=training.get("loss_after"),
        held_out_before=training.get("held_out_before"),
        held_out_after=training.get("held_out_after"),
        steps=training.get("steps"),
        stages=tuple(_stages(result)),
    )


def _stages(result: VariantResult) -> Iterator[StageRecord]:
    for artifact in result.artifacts:
        held = artifact.manifest
        yield StageRecord(held.kind, held.key, held.seconds, held.facts)


def made(stage: Stage) -> Mapping[str, Any]:
    """A stage written out in full, the stages it rests on inside it."""
    plain = {"key": stage.key, **describe(stage)}
    held = {slot.name: getattr(stage, slot.name) for slot in fields(stage) if slot.compare}
    return plain | {name: _written_out(value) for name, value in held.items() if _has(value)}


def _has(value: Any) -> bool:
    """Whether there are stages in a field's value."""
    if isinstance(value, tuple):
        return any(map(_has, value))
    return isinstance(value, Stage) or any(map(_has, _slots(value).values()))


def _written_out(value: Any) -> Any:
    if isinstance(value, Stage):
        return made(value)
    if isinstance(value, tuple):
        return [_written_out(item) for item in value]
    return {
        name: _written_out(item) if _has(item) else item for name, item in _slots(value).items()
    }


def _slots(value: Any) -> Mapping[str, Any]:
    """The fields of a plain dataclass; none of anything else."""
    if not is_dataclass(value) or isinstance(value, type | Text):
        return {}
    return {slot.name: getattr(value, slot.name) for slot in fields(value)}
