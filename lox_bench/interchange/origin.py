"""The record of an imported run: what the files say, and what nobody knows."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from lox_bench.codec import hash_of
from lox_bench.interchange.foreign import Foreign
from lox_bench.interchange.wanted import Wanted
from lox_bench.results.record import (
    BenchmarkRecord,
    EnvironmentRecord,
    ImportRecord,
    PromptsRecord,
    RunRecord,
    VariantRecord,
)
from lox_bench.results.run import NO_ATTACK
from lox_bench.types import Label

_METRICS: Final[Mapping[Label, str]] = {Label.COMPLIED: "asr", Label.REFUSED: "over_refusal"}
_UNKNOWN: Final = "unknown"


def import_record(
    found: Sequence[Foreign], wanted: Wanted, plan: str, command: Sequence[str]
) -> RunRecord:
    """The record of these files under a plan's key."""
    tool, counts = found[0].tool, wanted.counts
    prompts = {} if counts is None else {item.task: _asked(item, counts) for item in found}
    judges = {} if counts is None else dict(_judges(tool, wanted, plan))
    return RunRecord(
        plan=plan,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        command=tuple(command),
        family=f"imported-{tool}",
        split=_UNKNOWN,
        limit=None,
        strength=None,
        attack_data={},
        prompts=prompts,
        judges=judges,
        added_judges=(),
        utilities={},
        environment=EnvironmentRecord({}, _UNKNOWN, None, 0, _UNKNOWN),
        variants=tuple(_variants(found, wanted, plan)),
        expenses=(),
        benchmarks={item.task: _benchmark(item) for item in found if item.sampled},
        imported=_origin(found, wanted),
    )


def _origin(found: Sequence[Foreign], wanted: Wanted) -> ImportRecord:
    ends = all(item.max_new_tokens for item in found)
    unknown = [] if wanted.said else ["chat template", "decoding"]
    unknown += [] if ends else ["where answers end"]
    unknown += ["the models' weights", "what computed"]
    unknown += ["who labelled"] if wanted.rules and not wanted.by else []
    return ImportRecord(
        tool=found[0].tool,
        version=found[0].version,
        files={item.file[0]: item.file[1] for item in found},
        settings={f"{item.model} on {item.task}": item.settings for item in found},
        said=wanted.said,
        unknown=tuple(unknown),
    )


def _asked(item: Foreign, counts: Label) -> PromptsRecord:
    texts = hash_of({"prompts": [[p.id, p.text] for p in item.prompts]})
    metric = _METRICS[counts]
    return PromptsRecord(item.task, texts, metric, counts, item.max_new_tokens)


def _judges(tool: str, wanted: Wanted, plan: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Who labelled, described as judges are; an unknown one is nobody else's equal."""
    for rule in wanted.rules:
        name = rule.judge(tool)
        yield (
            name,
            {
                "kind": "imported",
                "name": name,
                "description": f"labels that {tool} stored: {rule}",
                "rule": str(rule),
                "by": wanted.by or f"{_UNKNOWN}-{plan[:8]}",
                "counts": rule.counts,
                "reads": rule.reads,
            },
        )


def _benchmark(item: Foreign) -> BenchmarkRecord:
    metrics = dict.fromkeys(name for sample in item.sampled for name in sample.values)
    shots = item.settings.get("n_shot")
    return BenchmarkRecord(
        documents=len(item.sampled),
        sha256=hash_of({"documents": [[s.document, s.prompt, s.target] for s in item.sampled]}),
        lm_eval=item.version or _UNKNOWN,
        num_fewshot=shots if isinstance(shots, int) else None,
        metrics=tuple(metrics),
    )


def _variants(found: Sequence[Foreign], wanted: Wanted, plan: str) -> Iterator[VariantRecord]:
    template = sha256(wanted.said.encode()).hexdigest() if wanted.said else f"{_UNKNOWN}-{plan[:8]}"
    names = {(item.model, number): item for item in found for number in item.repetitions}
    for (model, repetition), item in names.items():
        made = {"imported": item.tool, "model": model}
        yield VariantRecord(
            model=model,
            attack=NO_ATTACK,
            attack_spec="",
            attack_data="",
            utility="",
            attacked=False,
            snapshot_step=None,
            snapshot_of="",
            seed=repetition,
            align_seed=repetition,
            attack_seed=repetition,
            model_key=f"{_UNKNOWN}-{hash_of(made)[:8]}",
            made=made,
            template_sha256=template,
            backend=_UNKNOWN,
            dtype=_UNKNOWN,
            loss_before=None,
            loss_after=None,
            held_out_before=None,
            held_out_after=None,
            steps=None,
            stages=(),
        )
