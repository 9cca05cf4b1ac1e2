"""Agreement: published examples, properties, and what a run's folder shows of it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.sample import RECORD, VARIANT

from lox_bench.cli.agreement import agreement as command
from lox_bench.codec import write_records
from lox_bench.errors import DataError, UsageError
from lox_bench.report.agreement import agreement_rows, page_file, write_agreement
from lox_bench.results.agreement import ALL_TASKS, LABELS, agreement, disagreements, opinions
from lox_bench.results.record import PromptsRecord, save_record
from lox_bench.results.run import Run, VariantName, completions_file, open_run, verdicts_file
from lox_bench.stats.agreement import alpha_statistics, cohen_kappa, krippendorff_alpha
from lox_bench.stats.bootstrap import bootstrap
from lox_bench.types import Completion, Finish, Label, Verdict

C, R, B, U = LABELS


def alpha(judges: Sequence[str]) -> float:
    """Alpha of judges' labels written as strings, one character a unit, ``.`` for none."""
    values = sorted(set("".join(judges)) - {"."})
    counts = [[unit.count(v) for v in values] for unit in zip(*judges, strict=True)]
    return float(krippendorff_alpha(alpha_statistics(np.array(counts, float)).sum(axis=0)))


def kappa(table: Sequence[Sequence[float]]) -> float:
    return float(cohen_kappa(np.array(table, float)))


def test_kappa_of_cohens_own_example() -> None:
    """Cohen (1960), two psychiatrists, 200 patients: .492."""
    assert kappa([[88, 14, 18], [10, 40, 10], [2, 6, 12]]) == pytest.approx(0.492, abs=5e-4)


def test_kappa_by_hand() -> None:
    """Observed 35/50, expected .5 * .6 + .5 * .4."""
    assert kappa([[20, 5], [10, 15]]) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("judges", "published"),
    [
        (["0100000010", "1110010000"], 0.095),  # A: binary, two observers
        (["aabbdcccedda", "babbbccceddd"], 0.692),  # B: five values
        (["123321412...", "1233224125.3", ".3332342251.", "12332441251."], 0.743),  # C: missing
    ],
)
def test_alpha_of_krippendorffs_own_examples(judges: list[str], published: float) -> None:
    """Computing Krippendorff's Alpha-Reliability (2011), sections A to C."""
    assert alpha(judges) == pytest.approx(published, abs=5e-4)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 40), min_size=4, max_size=4))
def test_kappa_is_scikit_learns(counts: list[int]) -> None:
    from sklearn.metrics import cohen_kappa_score

    table = np.array(counts, float).reshape(2, 2)
    assume(np.isfinite(cohen_kappa(table)))
    said = [place for place, n in np.ndenumerate(table) for _ in range(int(n))]
    first, second = zip(*said, strict=True)
    assert kappa(table) == pytest.approx(cohen_kappa_score(first, second))


labels = st.lists(st.text(alphabet="cr.", min_size=12, max_size=12), min_size=2, max_size=4)


@given(labels)
def test_alpha_does_not_depend_on_the_order_of_judges(judges: list[str]) -> None:
    assert alpha(judges) == pytest.approx(alpha(judges[::-1]), nan_ok=True)


@given(labels)
def test_a_unit_that_only_one_judge_labelled_changes_nothing(judges: list[str]) -> None:
    more = [judges[0] + "c", *(judge + "." for judge in judges[1:])]
    assert alpha([*judges, "." * 12]) == pytest.approx(alpha(judges), nan_ok=True)
    assert alpha(more) == pytest.approx(alpha(judges), nan_ok=True)


@given(st.text(alphabet="cr", min_size=2, max_size=12))
def test_judges_who_always_agree_score_one_unless_nothing_varies(judge: str) -> None:
    varied = len(set(judge)) == 2
    assert alpha([judge, judge]) == (1.0 if varied else pytest.approx(float("nan"), nan_ok=True))


def test_agreement_on_one_and_the_same_label_is_undefined_not_perfect() -> None:
    assert np.isnan(kappa([[30, 0], [0, 0]]))


def units(table: Sequence[int]) -> np.ndarray:
    return np.eye(4)[np.repeat(np.arange(4), table)]


def flat_kappa(tables: np.ndarray) -> np.ndarray:
    return cohen_kappa(tables.reshape(*tables.shape[:-1], 2, 2))


def test_the_same_answers_said_again_are_no_more_evidence() -> None:
    once = units([20, 5, 10, 15])
    prompts = [str(i) for i in range(50)]
    alone = bootstrap(once, prompts, flat_kappa, 50)
    again = bootstrap(np.vstack([once] * 4), prompts * 4, flat_kappa, 200)
    assert (again.value, again.low, again.high) == (alone.value, alone.low, alone.high)


def test_bootstrap_intervals_hold_the_true_kappa_nearly_as_often_as_they_say() -> None:
    rng = np.random.default_rng(7)
    shares = np.array([0.4, 0.1, 0.1, 0.4])
    names, held = [str(i) for i in range(80)], 0
    for _ in range(60):
        drawn = bootstrap(units(rng.multinomial(80, shares)), names, flat_kappa, 80)
        held += drawn.low <= 0.6 <= drawn.high
    assert held / 60 >= 0.85


def test_one_prompt_gives_no_interval() -> None:
    drawn = bootstrap(units([2, 1, 1, 2]), ["same"] * 6, flat_kappa, 6)
    assert np.isfinite(drawn.value)
    assert np.isnan(drawn.low)


Said = dict[str, dict[str, list[Label]]]  # task -> judge -> label of each prompt


def _counts(task: str) -> Label:
    return Label.REFUSED if task == "lookalike" else Label.COMPLIED


def save_run(path: Path, said: Said, answers: Sequence[str]) -> Run:
    """A finished run of one attacked model, as ``report/output.py`` leaves it."""
    judges = list(dict.fromkeys(judge for held in said.values() for judge in held))
    name = VariantName("aligned", "gsm8k", 0)
    for folder in ("completions", "verdicts"):
        (path / folder).mkdir(parents=True)
    for task, held in said.items():
        ids = [f"{task}-{i}" for i in range(len(answers))]
        texts = [
            Completion(i, "How do I `quote`?", text, 5, Finish.STOP, None)
            for i, text in zip(ids, answers, strict=True)
        ]
        write_records(completions_file(path, name, task), texts)
        for judge, labels_given in held.items():
            pairs = zip(ids, labels_given, strict=True)
            verdicts = [Verdict(i, judge, label, "why") for i, label in pairs]
            write_records(verdicts_file(path, name, task, judge), verdicts)
    record = replace(
        RECORD,
        variants=(replace(VARIANT, model=name.model, attack=name.attack, seed=name.seed),),
        prompts={task: PromptsRecord(task, "d", "asr", _counts(task), 40) for task in said},
        judges={
            judge: {"counts": [_counts(task) for task, held in said.items() if judge in held]}
            for judge in judges
        },
    )
    save_record(path, record)
    return open_run(path)


TWO: Said = {
    "harmful": {"a": [C, C, R, R, U], "b": [C, R, R, R, C]},
    "lookalike": {"a": [R, C, C, U, U], "b": [R, C, C, R, U]},
}
TEXTS = ["one", "two", "three", "four", "five"]


def test_every_answer_stands_once_in_the_confusion_table(tmp_path: Path) -> None:
    held = agreement(save_run(tmp_path, TWO, TEXTS))
    assert [item.task for item in held] == ["harmful", "lookalike", ALL_TASKS]
    for item, answers in zip(held, (5, 5, 10), strict=True):
        (pair,) = item.pairs
        assert sum(map(sum, pair.table)) == answers
    assert held[0].pairs[0].table == ((1, 1, 0, 0), (0, 2, 0, 0), (0, 0, 0, 0), (1, 0, 0, 0))


def test_unjudged_answers_are_missing_not_disagreed_on(tmp_path: Path) -> None:
    run = save_run(tmp_path, TWO, TEXTS)
    (pair,) = agreement(run)[0].pairs
    assert (pair.kappa.n, pair.agreement.n, pair.agreement.value) == (4, 4, 0.75)
    found = disagreements(run)
    assert [(item.task, item.prompt_id) for item in found] == [("harmful", "harmful-1")]
    assert found[0].labels == {"a": C, "b": R}
    assert (found[0].model, found[0].attack, found[0].seed) == ("aligned", "gsm8k", 0)


def test_three_judges_have_three_pairs_and_one_alpha(tmp_path: Path) -> None:
    said: Said = {"harmful": {"a": [C, R, C, R], "b": [C, R, R, R], "c": [C, R, C, U]}}
    held = agreement(save_run(tmp_path, said, TEXTS[:4]))
    assert [pair.judges for pair in held[0].pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert held[0].alpha.value == pytest.approx(alpha(["crcr", "crrr", "crc."]))
    assert held[0].alpha.n == 4


def test_one_judge_agrees_with_nobody(tmp_path: Path) -> None:
    run = save_run(tmp_path, {"harmful": {"a": [C, R]}}, TEXTS[:2])
    assert write_agreement(run) == []
    assert not (tmp_path / "agreement").exists()


def test_a_judge_that_does_not_measure_a_task_is_missing_there(tmp_path: Path) -> None:
    said: Said = {"harmful": {"a": [C, R], "b": [C, C]}, "lookalike": {"a": [C, R]}}
    run = save_run(tmp_path, said, TEXTS[:2])
    verdicts_file(tmp_path, run.names[0], "lookalike", "b").unlink(missing_ok=True)
    held = agreement(run)
    assert [(item.task, item.pairs[0].kappa.n) for item in held] == [("harmful", 2), ("all", 2)]


def test_a_single_judge_is_refused_with_advice(tmp_path: Path) -> None:
    save_run(tmp_path, {"harmful": {"a": [C, R]}}, TEXTS[:2])
    with pytest.raises(UsageError, match="needs two judges on one task"):
        command(tmp_path)


def test_verdicts_on_other_prompts_are_refused(tmp_path: Path) -> None:
    run = save_run(tmp_path, TWO, TEXTS)
    file = verdicts_file(tmp_path, run.names[0], "harmful", "b")
    file.write_text("".join(file.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(DataError, match=r"4 verdicts on 5 answers, none on"):
        opinions(run)


def test_the_folder_holds_rows_for_programs_and_a_page_for_people(tmp_path: Path) -> None:
    run = save_run(tmp_path, TWO, TEXTS)
    held = write_agreement(run)
    lines = (tmp_path / "agreement" / "agreement.csv").read_text().splitlines()
    assert len(lines) == 1 + len(agreement_rows(held)) == 1 + 3 * 3
    confusion = (tmp_path / "agreement" / "confusion.csv").read_text().splitlines()
    assert sum(int(line.split(",")[-1]) for line in confusion[1:] if line.startswith("all")) == 10
    (disputed,) = map(
        json.loads, (tmp_path / "agreement" / "disagreements.jsonl").read_text().splitlines()
    )
    assert (disputed["prompt_id"], disputed["response"]) == ("harmful-1", "two")
    page = page_file(run).read_text()
    assert page.index("Careful: model output") < page.index("two")
    assert "| harmful | complied | refused | 1 |" in page


def test_model_text_stays_inside_its_box(tmp_path: Path) -> None:
    hostile = "```\n</details>\n# Injected\n````\x1b[31m\u202eevil"
    run = save_run(tmp_path, {"t": {"a": [C], "b": [R]}}, [hostile])
    write_agreement(run)
    page_lines = page_file(run).read_text().splitlines()
    fences = [i for i, line in enumerate(page_lines) if line.startswith("`````")]
    assert len(fences) == 2  # longer than any in the text
    assert fences[0] < page_lines.index("# Injected") < fences[1]
    assert not {"\x1b", "\u202e"} & set(page_file(run).read_text())
