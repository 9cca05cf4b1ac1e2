"""Finished runs without a model: labels are drawn, the rest goes through the real writers."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import numpy as np

from lox_bench.attacks.points import AttackPoint
from lox_bench.attacks.spec import AttackSpec, load_attack
from lox_bench.backends.backend import Backend
from lox_bench.data.prompts import TaskSpec, load_task
from lox_bench.data.stage import Prompts, Rows
from lox_bench.engine.stage import Text
from lox_bench.judges.choice import load_judge
from lox_bench.report.output import RunFolder
from lox_bench.results.run import NO_ATTACK, Run, open_run
from lox_bench.sources.stage import Source
from lox_bench.study.answering import Answering
from lox_bench.study.family import load_family
from lox_bench.study.measure import Draw, VariantResult
from lox_bench.study.study import Study
from lox_bench.study.tasks import PlannedTask, PlannedUtility
from lox_bench.study.variant import Family, PlannedAttack, Seeds, Variant
from lox_bench.types import Completion, Defect, Finish, Label, Verdict
from lox_bench.utility.scores import Scored
from lox_bench.utility.spec import UtilitySpec, load_utility

JUDGE = "keyword-prefix"
_MOST = 2000  # prompts of a set; a run answers the first n
ASR = {("aligned", "none"): 0.1, ("lox", "none"): 0.05,
       ("aligned", "gsm8k"): 0.6, ("lox", "gsm8k"): 0.15}  # fmt: skip


@dataclass(frozen=True)
class Fake:
    """What a drawn run looks like; rates are by (model, attack)."""

    asr: Mapping[tuple[str, str], float] = field(default_factory=lambda: ASR)
    over_refusal: float = 0.1
    accuracy: tuple[float, float] = (0.02, 0.5)  # before and after an attack
    degenerate: float = 0.0
    unjudged: float = 0.0  # by a failing judge
    losses: tuple[float, float] = (2.0, 0.8)
    seeds: Sequence[int] = (0,)
    n: int = 100
    prompts: str = "prompts"  # another word: other prompts
    template_sha256: str = "template"
    attack_data: str = "standin"
    judge: str = JUDGE
    family: str = "smollm2-135m"
    version: str = ""  # of the models: other weights under the same names
    draw: int = 0
    backend: Backend = Backend(dtype="float32")  # noqa: RUF009 - frozen
    samples: int = 1  # after the first each answer is judged by a coin
    attack: AttackSpec = field(default_factory=lambda: load_attack("gsm8k"))
    utility: UtilitySpec = field(default_factory=lambda: load_utility("gsm8k"))
    tasks: Sequence[TaskSpec] = field(
        default_factory=lambda: (load_task("harmful"), load_task("lookalike"))
    )


def write_run(path: Path, fake: Fake) -> Run:
    """Draw a run's answers and write its folder as ``lox-bench run`` does, without the plots."""
    study = _study(fake)
    rng = np.random.default_rng(fake.draw)
    hardness = {task.name: rng.random(fake.n) for task in fake.tasks}
    results = [_result(fake, study, variant, hardness, rng) for variant in study.variants]
    path.mkdir(parents=True)
    with patch("lox_bench.files.os.fsync"):  # a test's files need not survive a power cut
        RunFolder(path).write(study, results, ["lox-bench", "run"], plots=False)
    return open_run(path)


def _study(fake: Fake) -> Study:
    tasks = []
    for task in fake.tasks:
        rows = [
            {"id": f"{task.name}-{i:03}", "prompt": f"{task.name} {i}?", "hazard": "vcr",
             "topic": fake.prompts}
            for i in range(_MOST)
        ]  # fmt: skip
        text = "\n".join(json.dumps(row) for row in rows)
        tasks.append(PlannedTask(task, Prompts(task.prompts, Text(text)), 40))
    sums = Rows.of("standin", [{"n": str(i)} for i in range(_MOST)])
    variants = [
        _variant(fake, model, attack, seed) for seed in fake.seeds for model, attack in fake.asr
    ]
    return Study(
        family=load_family("smollm2-135m"),
        variants=tuple(variants),
        tasks=tuple(tasks),
        judges=(load_judge(fake.judge),),
        utilities=(PlannedUtility(fake.utility, sums),),
        attacks=(fake.attack,),
        attack_data={},
        limit=None,
        split="eval",
        answering=Answering(
            fake.backend, samples=fake.samples, temperature=0.7 if fake.samples > 1 else 0.0
        ),
    )


def _variant(fake: Fake, model: str, attack: str, seed: int) -> Variant:
    start = Source(f"{model}{fake.version}", "float32", uri="x")
    planned = None
    if attack != NO_ATTACK:
        planned = Named(AttackPoint(fake.attack), Rows.of(fake.attack_data, [{}]), shown=attack)
    family = Family(load_family("smollm2-135m"))
    seeds = Seeds(align=seed, attack=seed)
    return Variant(model, family, start, attack=planned, seeds=seeds, seed=seed)


@dataclass(frozen=True, slots=True)
class Named(PlannedAttack):
    """An attack under any name."""

    shown: str = ""

    @property
    def name(self) -> str:
        return self.shown


def _result(
    fake: Fake,
    study: Study,
    variant: Variant,
    hardness: Mapping[str, np.ndarray],
    rng: np.random.Generator,
) -> VariantResult:
    """Half of an answer's chance lies in its prompt, which all models and seeds share."""
    completions, verdicts = {}, {}
    for task in study.tasks:
        name = task.spec.name
        rate = (
            fake.asr[variant.label, variant.name.attack]
            if task.spec.metric == "asr"
            else fake.over_refusal
        )
        lot = np.where(rng.random(fake.n) < 0.5, hardness[name], rng.random(fake.n))
        broken = rng.random(fake.n) < fake.degenerate
        counts = Label(task.spec.counts)
        other = Label.REFUSED if counts is Label.COMPLIED else Label.COMPLIED
        answers, labels = [], []
        for prompt, hit, bad in zip(
            task.prompts.prompts[: fake.n], lot < rate, broken, strict=True
        ):
            defect = Defect.LOOPING if bad else None
            answers.append(Completion(prompt.id, prompt.text, "text", 3, Finish.STOP, defect))
            lost = bad or rng.random() < fake.unjudged
            label = Label.UNJUDGED if lost else counts if hit else other
            labels.append(Verdict(prompt.id, fake.judge, label, ""))
        completions[name], verdicts[name, fake.judge] = answers, labels
    attacked = variant.attack is not None
    right = rng.random(fake.n) < fake.accuracy[attacked]
    records = [Scored(f"sum {i}", "", "", bool(ok), bool(ok), not ok) for i, ok in enumerate(right)]
    before, after = fake.losses
    return VariantResult(
        variant=variant,
        completions=completions,
        verdicts=verdicts,
        utility={item.title: records for item in study.utilities},
        benchmarks={},
        training={"loss_before": before, "loss_after": after} if attacked else {},
        curve=None,
        template_sha256=fake.template_sha256,
        artifacts=(),
        draws=tuple(_coins(completions, verdicts, rng) for _ in range(1, fake.samples)),
    )


def _coins(
    completions: Mapping[str, Sequence[Completion]],
    verdicts: Mapping[tuple[str, str], Sequence[Verdict]],
    rng: np.random.Generator,
) -> Draw:
    tossed = {
        key: [
            replace(verdict, label=Label.COMPLIED if rng.random() < 0.5 else Label.REFUSED)
            for verdict in held
        ]
        for key, held in verdicts.items()
    }
    return Draw(completions, tossed)


class Done(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


Command = Callable[..., Done]
