"""Published differences beside ours: what each was made with, and whether they may be compared."""

from dataclasses import replace

import pytest
from support.synthetic import synthetic_run

from lox_bench.compare.published import Published, published
from lox_bench.report.side_by_side import Side, side_tables, sides
from lox_bench.results.run import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return synthetic_run(tmp_path_factory.mktemp("sides") / "run", models="aligned,lox")


@pytest.fixture
def items() -> list[Published]:
    return [item for item in published("llama2-7b") if item.attack in {"gsm8k", "pure-bad"}]


def ours(run: Run, items: list[Published]) -> list[Side]:
    return [line for line in sides(run, items) if line.n]


def test_settings_and_data_that_names_would_hide_stand_beside(
    run: Run, items: list[Published]
) -> None:
    lines = ours(run, items)
    assert {line.attack for line in lines} == {"gsm8k"}
    assert {line.published_name for line in lines} == {"lox(k=6,alpha=1.25)"}
    assert {line.settings for line in lines} == {"k=2, alpha=0.5"}
    assert {line.attack_data for line in lines} == {row.attack_data for row in run.rows} - {""}


def test_a_difference_agrees_opposes_or_is_not_run(run: Run, items: list[Published]) -> None:
    assert {line.agrees for line in ours(run, items)} == {"yes"}
    assert {line.agrees for line in sides(run, items) if not line.n} == {"not run"}
    turned = [replace(item, value=1 - item.value) for item in items]
    assert {line.agrees for line in ours(run, turned)} == {"opposite"}


def test_an_attack_that_is_not_valid_agrees_with_nothing(
    run: Run, items: list[Published], monkeypatch: pytest.MonkeyPatch
) -> None:
    from lox_bench.report import side_by_side

    found = [replace(line, valid="no") for line in side_by_side.compare_runs([run])]
    monkeypatch.setattr(side_by_side, "compare_runs", lambda *_, **__: found)
    assert {line.agrees for line in ours(run, items)} == {"not valid"}


def test_a_table_tells_what_is_here(run: Run, items: list[Published]) -> None:
    (table,) = side_tables(sides(run, items), "main")
    assert table.title == "main: lox(k=6,alpha=1.25)"
    assert "Here: lox(k=2, alpha=0.5), asked the prompts of eval; attack data: " in table.note
    assert {row[-1] for row in table.rows} == {"yes", "not run"}
