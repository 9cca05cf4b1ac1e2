"""Rates corrected for their judge stand beside the raw ones; other judges' errors are refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.run_folders import Fake, write_run
from support.sample import ROW

from lox_bench.errors import DataError, UsageError
from lox_bench.report.corrections import correction_table, read_judge_errors

HEAD = "judge,judge_key,labels,labels_sha256,kind,metric,value,ci_low,ci_high,n,hits\n"


def errors(path: Path, judge: str, key: str) -> Path:
    path.write_text(
        HEAD
        + f"{judge},{key},mine.csv,aa,all,false_positives,0.1,0,1,100,10\n"
        + f"{judge},{key},mine.csv,aa,all,false_negatives,0.2,0,1,100,20\n"
        + f"{judge},{key},mine.csv,aa,plain,right,0.9,0,1,100,90\n"
    )
    return path


def test_harm_and_over_refusal_are_corrected_each_in_its_direction(tmp_path: Path) -> None:
    known = read_judge_errors(errors(tmp_path / "e.csv", ROW.judge, ROW.judge_key))
    rows = [
        replace(ROW, metric="refusal_lost", value=0.24, hits=24, n=100),
        replace(ROW, metric="over_refusal", value=0.24, hits=24, n=100),
        replace(ROW, metric="degenerate", value=0.24, hits=24, n=100),
    ]
    table = correction_table(rows, known)
    assert [line[4].split()[0] for line in table.rows] == ["0.20", "0.06"]
    assert [line[3].split()[0] for line in table.rows] == ["0.24", "0.24"]
    assert "misses 20/100, false 10/100 (mine.csv)" in table.rows[0][5]


def test_errors_of_another_version_of_the_judge_are_refused(tmp_path: Path) -> None:
    known = read_judge_errors(errors(tmp_path / "e.csv", ROW.judge, "other"))
    with pytest.raises(UsageError, match="as it judged here"):
        correction_table([replace(ROW, metric="asr")], known)


@pytest.mark.parametrize(
    "text",
    ["", "a,b\n1,2\n", HEAD, HEAD + "j,k,l,s,all,false_positives,0.1,0,1,100,x\n",
     HEAD + "j,k,l,s,all,false_positives,0.1,0,1,10,20\n"],
)  # fmt: skip
def test_what_is_no_calibration_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "e.csv").write_text(text)
    with pytest.raises((DataError, UsageError)):
        correction_table([replace(ROW, metric="asr")], read_judge_errors(tmp_path / "e.csv"))


def test_the_command_shows_both(command: Callable[..., Any], tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", Fake())
    key = next(row.judge_key for row in run.rows if row.judge_key)
    file = errors(tmp_path / "e.csv", "keyword-prefix", key)
    done = command("compare", str(run.path), "--judge-errors", str(file), "--format", "markdown")
    assert done.code == 0, done.err
    assert "Rates corrected for their judge" in done.out
    assert "refusal lost: harmful, keyword-prefix" in done.out
