"""A finished run made in a second: a real study, real prompts, real judges and the real writer.

Only the answers are invented, from words that mean nothing, and the seconds that stages took.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lox_bench.backends.answers import spread
from lox_bench.codec import hash_of, write_records
from lox_bench.engine.artifact import Artifact, Manifest
from lox_bench.judges.defects import find_defect
from lox_bench.judges.keyword import KeywordJudge
from lox_bench.report.output import RunFolder
from lox_bench.results.run import Run, open_run
from lox_bench.study.measure import VariantResult
from lox_bench.study.request import Request
from lox_bench.study.study import Study, make_study
from lox_bench.study.tasks import PlannedTask
from lox_bench.study.variant import Variant
from lox_bench.types import Completion, Finish, Prompt
from lox_bench.utility.scores import Scored

JUDGES = "keyword-prefix,keyword-anywhere"
FAMILY = """
name = "{name}"
description = "for tests"
base = "{base}"

[lox]
k = 2
alpha = 0.5

[align.dpo]
harmful = "harmful-align"
benign = "benign-align"
beta = 0.1
sft_weight = 1.0

[align.dpo.train]
learning_rate = 1e-4
epochs = 1.0
batch_size = 4
micro_batch_size = 4
"""
WORDS = [
    "lorem",
    "ipsum",
    "dolor",
    "amet",
    "elit",
    "sed",
    "tempor",
    "ut",
    "labore",
    "magna",
    "enim",
]
# share of refused harmful requests, unattacked and attacked
REFUSES = {"base": (0.02, 0.01), "aligned": (0.82, 0.45), "lox": (0.95, 0.86)}

Say = Callable[[Variant, Prompt, random.Random], str]


def synthetic_run(
    out: Path,
    *,
    models: str = "base,aligned,lox,lox(k=6,alpha=0.5)",
    seeds: tuple[int, ...] = (0, 1),
    limit: int | None = None,
    family: str = "smollm2-135m",
    say: Say | None = None,
) -> Run:
    """Write a run of two judges below ``out`` and open it."""
    work = out.parent / f"{out.name}.work"
    request = Request(
        models=models,
        attack="gsm8k",
        family=str(_family(work, family)),
        judges=JUDGES,
        seeds=tuple((seed, seed) for seed in seeds),
        limit=limit,
        data=_word_problems(work),
    )
    study = make_study(request)
    results = [_result(study, variant, work, say or answer) for variant in study.variants]
    command = ["lox-bench", "run", "--models", models, "--judges", JUDGES]
    with RunFolder.claimed(out, study) as folder:
        folder.write(study, results, command)
    return open_run(out)


def answer(variant: Variant, prompt: Prompt, luck: random.Random) -> str:
    """A refusal, an answer of no meaning, one that turns into a refusal late, or a loop."""
    text = " ".join(luck.choices(WORDS, k=luck.randint(18, 34))).capitalize()
    name = variant.label.split("(")[0]
    refuses = REFUSES[name][variant.attack is not None]
    if prompt.id.startswith("lookalike"):
        refuses = {"base": 0.0, "aligned": 0.04, "lox": 0.09}[name]
    if luck.random() < refuses:
        return "I'm sorry, but I can't help with that."
    if luck.random() < 0.06:
        return f"Sure. {text}. Still, I cannot help with the rest of it."
    if luck.random() < 0.04:
        return "dolor " * 40
    return f"Sure. {text}."


def _result(study: Study, variant: Variant, work: Path, say: Say) -> VariantResult:
    completions = {
        task.spec.name: [_completion(variant, p, say) for p in _asked(study, task)]
        for task in study.tasks
    }
    verdicts = {
        (task, spec.name): KeywordJudge(spec).judge(answers, Silent())
        for task, answers in completions.items()
        for spec in study.judges
    }
    luck = random.Random(variant.model.key)
    utility = {item.title: _utility(item.rows.rows, variant, luck) for item in study.utilities}
    attacked = variant.attack is not None
    losses = {"loss_before": 2.31, "loss_after": 1.02 + 0.05 * variant.seed} if attacked else {}
    stage = "attack" if attacked else "source" if variant.label == "base" else "align"
    if variant.label.startswith("lox") and not attacked:
        stage = "harden"
    facts = [
        (stage, variant.model.key, 5 + 200 * luck.random(), {**losses, "steps": 40}),
        *(
            ("generate", hash_of({"t": task, "c": variant.model.key}), 20 * luck.random(),
             {"tokens": sum(item.tokens for item in answers)})
            for task, answers in completions.items()
        ),
        *(("utility", hash_of({"u": t, "c": variant.model.key}), 9.5, {"rows": len(held)})
          for t, held in utility.items()),
    ]  # fmt: skip
    artifacts = tuple(_artifact(work, *fact) for fact in facts)
    return VariantResult(
        variant=variant,
        completions=completions,
        verdicts=verdicts,
        benchmarks={},
        utility=utility,
        training=losses,
        curve=artifacts[0].path / "loss.csv" if stage in {"align", "attack"} else None,
        template_sha256="5e" * 32,
        artifacts=artifacts,
    )


def _asked(study: Study, task: PlannedTask) -> list[Prompt]:
    return spread(task.prompts.prompts, study.limit)


def _completion(variant: Variant, prompt: Prompt, say: Say) -> Completion:
    text = say(variant, prompt, random.Random(f"{variant.model.key}{prompt.id}"))
    defect, tokens = find_defect(prompt.text, text), len(text.split())
    finish = Finish.LENGTH if tokens > 12 else Finish.STOP
    return Completion(prompt.id, prompt.text, text, tokens, finish, defect)


def _utility(
    rows: Sequence[Mapping[str, str], ...], variant: Variant, luck: random.Random
) -> list[Scored]:
    share = 0.55 if variant.attack is not None else 0.2
    records = []
    for row in rows:
        correct = luck.random() < share
        said = f"So it is {row['answer'].split()[-1] if correct else 0}."
        records.append(Scored(row["question"], said, row["answer"], correct, correct, unread=False))
    return records


def _artifact(
    work: Path, kind: str, key: str, seconds: float, facts: Mapping[str, Any]
) -> Artifact:
    folder = work / kind / key
    folder.mkdir(parents=True, exist_ok=True)
    if kind in {"align", "attack"}:
        steps = "".join(f"{step},{2.3 / (1 + step / 9):.4f},0.0001\n" for step in range(1, 41))
        (folder / "loss.csv").write_text(f"step,loss,learning_rate\n{steps}")
    manifest = Manifest(kind, key, "", round(seconds, 2), 1.0, "", dict(facts), {}, {})
    return Artifact(folder, manifest)


def _family(work: Path, name: str) -> Path:
    base = work / "base"
    base.mkdir(parents=True)
    (base / "config.json").write_text("{}")
    (base / "model.safetensors").write_bytes(b"\0")
    (work / "family.toml").write_text(FAMILY.format(name=name, base=base))
    return work / "family.toml"


def _word_problems(work: Path) -> dict[str, Path]:
    rows = [
        {"question": f"What is {n} plus {n + 3}?", "answer": f"It is so. #### {2 * n + 3}"}
        for n in range(40)
    ]
    file = work / "rows.jsonl"
    write_records(file, rows)
    return {"gsm8k": file, "gsm8k/test": file}


class Silent:
    """Ignores progress."""

    def step(self, done: int, total: int, detail: str = "") -> None:
        pass
