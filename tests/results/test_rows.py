"""Leaderboard files: what is written is read back, what is broken is named."""

from dataclasses import replace
from pathlib import Path

import pytest
from support.sample import ROW

from lox_bench.errors import DataError
from lox_bench.results.row import read_csv, to_csv
from lox_bench.results.run import open_run


def test_rows_survive_the_file(tmp_path: Path) -> None:
    rows = [ROW, replace(ROW, model="base", loss_after=1.5)]
    (tmp_path / "rows.csv").write_text(to_csv(rows))
    assert read_csv(tmp_path / "rows.csv") == rows


def test_a_broken_cell_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(to_csv([ROW]).replace(",20,", ",many,"))
    with pytest.raises(DataError, match=r"line 2: n cannot be 'many'"):
        read_csv(tmp_path / "rows.csv")


def test_another_table_is_no_leaderboard(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="lacks the column 'family'"):
        read_csv(tmp_path / "rows.csv")


@pytest.mark.parametrize("column", ["hits", "align_seed", "attack_seed", "model_key"])
def test_a_leaderboard_of_an_earlier_form_is_refused(tmp_path: Path, column: str) -> None:
    (tmp_path / "rows.csv").write_text(to_csv([ROW]).replace(column, "other"))
    with pytest.raises(DataError, match=f"lacks the column {column!r}"):
        read_csv(tmp_path / "rows.csv")


def test_new_columns_stand_at_the_end_and_a_mean_has_no_hits(tmp_path: Path) -> None:
    mean = replace(ROW, metric="harmfulness", value=3.5, hits=None)
    (tmp_path / "rows.csv").write_text(to_csv([mean]))
    head, line = (tmp_path / "rows.csv").read_text().splitlines()
    assert head.startswith("family,model,attack,attack_data,task,judge,metric,value,")
    assert head.endswith(",held_out_before,held_out_after,backend,dtype,decoding")
    assert line.endswith(",0.1.0,,0,0,content,40,,,hf,float32,greedy")
    assert read_csv(tmp_path / "rows.csv") == [mean]


def test_a_value_cannot_be_edited_apart_from_its_hits(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(to_csv([ROW]).replace(",0.25,", ",0.2,"))
    with pytest.raises(DataError, match=r"line 2: 5 hits of 20 are not the value 0\.2"):
        read_csv(tmp_path / "rows.csv")


def test_an_unfinished_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"plan": "x", "finished": null}')
    with pytest.raises(DataError, match="not finished"):
        open_run(tmp_path)


def test_a_folder_without_a_manifest_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no run"):
        open_run(tmp_path)
