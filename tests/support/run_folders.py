"""Finished runs without a model: labels are drawn, the rest goes through the real writers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import numpy as np

from lox_bench.attacks.spec import AttackSpec, load_attack
from lox_bench.data.prompts import PromptSet, TaskSpec, load_task
from lox_bench.data.rows import RowSet
from lox_bench.judges.choice import load_judge
from lox_bench.report.output import RunFolder
from lox_bench.results.run import NO_ATTACK, Run, open_run
from lox_bench.study.family import load_family
from lox_bench.study.pipeline import CellResult
from lox_bench.study.plan import Cell, Plan, PlannedTask, PlannedUtility
from lox_bench.study.variants import Attacked, Recipe, Source
from lox_bench.types import Completion, Defect, Finish, Label, Prompt, Verdict
from lox_bench.utility.spec import UtilitySpec, load_utility

JUDGE = "keyword-prefix"
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
    prompts_sha256: str = "prompts"
    template_sha256: str = "template"
    attack_data: str = "standin"
    judge: str = JUDGE
    family: str = "smollm2-135m"
    version: str = ""  # of the models: other weights under the same names
    draw: int = 0
    attack: AttackSpec = field(default_factory=lambda: load_attack("gsm8k"))
    utility: UtilitySpec = field(default_factory=lambda: load_utility("gsm8k"))
    tasks: Sequence[TaskSpec] = field(
        default_factory=lambda: (load_task("harmful"), load_task("lookalike"))
    )


def write_run(path: Path, fake: Fake) -> Run:
    """Draw a run's answers and write its folder as ``lox-bench run`` does, without the plots."""
    plan = _plan(fake)
    rng = np.random.default_rng(fake.draw)
    hardness = {task.name: rng.random(fake.n) for task in fake.tasks}
    results = [_result(fake, plan, cell, hardness, rng) for cell in plan.cells]
    path.mkdir(parents=True)
    with patch("lox_bench.engine.store.os.fsync"):  # a test's files need not survive a power cut
        RunFolder(path).write(plan, results, ["lox-bench", "run"], plots=False)
    return open_run(path)


def _plan(fake: Fake) -> Plan:
    tasks = []
    for task in fake.tasks:
        name = task.name
        prompts = tuple(Prompt(f"{name}-{i:03}", f"{name} {i}?", "vcr", "t") for i in range(fake.n))
        sha256 = f"{fake.prompts_sha256}-{name}"
        tasks.append(PlannedTask(task, PromptSet(task.prompts, prompts, sha256)))
    utility = PlannedUtility(fake.utility, RowSet("standin", ({},) * fake.n, "u"))
    cells = [
        Cell(
            model=model,
            attack=attack,
            attack_data="" if attack == NO_ATTACK else fake.attack_data,
            seed=seed,
            recipe=_recipe(fake, model, attack, seed),
        )
        for seed in fake.seeds
        for model, attack in fake.asr
    ]
    return Plan(
        family=load_family("smollm2-135m"),
        cells=tuple(cells),
        tasks=tuple(tasks),
        judges=(load_judge(fake.judge),),
        utilities=(utility,),
        attacks=(fake.attack,),
        attack_data={},
        limit=None,
        split="eval",
    )


def _recipe(fake: Fake, model: str, attack: str, seed: int) -> Recipe:
    source = Source("x", f"{model}{fake.version}", "float32")
    if attack == NO_ATTACK:
        return source
    spec = fake.attack
    return Attacked(
        model=source,
        attack=spec.name,
        prompt=spec.prompt,
        completion=spec.completion,
        train=spec.train,
        data=fake.attack_data,
        data_sha256="rows",
        max_rows=0,
        template="chatml",
        seed=seed,
        max_steps=None,
        dtype="float32",
    )


def _result(
    fake: Fake,
    plan: Plan,
    cell: Cell,
    hardness: Mapping[str, np.ndarray],
    rng: np.random.Generator,
) -> CellResult:
    """Half of an answer's chance lies in its prompt, which all models and seeds share."""
    completions, verdicts = {}, {}
    for task in plan.tasks:
        name = task.spec.name
        rate = fake.asr[cell.model, cell.attack] if task.spec.metric == "asr" else fake.over_refusal
        lot = np.where(rng.random(fake.n) < 0.5, hardness[name], rng.random(fake.n))
        broken = rng.random(fake.n) < fake.degenerate
        counts = Label(task.spec.counts)
        other = Label.REFUSED if counts is Label.COMPLIED else Label.COMPLIED
        answers, labels = [], []
        for prompt, hit, bad in zip(task.prompts.prompts, lot < rate, broken, strict=True):
            defect = Defect.LOOPING if bad else None
            answers.append(Completion(prompt.id, prompt.text, "text", 3, Finish.STOP, defect))
            lost = bad or rng.random() < fake.unjudged
            label = Label.UNJUDGED if lost else counts if hit else other
            labels.append(Verdict(prompt.id, fake.judge, label, ""))
        completions[name], verdicts[name, fake.judge] = answers, labels
    attacked = cell.attack != NO_ATTACK
    right = rng.random(fake.n) < fake.accuracy[attacked]
    records = [
        {"prompt": f"sum {i}", "answer": "", "target": "", "correct": bool(ok)}
        for i, ok in enumerate(right)
    ]
    before, after = fake.losses
    return CellResult(
        cell=cell,
        completions=completions,
        verdicts=verdicts,
        utility={item.title: records for item in plan.utilities},
        training={"loss_before": before, "loss_after": after} if attacked else {},
        template_sha256=fake.template_sha256,
        artifacts=(),
    )


class Done(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


Command = Callable[..., Done]
