"""A run's record survives its file, and a file of another form is refused with the field named."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.run_folders import Fake, write_run
from support.sample import RECORD, VARIANT

from lox_bench.codec import from_plain, to_plain
from lox_bench.errors import DataError, UsageError
from lox_bench.results.folder import claim
from lox_bench.results.record import (
    Claim,
    ExpenseRecord,
    PromptsRecord,
    RowsRecord,
    RunRecord,
    StageRecord,
    UtilityRecord,
    VariantRecord,
    load_record,
    save_record,
)
from lox_bench.results.run import Run, open_run
from lox_bench.types import Label

names = st.text(min_size=1, max_size=8)
words = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,8}", fullmatch=True)
counts = st.integers(0, 10**9)
numbers = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | counts | numbers | names
plain = st.dictionaries(
    names,
    st.recursive(
        scalars,
        lambda held: st.lists(held, max_size=3) | st.dictionaries(names, held, max_size=3),
        max_leaves=6,
    ),
    max_size=3,
)
stages = st.builds(StageRecord, names, names, numbers, plain)
expenses = st.builds(
    ExpenseRecord,
    when=names,
    judge=names,
    where=names,
    served_as=st.lists(names, max_size=2).map(tuple),
    requests=counts,
    from_cache=counts,
    retries=counts,
    tokens_in=counts,
    tokens_out=counts,
    usd=st.none() | numbers,
    failures=st.dictionaries(names, counts, max_size=2),
)
variants = st.builds(
    replace,
    st.just(VARIANT),
    model=names,
    attack=names,
    attack_spec=names,
    utility=names,
    attacked=st.booleans(),
    snapshot_step=st.none() | counts,
    made=plain,
    loss_before=st.none() | numbers,
    loss_after=st.none() | numbers,
    steps=st.none() | counts,
    stages=st.lists(stages, max_size=2).map(tuple),
)
records = st.builds(
    replace,
    st.just(RECORD),
    command=st.lists(names, max_size=3).map(tuple),
    limit=st.none() | counts,
    strength=st.none() | plain,
    attack_data=st.dictionaries(names, st.builds(RowsRecord, names, counts, names), max_size=2),
    prompts=st.dictionaries(
        words,
        st.builds(PromptsRecord, names, names, names, st.sampled_from(Label)),
        max_size=2,
    ),
    judges=st.dictionaries(words, plain, max_size=2),
    added_judges=st.lists(words, max_size=2).map(tuple),
    utilities=st.dictionaries(words, st.builds(UtilityRecord, counts, names), max_size=2),
    variants=st.lists(variants, max_size=3).map(tuple),
    expenses=st.lists(expenses, max_size=2).map(tuple),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(records)
def test_every_record_survives_json(record: RunRecord) -> None:
    text = json.dumps(to_plain(record))
    assert from_plain(RunRecord, json.loads(text), where="x") == record


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(records)
def test_equal_records_give_equal_text(record: RunRecord) -> None:
    again = from_plain(RunRecord, json.loads(json.dumps(to_plain(record))), where="x")
    assert json.dumps(to_plain(again)) == json.dumps(to_plain(record))


@given(st.none() | st.booleans() | counts | numbers | names | st.lists(plain, max_size=2) | plain)
def test_data_of_any_other_form_is_a_data_error_never_a_traceback(data: Any) -> None:
    with pytest.raises(DataError, match=r"^x: "):
        from_plain(RunRecord, data, where="x")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_run(tmp_path_factory.mktemp("runs") / "run", Fake(n=6))


def test_what_a_run_wrote_is_what_is_read(run: Run, tmp_path: Path) -> None:
    save_record(tmp_path, run.record)
    assert load_record(tmp_path) == run.record
    assert (tmp_path / "manifest.json").read_text() == (run.path / "manifest.json").read_text()


def test_the_record_says_of_each_model_what_later_steps_want_to_know(run: Run) -> None:
    plain_one, attacked = run.record.variants[0], run.record.variants[2]
    assert (plain_one.attacked, plain_one.attack_spec, plain_one.utility) == (False, "", "")
    assert (attacked.attacked, attacked.attack_spec) == (True, "gsm8k")
    assert attacked.utility == "gsm8k-standin"
    assert (attacked.align_seed, attacked.attack_seed, attacked.seed) == (0, 0, 0)
    assert (attacked.loss_before, attacked.loss_after) == (2.0, 0.8)
    assert attacked.made["model"]["identity"] == "aligned"
    assert run.record.accuracy_tasks == {"gsm8k": "gsm8k-standin"}


Break = Callable[[dict[str, Any]], object]
BROKEN: dict[str, tuple[Break, str]] = {
    "a field lacks": (lambda m: m.pop("family"), "the field 'family' is missing"),
    "a field is unknown": (lambda m: m.update(cells=[]), "unknown field 'cells'; known: plan,"),
    "text for a list": (lambda m: m.update(command="run"), 'command: a list was wanted, not "run"'),
    "a number in the command": (lambda m: m["command"].append(3), "command[2]: text was wanted"),
    "a list for a mapping": (lambda m: m.update(prompts=[]), "prompts: an object was wanted"),
    "a mapping for a list": (lambda m: m.update(variants={}), "variants: a list was wanted"),
    "null for text": (lambda m: m.update(family=None), "family: text was wanted, not null"),
    "a fraction for a count": (lambda m: m.update(limit=2.5), "limit: a whole number was wanted"),
    "true for a count": (lambda m: m.update(limit=True), "limit: a whole number was wanted"),
    "text for a task": (
        lambda m: m["prompts"].update(harmful="harmful"),
        "prompts.harmful: an object was wanted",
    ),
    "a task without its label": (
        lambda m: m["prompts"]["harmful"].pop("counts"),
        "prompts.harmful: the field 'counts' is missing",
    ),
    "a label that is none": (
        lambda m: m["prompts"]["harmful"].update(counts="safe"),
        "prompts.harmful: counts: one of complied, refused, beside, unjudged was wanted",
    ),
    "a judge that is a name": (
        lambda m: m["judges"].update(mine=3),
        "judges.mine: an object was wanted, not 3",
    ),
    "rows that are text": (
        lambda m: m["utilities"]["gsm8k-standin"].update(rows="six"),
        "utilities.gsm8k-standin: rows: a whole number was wanted",
    ),
    "a version that is a number": (
        lambda m: m["environment"]["versions"].update(torch=2.6),
        "environment: versions.torch: text was wanted, not 2.6",
    ),
    "a model without a key": (
        lambda m: m["variants"][1].pop("model_key"),
        "variants[1]: the field 'model_key' is missing",
    ),
    "a model of an earlier form": (
        lambda m: m["variants"][1].update(recipe={}),
        "variants[1]: unknown field 'recipe'",
    ),
    "a seed that is text": (
        lambda m: m["variants"][0].update(seed="0"),
        'variants[0]: seed: a whole number was wanted, not "0"',
    ),
    "text for true": (
        lambda m: m["variants"][0].update(attacked="yes"),
        "variants[0]: attacked: true or false was wanted",
    ),
    "a loss that is text": (
        lambda m: m["variants"][2].update(loss_after="low"),
        "variants[2]: loss_after: a number was wanted",
    ),
    "a stage that is a name": (
        lambda m: m["variants"][0].update(stages=["attack"]),
        "variants[0]: stages[0]: an object was wanted",
    ),
    "an expense of another form": (
        lambda m: m.update(expenses=[{"usd": 1}]),
        "expenses[0]: the field 'when' is missing",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_manifest_is_one_error_that_names_file_and_field(
    run: Run, tmp_path: Path, name: str
) -> None:
    change, said = BROKEN[name]
    manifest = json.loads((run.path / "manifest.json").read_text())
    change(manifest)
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps(manifest))
    with pytest.raises(DataError) as caught:
        open_run(tmp_path)
    text = str(caught.value)
    assert text.startswith(f"{file}: ")
    assert said in text
    assert "run its command again" in text
    assert "\n" not in text


@pytest.mark.parametrize("text", ["", "{", "[1, 2", "nonsense", '{"a": }', "[" * 100_000])
def test_a_manifest_that_is_no_json_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(DataError, match=r"manifest\.json (is no JSON|nests deeper)"):
        open_run(tmp_path)


def test_a_long_wrong_value_is_cut_in_the_message() -> None:
    data = {**to_plain(RECORD), "command": {"a": "b" * 1000}}
    with pytest.raises(DataError) as caught:
        from_plain(RunRecord, data, where="x")
    assert len(str(caught.value)) < 120


def test_a_whole_number_may_stand_for_a_fraction_and_not_the_other_way() -> None:
    data = to_plain(replace(VARIANT, loss_after=2.0))
    found = from_plain(VariantRecord, {**data, "loss_after": 2}, where="x")
    assert isinstance(found.loss_after, float)


def test_a_claim_keeps_what_an_earlier_run_of_the_plan_left(tmp_path: Path) -> None:
    judges = {"own": {}, "mine": {"kind": "rubric"}}
    save_record(tmp_path, replace(RECORD, judges=judges, added_judges=("mine",)))
    kept = claim(tmp_path, RECORD.plan)
    assert (kept.judges, kept.added_judges) == (judges, ("mine",))
    assert kept == claim(tmp_path, RECORD.plan)
    assert isinstance(kept, Claim)
    save_record(tmp_path, kept)  # of a run that never finished
    assert load_record(tmp_path) == kept == claim(tmp_path, RECORD.plan)


def test_the_folder_of_another_plan_is_not_claimed(tmp_path: Path) -> None:
    save_record(tmp_path, RECORD)
    with pytest.raises(UsageError, match="holds another run"):
        claim(tmp_path, "other")
    (tmp_path / "manifest.json").write_text('{"plan": "p"}')
    with pytest.raises(UsageError, match="files that are no run"):
        claim(tmp_path, "p")
