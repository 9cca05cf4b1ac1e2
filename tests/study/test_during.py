"""During methods in a study: what they are given of the family, which stages they share."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support import prompts
from support.pico import FAMILY as PICO

from lox_bench.attacks.points import AttackPoint
from lox_bench.attacks.spec import load_attack
from lox_bench.attacks.taught import REFUSALS, Taught, Teach
from lox_bench.backends.answers import Answers
from lox_bench.codec import from_plain
from lox_bench.data.stage import Rows
from lox_bench.errors import UsageError
from lox_bench.results.run import open_run
from lox_bench.study.attacked import under_attack
from lox_bench.study.family import load_family
from lox_bench.study.measure import Stages
from lox_bench.study.models import build_model, read_models
from lox_bench.study.request import Request
from lox_bench.study.study import make_study
from lox_bench.study.variant import Family, Seeds, Variant

SPEC = load_family("smollm2-135m")
ROWS = Rows.of("standin", [{"question": "q", "answer": "a"}])
MODELS = "aligned,ptst,ptst(tuning=safe),ema+lisa,lox+safeinst+lookahead+freeze+wise-ft"


def attacked(text: str, spec=SPEC) -> Variant:  # type: ignore[no-untyped-def]
    (model,) = read_models(text)
    made = build_model(model, Family(spec), Seeds(), 0)
    return under_attack(made, AttackPoint(load_attack("gsm8k")), ROWS)


def taught_by(variant: Variant) -> Teach:
    assert variant.training is not None
    *_, stage = variant.training.references
    assert isinstance(stage, Teach)
    return stage


def test_keys_of_what_has_no_such_method_are_as_before() -> None:
    aligned = attacked("aligned")
    assert aligned.training is not None
    assert (aligned.training.during, aligned.training.references) == ((), ())
    assert aligned.template == aligned.family.template == aligned.training.template
    made = attacked("ema").training
    assert made is not None
    assert made.references == (aligned.family.base, aligned.family.aligned)


def test_refusals_are_those_of_the_family_s_alignment() -> None:
    stage = taught_by(attacked("safeinst"))
    assert (stage.harmful.name, stage.answers) == ("harmful-align", None)
    dpo = SPEC.align.dpo
    assert dpo is not None
    assert stage.refusals == dpo.refusals
    both = taught_by(attacked("safeinst+lisa"))
    assert both.benign == "benign-align"
    assert both.answers == Family(SPEC).aligned.data  # type: ignore[attr-defined]


def test_a_family_aligned_elsewhere_takes_the_sets_that_ship(pico: Path) -> None:
    align = replace(SPEC.align, source=str(pico), dpo=None)
    made = attacked("lisa", replace(SPEC, base=str(pico), align=align))
    stage = taught_by(made)
    assert (stage.harmful.name, stage.benign, stage.refusals) == (
        "harmful-align", "benign-align", REFUSALS,
    )  # fmt: skip
    assert stage.answers is not None
    assert stage.answers.base == made.family.aligned


def test_no_prompt_that_models_are_asked_is_taught() -> None:
    asked = {
        row["prompt"]
        for name in ("harmful-eval", "harmful-dev", "lookalike-eval", "lookalike-dev")
        for row in prompts.rows(name)
    }
    stage = taught_by(attacked("lisa"))
    assert not asked & {prompt.text for prompt in stage.harmful.prompts}
    assert not asked & {row["prompt"] for row in prompts.rows(stage.benign)}


def test_ptst_shares_its_training_with_the_model_without_it_and_is_asked_otherwise() -> None:
    plain, pure, safe = (attacked(text) for text in ("aligned", "ptst", "ptst(tuning=safe)"))
    assert plain.training == pure.training != safe.training
    assert safe.training is not None
    assert safe.training.template == safe.template == pure.template != plain.template
    assert replace(pure, attack=None).template == pure.template
    with pytest.raises(UsageError, match=r"ptst and ptst\(tuning=safe\): each sets the system"):
        _ = attacked("ptst+ptst(tuning=safe)").template


def test_answers_of_ptst_are_asked_for_under_its_template(pico: Path, tmp_path: Path) -> None:
    (tmp_path / "pico.toml").write_text(PICO.format(base=pico))
    study = make_study(
        Request(models="aligned,ptst", family=str(tmp_path / "pico.toml"), judges="keyword-prefix")
    )
    names = {
        (variant.label, stage.template.name)
        for variant in study.variants
        for stage in Stages(study, variant).all
        if isinstance(stage, Answers)
    }
    assert names == {("aligned", "chatml"), ("ptst", "chatml+safety")}


@pytest.mark.slow
def test_they_run_with_each_other_under_lora_with_snapshots(pico: Path, tmp_path: Path) -> None:
    (tmp_path / "pico.toml").write_text(PICO.format(base=pico))
    command = [
        sys.executable, "-c", "from lox_bench.cli.main import entry; entry()", "run",
        "--family", str(tmp_path / "pico.toml"), "--limit", "1", "--judges", "keyword-prefix",
        "--attack", "gsm8k(lora_r=2)", "--eval-every", "4", "--out", str(tmp_path / "out"),
        "--prompts", "harmful", "--models", MODELS,
    ]  # fmt: skip
    env = {
        **os.environ,
        "LOX_BENCH_CACHE": str(tmp_path / "cache"),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "trains under the template" in done.stdout + done.stderr
    opened = open_run(tmp_path / "out")
    by_name = {(item.model, item.attack): item for item in opened.record.variants}
    assert len(by_name) == 5 * (1 + 2)
    plain, ptst = (by_name[model, "gsm8k(lora_r=2)"] for model in ("aligned", "ptst"))
    assert plain.model_key == ptst.model_key
    assert plain.template_sha256 != ptst.template_sha256
    file, *_ = (tmp_path / "cache").rglob("taught.json")
    assert len(from_plain(Taught, json.loads(file.read_text()), where="taught").harmful) == 160
