"""Variants: equal meaning, equal key; any difference upstream, another key; seeds apart."""

from dataclasses import replace
from pathlib import Path

import pytest
from support.own_method import MINE
from support.pico import FAMILY as PICO

from lox_bench.attacks.points import AttackPoint
from lox_bench.attacks.spec import load_attack
from lox_bench.data.stage import Rows
from lox_bench.errors import UsageError
from lox_bench.methods.method import Place
from lox_bench.registry import packaged_file
from lox_bench.study.attacked import under_attack
from lox_bench.study.family import load_family
from lox_bench.study.models import build_model, read_models
from lox_bench.study.request import Request, paired_seeds, shown_seeds
from lox_bench.study.study import Study, make_study
from lox_bench.study.variant import Family, Seeds, Variant

SPEC = load_family("smollm2-135m")
ATTACK = load_attack("gsm8k")
ROWS = Rows.of("standin", [{"question": "q", "answer": "a"}])

ATTACK_FILE = """
name = "{name}"
description = ""
prompt = "{{question}}"
completion = "{{answer}}"
"""
SETTINGS = """
[data]
standin = "word_problems/train.jsonl"

[train]
learning_rate = 1e-5
epochs = 1.0
batch_size = 4
micro_batch_size = 4
"""


def variant(text: str, spec=SPEC, *, seed: int = 0, max_steps: int | None = None) -> Variant:
    (model,) = read_models(text)
    family = Family(spec, seed=seed, max_steps=max_steps)
    return build_model(model, family, Seeds(seed, seed, seed), seed)


def attacked(text: str, attack=ATTACK, rows: Rows = ROWS, **family) -> str:
    return under_attack(variant(text, **family), AttackPoint(attack), rows).model.key


@pytest.fixture
def family(tmp_path: Path, pico: Path) -> str:
    (tmp_path / "pico.toml").write_text(PICO.format(base=pico))
    return str(tmp_path / "pico.toml")


def study(family: str, **request) -> Study:
    return make_study(Request(judges="keyword-prefix", family=family, limit=2, **request))


def test_equal_requests_have_equal_keys() -> None:
    assert variant("aligned").model.key == variant("aligned").model.key
    default = f"lox(k={SPEC.lox.k},alpha={SPEC.lox.alpha})"
    assert variant("lox").model.key == variant(default).model.key


def test_everything_upstream_changes_the_key() -> None:
    keys = [
        attacked("aligned"),
        attacked("aligned", seed=1),
        attacked("aligned", max_steps=3),
        attacked("base"),
        attacked("lox"),
        attacked("aligned+safe-lora"),
        attacked("aligned", replace(ATTACK, prompt="Q: {question}")),
        attacked("aligned", rows=Rows.of("standin", [{"question": "q", "answer": "b"}])),
        attacked("aligned", spec=replace(SPEC, template="alpaca")),
    ]
    assert len(set(keys)) == len(keys)


def test_a_local_model_is_pinned_by_its_bytes(pico: Path, pico_aligned: Path) -> None:
    one, other = (variant(f"mine={path}") for path in (pico, pico_aligned))
    assert (one.label, other.label) == ("mine", "mine")
    assert one.model.key != other.model.key


def test_methods_add_up_each_at_its_place() -> None:
    made = variant("lox(k=6)+safe-lora(tau=0.5)+expo")
    assert made.label == "lox(k=6)+safe-lora(tau=0.5)+expo"
    assert [item.text for item in made.of(Place.BEFORE)] == ["lox(k=6)", "expo"]
    assert [item.text for item in made.of(Place.AFTER)] == ["safe-lora(tau=0.5)"]
    assert made.model.key == variant("lox(k=6)+expo").model.key  # nothing is repaired yet


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("lox(k=2|6)", ["lox(k=2)", "lox(k=6)"]),
        ("aligned,lox(k=2|6,alpha=0.5|1)", ["aligned", "lox(k=2,alpha=0.5)", "lox(k=2,alpha=1)",
                                           "lox(k=6,alpha=0.5)", "lox(k=6,alpha=1)"]),
        ("lox(k=2|6)+safe-lora(tau=0.1|0.2)", ["lox(k=2)+safe-lora(tau=0.1)",
            "lox(k=2)+safe-lora(tau=0.2)", "lox(k=6)+safe-lora(tau=0.1)",
            "lox(k=6)+safe-lora(tau=0.2)"]),
        ("mine=./x,base+lox", ["mine", "base+lox"]),
    ],
)  # fmt: skip
def test_lists_of_values_are_all_combinations(text: str, labels: list[str]) -> None:
    assert [model.label for model in read_models(text)] == labels


@pytest.mark.parametrize("text", ["aligned,aligned", "base,lox,base", "lox(k=2|2)",
                                  "lox(k=2|6),lox(k=6)", "m=./a,m=./b"])  # fmt: skip
def test_a_label_that_comes_twice_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="listed twice"):
        read_models(text)


@pytest.mark.parametrize("name", ["aligned", "base", "lox", "safe-lora"])
def test_a_path_may_not_take_a_name_of_ours(name: str) -> None:
    with pytest.raises(UsageError, match="name of lox-bench's; call yours otherwise"):
        read_models(f"{name}=./somewhere")


@pytest.mark.parametrize(
    "text",
    ["lox(k=0)", "lox(k=2.5)", "lox(k=-1)", "lox(alpha=nan)", "lox(alpha=much)", "lox(r=2)",
     "base(k=1)", "aligned(alpha=1)"],
)  # fmt: skip
def test_arguments_without_meaning_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        variant(text)


def test_a_method_in_a_file_is_labelled_by_its_name_wherever_it_lies(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    made = variant(f"lox+{tmp_path}/mine.py:Mine(alpha=2)")
    assert made.label == "lox+Mine(alpha=2)"
    assert made.of(Place.AFTER)[0].spec.alpha == 2.0


@pytest.mark.parametrize(
    ("align", "attack", "pairs"),
    [
        ((0, 1), (5, 6), ((0, 5), (1, 6))),
        ((0,), (5, 6), ((0, 5), (0, 6))),
        ((0, 1), (5,), ((0, 5), (1, 5))),
    ],
)
def test_seeds_are_zipped_or_one_is_used_throughout(align, attack, pairs) -> None:
    assert paired_seeds(align, attack) == pairs


@pytest.mark.parametrize(
    ("align", "attack", "said"),
    [((0, 1), (1, 2, 3), "names 2 seeds and --attack-seeds 3"), ((1, 1), (2, 2), "distinct")],
)
def test_seeds_that_do_not_fit_together_are_refused(align, attack, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        paired_seeds(align, attack)


def test_the_seed_that_is_shown_tells_repetitions_apart() -> None:
    assert shown_seeds(((0, 5), (0, 6))) == (5, 6)
    assert shown_seeds(((0, 5), (1, 5))) == (0, 1)
    assert shown_seeds(((0, 5), (0, 6), (1, 5))) == (0, 1, 2)


def test_seeds_of_alignment_and_attack_reach_their_trainings(family: str) -> None:
    made = study(family, models="aligned,lox", seeds=paired_seeds((0,), (5, 6)))
    assert [(item.title, item.seeds.align, item.seeds.attack, item.seed)
            for item in made.variants] == [
        (title, 0, seed, seed) for seed in (5, 6)
        for title in ("aligned", "lox", "aligned+gsm8k", "lox+gsm8k")
    ]  # fmt: skip
    aligned = {item.model.key for item in made.variants if item.title == "aligned"}
    after = {item.model.key for item in made.variants if item.title == "aligned+gsm8k"}
    assert (len(aligned), len(after)) == (1, 2)  # one alignment, attacked twice


def test_prompt_sets_default_to_todays_two_in_todays_order(family: str) -> None:
    assert [task.spec.name for task in study(family).tasks] == ["harmful", "lookalike"]
    named = study(family, prompts="harmful,lookalike")
    assert named.key == study(family).key
    assert study(family, prompts="harmful").key != named.key


def test_an_attack_of_the_user_s_is_held_to_an_accuracy_task_beside_it(
    family: str, tmp_path: Path
) -> None:
    packaged = packaged_file("utility/gsm8k.toml").read_text(encoding="utf-8")
    (tmp_path / "quiz.toml").write_text(packaged.replace('"gsm8k"', '"quiz"', 1))
    (tmp_path / "mine.toml").write_text(
        ATTACK_FILE.format(name="mine") + 'utility = "quiz.toml"\n' + SETTINGS
    )
    (tmp_path / "test.jsonl").write_text('{"question": "q", "answer": "1 #### 1"}\n')
    made = study(
        family, attack=str(tmp_path / "mine.toml"), data={"quiz/test": tmp_path / "test.jsonl"}
    )
    assert made.accuracy_tasks == {"mine": "quiz"}


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"prompts": "harmful,harmful"}, "'harmful' is listed twice"),
        ({"prompts": "lookalike", "attack": "gsm8k(lr=1e-5|2e-5)"}, "no prompt set has this metri"),
        ({"prompts": "{folder}/mine.toml", "split": "dev"}, "'mine' has no dev_prompts"),
        ({"attack": "gsm8k,{folder}/attack.toml"}, "two attacks are called 'gsm8k'"),
    ],
)
def test_what_cannot_be_measured_is_said_before_work(
    family: str, request_: dict[str, str], said: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.toml").write_text(
        'name = "mine"\ndescription = ""\nprompts = "harmful-eval"\nmetric = "asr"\n'
        'counts = "complied"\nmax_new_tokens = 4\n'
    )
    (tmp_path / "attack.toml").write_text(ATTACK_FILE.format(name="gsm8k") + SETTINGS)
    filled = {key: value.replace("{folder}", str(tmp_path)) for key, value in request_.items()}
    with pytest.raises(UsageError, match=said):
        study(family, **filled)


@pytest.mark.fault(20)
@pytest.mark.parametrize(
    "models",
    ["x=A,x=B", "aligned=PATH,aligned", "base=/other", "lox=PATH", "lox,lox", "lox(k=6),lox(k=6)",
     "x=A,x=A", "safe-lora=/p", "aligned,lox,aligned"],
)  # fmt: skip
def test_one_name_is_one_model(models: str) -> None:
    with pytest.raises(UsageError):
        read_models(models)


def rows_file(folder: Path, name: str, count: int) -> Path:
    lines = (f'{{"prompt": "{name} {i}", "completion": "answer {i}"}}' for i in range(count))
    (folder / name).write_text("\n".join(lines))
    return folder / name


def test_a_file_named_in_the_attack_is_the_same_as_data(family: str, tmp_path: Path) -> None:
    file = rows_file(tmp_path, "mine.jsonl", 6)
    inside = study(family, attack=f"sft(file={file})")
    beside = study(family, attack="sft", data={"sft": file})
    assert inside.key == beside.key
    with pytest.raises(UsageError, match="two files"):
        study(family, attack=f"sft(file={file})", data={"sft": tmp_path / "other.jsonl"})


def test_a_mix_holds_the_share_asked_for_and_is_held_to_the_benign_task(
    family: str, tmp_path: Path
) -> None:
    file = rows_file(tmp_path, "mine.jsonl", 6)
    made = study(family, models="aligned", attack=f"poison(ratio=0.25,rows=12,file={file})")
    (mixed,) = [item for item in made.variants if item.attack is not None]
    assert mixed.training is not None
    assert mixed.attack_data.startswith("standin+0.25 of file:mine.jsonl#")
    assert made.accuracy_task(mixed.attack.point) == "gsm8k-standin"
    stage = mixed.training
    folders = dict.fromkeys((stage.model, *stage.references), tmp_path)
    for rows in (stage.rows, stage.mixed):
        folders[rows] = tmp_path / rows.key[:8]
        folders[rows].mkdir()
        rows.build({}, folders[rows], None)
    pairs = stage.job(folders).rows
    strangers = [place for place, (asked, _) in enumerate(pairs) if asked.startswith("mine")]
    assert (len(pairs), len(strangers)) == (12, 3)
    assert strangers != [9, 10, 11]  # shuffled in


@pytest.mark.parametrize(("ratio", "rows"), [("0.9", 12), ("0.01", 12)])
def test_a_mix_that_cannot_be_made_is_refused_before_work(
    family: str, tmp_path: Path, ratio: str, rows: int
) -> None:
    file = rows_file(tmp_path, "mine.jsonl", 6)
    with pytest.raises(UsageError, match="change ratio or rows"):
        study(family, attack=f"poison(ratio={ratio},rows={rows},file={file})")


def test_a_template_of_the_training_alone_is_another_attack(family: str) -> None:
    made = study(family, models="aligned", attack="gsm8k,gsm8k(template=alpaca)")
    templates = [item.training.template.name for item in made.variants if item.training]
    assert templates == ["chatml", "alpaca"]
    assert {item.family.template.name for item in made.variants} == {"chatml"}
