"""Comparing runs: pairs, families of tests, merging, refusals, and the command."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.run_folders import ASR, Command, Fake, write_run

from lox_bench.backends.backend import Backend
from lox_bench.compare.compare import Kind, compare_runs, pool_runs, seed_spreads
from lox_bench.compare.headline import headlines
from lox_bench.compare.outcomes import OutcomeKey
from lox_bench.errors import DataError, IncomparableError
from lox_bench.report.differences import difference_table, seed_table
from lox_bench.results.run import Run, open_run
from lox_bench.results.text_table import TextTable, markdown
from lox_bench.utility.scores import ACCURACY_METRICS

Maker = Callable[..., Run]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """Runs by their settings, each written once."""
    held: dict[str, Run] = {}

    def made(**settings: object) -> Run:
        key = repr(settings)
        if key not in held:
            name = str(settings.pop("name", "run"))
            held[key] = write_run(tmp_path_factory.mktemp("runs") / name, Fake(**settings))
        return held[key]

    return made


def test_all_models_meet_within_an_attack_and_each_meets_itself_attacked(make: Maker) -> None:
    asr = {("lox", "none"): 0.1, **ASR, ("expo", "none"): 0.1, ("expo", "gsm8k"): 0.3}
    found = compare_runs([make(asr=asr)], metrics=["refusal_lost"])
    models = [(d.attack, d.model_a, d.model_b) for d in found if d.kind is Kind.MODEL]
    pairs = [("aligned", "lox"), ("aligned", "expo"), ("lox", "expo")]  # the control comes first
    assert models == [(attack, *pair) for attack in ("none", "gsm8k") for pair in pairs]
    attacks = {(d.model_a, d.model_b) for d in found if d.kind is Kind.ATTACK}
    assert attacks == {(model, f"{model}+gsm8k") for model in ("aligned", "lox", "expo")}


def test_runs_of_two_back_ends_are_not_compared(make: Maker) -> None:
    other = make(name="other", backend=Backend("vllm", "float32"))
    with pytest.raises(IncomparableError, match=r"back end .hf float32 in run, vllm float32"):
        compare_runs([make(), other])
    rounded = make(name="rounded", backend=Backend("hf", "bfloat16"))
    with pytest.raises(IncomparableError, match=r"back end .hf float32 in run, hf bfloat16"):
        compare_runs([make(), rounded])


def test_drawn_answers_are_not_compared_with_greedy_ones(make: Maker) -> None:
    drawn = make(name="drawn", samples=3)
    with pytest.raises(IncomparableError, match="decoding of refusal_lost on harmful"):
        compare_runs([make(), drawn])
    metrics = {item.metric for item in compare_runs([drawn])}
    assert {"refusal_lost", "refusal_lost_any"} <= metrics
    assert "refusal_lost_mean" not in metrics  # no share of answers that know nothing of another


def test_differences_are_those_of_the_leaderboard_when_all_is_judged(make: Maker) -> None:
    run = make(seeds=(0, 1, 2))
    value = {}
    for row in run.rows:
        value.setdefault(OutcomeKey.of(row), []).append(row.value)
    for item in compare_runs([run]):
        if item.kind is Kind.MODEL:
            a, b = (OutcomeKey(m, item.attack, item.measure) for m in (item.model_a, item.model_b))
            assert item.delta == pytest.approx(sum(value[b]) / 3 - sum(value[a]) / 3, abs=1e-5)
        assert item.ci_low <= item.delta <= item.ci_high
        assert item.worst_low == pytest.approx(item.delta)
        assert item.p <= item.p_holm <= 1
        assert (item.n, item.seeds, item.dropped) == (100, 3, 0)


def test_a_clear_effect_is_found_and_none_is_not(make: Maker) -> None:
    found = {(d.attack, d.metric): d for d in compare_runs([make()]) if d.kind is Kind.MODEL}
    asr = found["gsm8k", "refusal_lost"]
    assert asr.p_holm < 0.001
    assert asr.ci_high < 0
    assert abs(asr.delta) > asr.detectable
    assert found["none", "over_refusal"].p > 0.05


def test_unjudged_answers_are_dropped_and_widen_the_worst_case(make: Maker) -> None:
    item = next(d for d in compare_runs([make(degenerate=0.15)], metrics=["refusal_lost"]))
    assert item.dropped > 0
    assert item.worst_low < item.delta < item.worst_high


def test_an_invalid_attack_marks_its_differences(make: Maker) -> None:
    found = compare_runs([make(losses=(1.0, 1.0))])
    assert {d.valid for d in found if d.attack == "gsm8k"} == {"no"}
    assert {d.valid for d in found if d.attack == "none"} == {""}


def test_seeds_of_one_model_in_two_runs_are_pooled(make: Maker) -> None:
    runs = [make(name="one", seeds=(0,)), make(name="two", seeds=(1, 2), draw=1)]
    found = compare_runs(runs, metrics=["refusal_lost"])
    assert {d.seeds for d in found} == {3}
    assert {model for d in found for model in (d.model_a, d.model_b)} == {
        "aligned", "lox", "aligned+gsm8k", "lox+gsm8k"}  # fmt: skip


def test_the_same_run_twice_is_one(make: Maker) -> None:
    twice, once = compare_runs([make(), make()]), compare_runs([make()])
    assert str(twice) == str(once)  # some of the numbers are none, and no nan equals another


def test_other_weights_under_the_same_name_are_told_apart(make: Maker) -> None:
    pool = pool_runs([make(name="old"), make(name="new", version="2", draw=5)])
    assert {name.model for name in pool.outcomes} == {
        "aligned", "lox", "aligned (new)", "lox (new)"}  # fmt: skip


def test_models_with_unequal_seeds_are_compared_all_with_all(make: Maker) -> None:
    some = {key: rate for key, rate in ASR.items() if key[0] == "aligned"}
    runs = [make(name="one", seeds=(0,)), make(name="two", seeds=(1, 2), asr=some)]
    found = compare_runs(runs, metrics=["refusal_lost"])
    assert {d.by_seed == () for d in found if d.kind is Kind.MODEL} == {True}
    (line,) = headlines(runs[0].rows, found)
    assert "lox keeps most refusals" in line
    assert "by seed" not in line


def test_other_weights_with_other_seeds_are_not_pooled(make: Maker) -> None:
    pool = pool_runs([make(name="old"), make(name="new", version="2", seeds=(1,))])
    assert {len(hits) for hits in pool.outcomes.values()} == {1}


DIFFERING = {
    "prompts": ("other", "data of harmful"),
    "template_sha256": ("other", "template"),
    "attack_data": ("hub:openai/gsm8k", "attack data of gsm8k"),
}


@pytest.mark.parametrize("field", DIFFERING)
def test_runs_on_different_grounds_are_refused_by_name(make: Maker, field: str) -> None:
    value, said = DIFFERING[field]
    with pytest.raises(IncomparableError, match=said):
        compare_runs([make(), make(name="foreign", **{field: value})])


def test_another_judge_under_the_same_name_is_refused(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, Fake(n=5)) for name in ("a", "b")]
    rows = runs[1].path / "leaderboard.csv"
    key = next(row.judge_key for row in runs[0].rows if row.judge_key)
    rows.write_text(rows.read_text().replace(key, "0" * len(key)))
    with pytest.raises(IncomparableError, match="judge keyword-prefix"):
        compare_runs([runs[0], Run(runs[1].path, runs[1].record)])


def test_spread_over_seeds_is_shown_only_where_there_are_several(make: Maker) -> None:
    several = seed_spreads([make(seeds=(0, 1, 2))])
    assert all(len(item.spread.rates) == 3 for item in several)
    assert len(seed_table(several).rows) == len(several)
    assert not seed_table(seed_spreads([make()])).rows


def test_a_text_cannot_break_a_markdown_table() -> None:
    text = markdown(TextTable("t", ("a",), (("x|y\nz",),)))
    assert "| x\\|y z |" in text


def test_the_table_names_what_is_invalid(make: Maker) -> None:
    item = compare_runs([make()], metrics=["refusal_lost"])[1]
    line = difference_table([replace(item, valid="no", dropped=3)]).rows[0]
    assert "gsm8k (invalid)" in line
    assert line[-1] == "100x1, 3 dropped"


def test_the_command_writes_csv_and_markdown_by_the_files_name(
    make: Maker, command: Command, tmp_path: Path
) -> None:
    run = str(make(seeds=(0, 1, 2)).path)
    assert command("compare", run, "--out", str(tmp_path / "d.csv")).code == 0
    lines = list(csv.DictReader(io.StringIO((tmp_path / "d.csv").read_text())))
    assert {line["metric"] for line in lines} == {
        "refusal_lost",
        "over_refusal",
        "degenerate",
        *ACCURACY_METRICS,
    }
    assert all(float(line["p"]) <= float(line["p_holm"]) for line in lines)
    assert len(lines[0]["by_seed"].split()) == 3
    done = command("compare", run, "--metric", "refusal_lost", "--format", "markdown")
    assert "| refusal_lost: harmful, keyword-prefix | gsm8k | aligned → lox |" in done.out
    assert "Spread over seeds" in done.out


def test_an_unknown_metric_is_one_line_and_exit_code_two(make: Maker, command: Command) -> None:
    done = command("compare", str(make().path), "--metric", "asrr")
    assert done.code == 2
    assert "accuracy, accuracy_flexible, degenerate" in done.err
    assert len(done.err.strip().splitlines()) == 1


@pytest.mark.fault(20, inputs=2)
def test_a_model_and_seed_measured_twice_is_named_unless_both_say_the_same(
    tmp_path: Path,
) -> None:
    runs = [write_run(tmp_path / str(i), Fake(n=20, draw=draw)) for i, draw in enumerate((0, 5, 0))]
    with pytest.raises(IncomparableError, match=r"1 holds .* under seed 0 once more"):
        compare_runs(runs[:2])
    assert str(compare_runs([runs[0], runs[2]])) == str(compare_runs([runs[0]]))


@pytest.mark.fault(24)
@pytest.mark.parametrize(
    "damage", ["first", "last", "half", "twice", "other", "empty", "shape", "label"]
)
@pytest.mark.parametrize("folder", ["verdicts", "completions"])
def test_a_damaged_file_of_a_run_is_no_smaller_n(tmp_path: Path, damage: str, folder: str) -> None:
    run = write_run(tmp_path / "run", Fake(n=20))
    file = min((tmp_path / "run" / folder).glob("*.harmful*.jsonl"))
    lines = file.read_text().splitlines(keepends=True)
    plain = json.loads(lines[3])
    file.write_text(
        {
            "first": "".join(lines[1:]),
            "last": "".join(lines[:-1]),
            "half": "".join(lines)[:-30],
            "twice": "".join([*lines, lines[3]]),
            "other": "".join(
                [*lines[:3], json.dumps({**plain, "prompt_id": "x"}) + "\n", *lines[4:]]
            ),
            "empty": "",
            "shape": "".join(
                [*lines[:3], json.dumps({**plain, "prompt_id": 7}) + "\n", *lines[4:]]
            ),
            "label": "".join([*lines[:3], json.dumps({**plain, "more": 1}) + "\n", *lines[4:]]),
        }[damage]
    )
    with pytest.raises(DataError, match=r"harmful"):
        compare_runs([open_run(run.path)])
