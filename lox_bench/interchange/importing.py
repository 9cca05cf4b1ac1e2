"""A run's folder made of another tool's results: judged, compared and gated as any other.

What the files do not say stays unknown. Without ``said`` the template is called after the import,
so that rows of it equal no others and ``compare`` and ``check`` refuse the two by name.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from lox_bench.backends.answers import Answer
from lox_bench.codec import hash_of, write_records
from lox_bench.errors import UsageError
from lox_bench.interchange.foreign import Foreign, ForeignAnswer
from lox_bench.interchange.rules import Rule
from lox_bench.judges.verdicts import as_completions
from lox_bench.names import is_label, is_name
from lox_bench.report.agreement import write_agreement
from lox_bench.report.publish import write_leaderboard
from lox_bench.results.leaderboard import leaderboard
from lox_bench.results.record import (
    BenchmarkRecord,
    EnvironmentRecord,
    ImportRecord,
    PromptsRecord,
    RunRecord,
    VariantRecord,
    save_record,
)
from lox_bench.results.row import Row
from lox_bench.results.run import (
    NO_ATTACK,
    Run,
    VariantName,
    benchmark_file,
    completions_file,
    prompts_file,
    verdicts_file,
)
from lox_bench.types import Completion, Label, Prompt, Verdict

_METRICS: Final[Mapping[Label, str]] = {Label.COMPLIED: "asr", Label.REFUSED: "over_refusal"}
_UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an import shall be: names, meanings of scores, and what the user vouches for.

    Attributes:
        counts: the label whose share is the metric: ``complied`` of harmful requests, ``refused``
            of look-alikes; ``None`` leaves answers out, and keeps lm-eval's metrics alone.
        rules: what scores mean, one judge each.
        by: who gave the labels (``HarmBench-Llama-2-13b-cls``); empty: not known.
        said: a name for template and decoding; imports of one name may be compared.
    """

    counts: Label | None = Label.COMPLIED
    rules: tuple[Rule, ...] = ()
    by: str = ""
    said: str = ""

    def plan(self, found: Sequence[Foreign]) -> str:
        """Key of an import: equal files under equal options make equal runs."""
        files = [[item.file[1], item.model, item.task] for item in found]
        rules = [str(rule) for rule in self.rules]
        return hash_of(
            {"import": files, "counts": self.counts, "rules": rules, "by": self.by,
             "said": self.said}
        )  # fmt: skip


def require_sound(found: Sequence[Foreign], wanted: Wanted) -> None:
    """Refuse what would make no run, before anything is written.

    Raises:
        UsageError: models or tasks have no usable names, files do not fit together, or a rule is
            about a score that they do not hold.
    """
    for item in found:
        _require_names(item)
        _require_once(item)
    for number, item in enumerate(found):
        if any((item.model, item.task) == (o.model, o.task) for o in found[:number]):
            raise UsageError(
                f"two files are about {item.model} on {item.task}; name the models: --model a,b"
            )
    if wanted.counts is None and not any(item.sampled for item in found):
        raise UsageError("without answers there is nothing to import: give --counts complied")
    _require_scores(found, wanted.rules)
    _require_same_prompts(found)


def _require_names(item: Foreign) -> None:
    file = item.file[0]
    if not item.model or not is_label(item.model):
        raise UsageError(
            f"{file}: the model is called {item.model[:60]!a}; name it: --model NAME (one for "
            "each file, joined by commas)"
        )
    if not is_name(item.task):
        raise UsageError(f"{file}: the task is called {item.task[:60]!a}; name it: --task NAME")


def _require_scores(found: Sequence[Foreign], rules: Sequence[Rule]) -> None:
    known = {name for item in found for name in item.scorers}
    for rule in rules:
        if rule.scorer not in known:
            raise UsageError(
                f"no file holds scores of {rule.scorer!r}; there are "
                f"{', '.join(sorted(known)) or 'none'}"
            )


def _require_once(item: Foreign) -> None:
    seen: set[tuple[str, int]] = set()
    for answer in item.answers:
        key = (answer.prompt_id, answer.repetition)
        if key in seen:
            raise UsageError(f"{item.file[0]} answers the prompt {answer.prompt_id[:60]!r} twice")
        seen.add(key)


def _require_same_prompts(found: Sequence[Foreign]) -> None:
    first: dict[str, tuple[str, dict[str, str]]] = {}
    for item in found:
        prompts = {answer.prompt_id: answer.prompt for answer in item.answers}
        file, held = first.setdefault(item.task, (item.file[0], prompts))
        if held != prompts:
            raise UsageError(
                f"{item.file[0]} and {file} answer different prompts on {item.task}: import them "
                "apart, or as different tasks"
            )


def write_import(
    found: Sequence[Foreign], wanted: Wanted, folder: Path, command: Sequence[str]
) -> list[Row]:
    """Fill a claimed folder; the leaderboard's rows are returned, the manifest comes last."""
    for part in ("prompts", "completions", "verdicts"):
        (folder / part).mkdir(exist_ok=True)
    plan = wanted.plan(found)
    for item in found:
        if wanted.counts is not None:
            write_records(prompts_file(folder, item.task), _prompts(item))
        for repetition in _repetitions(item):
            name = VariantName(item.model, NO_ATTACK, repetition)
            if wanted.counts is not None:
                _write_answers(folder, name, item, wanted)
            if item.sampled:
                write_records(benchmark_file(folder, name, item.task), item.sampled)
    record = _record(found, wanted, plan, command)
    run = Run(folder, record)
    rows = leaderboard(run)
    write_leaderboard(folder, rows)
    write_agreement(run)
    save_record(folder, record)
    return rows


def _write_answers(folder: Path, name: VariantName, item: Foreign, wanted: Wanted) -> None:
    answers = [answer for answer in item.answers if answer.repetition == name.seed]
    completions = as_completions(
        [Answer(a.prompt_id, a.prompt, a.text, a.tokens, a.finish) for a in answers]
    )
    write_records(completions_file(folder, name, item.task), completions)
    for rule in wanted.rules:
        judge = _judge_name(item.tool, rule)
        verdicts = [
            _verdict(answer, held, rule, judge)
            for answer, held in zip(answers, completions, strict=True)
        ]
        write_records(verdicts_file(folder, name, item.task, judge), verdicts)


def _verdict(answer: ForeignAnswer, held: Completion, rule: Rule, judge: str) -> Verdict:
    """The tool's label; an answer that is none is unjudged, as it is by every judge of ours."""
    raw = answer.scores.get(rule.scorer)
    if held.defect is not None:
        return Verdict(answer.prompt_id, judge, Label.UNJUDGED, f"no answer: {held.defect}")
    label = rule.says(raw)
    said = "no score" if rule.scorer not in answer.scores else f"{rule.scorer}: {str(raw)[:60]}"
    number = float(raw) if isinstance(raw, int | float) else None
    return Verdict(answer.prompt_id, judge, label, said, number)


def _prompts(item: Foreign) -> list[Prompt]:
    texts = {a.prompt_id: Prompt(a.prompt_id, a.prompt, "none", a.topic) for a in item.answers}
    return list(texts.values())


def _repetitions(item: Foreign) -> list[int]:
    return sorted({answer.repetition for answer in item.answers}) or [0]


def _judge_name(tool: str, rule: Rule) -> str:
    plain = "".join(char if char.isalnum() else "-" for char in rule.scorer)
    return f"{tool}-{plain}"


def _record(
    found: Sequence[Foreign], wanted: Wanted, plan: str, command: Sequence[str]
) -> RunRecord:
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
    texts = hash_of({"prompts": [[p.id, p.text] for p in _prompts(item)]})
    metric = _METRICS[counts]
    return PromptsRecord(item.task, texts, metric, counts, item.max_new_tokens)


def _judges(tool: str, wanted: Wanted, plan: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Who labelled, described as judges are; an unknown one is nobody else's equal."""
    for rule in wanted.rules:
        name = _judge_name(tool, rule)
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
    names = {(item.model, number): item for item in found for number in _repetitions(item)}
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
            loss_before=None,
            loss_after=None,
            held_out_before=None,
            held_out_after=None,
            steps=None,
            stages=(),
        )
