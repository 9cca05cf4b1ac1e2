"""Files of a run edited by hand: one line that names file and place; text that acts is quoted."""

import csv
import io
import json
import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest
from support.sample import RECORD, ROW

from lox_bench.codec import to_plain
from lox_bench.errors import DataError, UsageError
from lox_bench.results.cells import as_cell, of_cell
from lox_bench.results.folder import claim, make
from lox_bench.results.lock import sole_writer
from lox_bench.results.record import load_record, save_record
from lox_bench.results.row import COLUMNS, read_csv, to_csv

ACTING = [
    "=1+1", "=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(A1)", "\t=1", "=HYPERLINK(\"x\")",
    "-", "+lox", "=", "@",
]  # fmt: skip
STILL = ["lox", "'quoted'", "a=b", "1+1", "lox(k=6,alpha=0.65)+gsm8k", "", "'", "it's"]


@pytest.mark.fault(25)
@pytest.mark.parametrize("text", ACTING)
def test_a_cell_that_would_act_is_quoted_and_read_back(tmp_path: Path, text: str) -> None:
    written = to_csv([replace(ROW, model=text)])
    (tmp_path / "rows.csv").write_text(written, newline="")
    cell = next(csv.DictReader(io.StringIO(written)))["model"]
    assert cell == f"'{text}"
    assert of_cell(cell) == text


@pytest.mark.parametrize("text", STILL)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert as_cell(text) == text
    assert of_cell(text) == text


def test_numbers_are_no_text() -> None:
    assert as_cell(-0.5) == -0.5


CELLS = [
    ("value", "1.5"), ("value", "inf"), ("value", "-0.1"), ("value", "nan"), ("value", "=1"),
    ("ci_low", "0.9"), ("ci_high", "-inf"), ("ci_high", "2"), ("n", "-3"), ("n", "1.5"),
    ("n", "many"), ("unjudged", "-1"), ("hits", "9999"), ("hits", "-1"), ("hits", "x"),
    ("seed", "-1"), ("seed", ""), ("coverage", "7"), ("coverage", "-1"), ("align_seed", "x"),
    ("loss_before", "none"), ("model", "x" * 200_000), ("n", "9" * 5000),
]  # fmt: skip


@pytest.mark.fault(24)
@pytest.mark.parametrize(("column", "cell"), CELLS, ids=[f"{c}={v:.9}" for c, v in CELLS])
def test_a_row_that_no_run_gives_is_refused(tmp_path: Path, column: str, cell: str) -> None:
    (plain,) = csv.DictReader(io.StringIO(to_csv([ROW])))
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerow({**plain, column: cell})
    (tmp_path / "rows.csv").write_text(text.getvalue())
    with pytest.raises(DataError, match=r"rows\.csv"):
        read_csv(tmp_path / "rows.csv")


@pytest.mark.fault(24)
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:0],
        lambda text: text.splitlines()[0],
        lambda text: text.replace("model,", "", 1),
        lambda text: text.replace("attack,", "model,", 1),
        lambda text: text.strip() + ",extra\n",
        lambda text: text.strip().rsplit(",", 3)[0] + "\n",
        lambda text: "\x00" + text,
        lambda text: text.replace(",", ";"),
    ],
)
def test_a_file_of_another_shape_is_refused(tmp_path: Path, change: object) -> None:
    (tmp_path / "rows.csv").write_text(change(to_csv([ROW])))  # type: ignore[operator]
    with pytest.raises(DataError, match=r"rows\.csv"):
        read_csv(tmp_path / "rows.csv")


@pytest.mark.fault(27)
def test_a_second_writer_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    told = pytest.raises(UsageError, match=r"process \d+ on .* since")
    with sole_writer(tmp_path), told, sole_writer(tmp_path):
        pass
    with sole_writer(tmp_path):
        assert (tmp_path / ".holder").is_file()
    assert not (tmp_path / ".holder").exists()


def _hold(folder: Path, held: object) -> None:
    with sole_writer(folder):
        held.set()  # type: ignore[attr-defined]
        multiprocessing.Event().wait()


@pytest.mark.fault(27)
def test_a_killed_writer_holds_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    held = context.Event()
    child = context.Process(target=_hold, args=(tmp_path, held))
    child.start()
    assert held.wait(20)
    with pytest.raises(UsageError, match="is being written"), sole_writer(tmp_path):
        pass
    child.kill()
    child.join()
    with sole_writer(tmp_path):
        pass


@pytest.mark.fault(27)
def test_a_finished_run_that_is_run_again_stays_readable(tmp_path: Path) -> None:
    make(tmp_path / "run")
    save_record(tmp_path / "run", RECORD)
    claim(tmp_path / "run", RECORD.plan)  # and then a kill
    assert load_record(tmp_path / "run") == RECORD


@pytest.mark.fault(22)
@pytest.mark.parametrize("where", ["prompts", "judges", "utilities", "added_judges"])
@pytest.mark.parametrize("name", ["../../x", "/abs", "a/b", "", "x\n", "..", "=1"])
def test_a_manifest_s_names_are_no_paths(tmp_path: Path, where: str, name: str) -> None:

    from support.sample import RECORD

    plain = to_plain(RECORD)
    entry = next(iter(plain[where].values()), {}) if isinstance(plain[where], dict) else None
    plain[where] = [name] if entry is None else {name: entry}
    (tmp_path / "manifest.json").write_text(json.dumps(plain))
    with pytest.raises(DataError, match=where):
        load_record(tmp_path)


LABELS = [
    "[/b]", "[red]x", "$x$", "a\x1b[31m", "a\nb", "a\x00b", "\u202eabc", "a\u200bb", "x" * 301,
    "<script>", "a'b", 'a"b', "a`b`", "a\\b", "a;b", "a{b}", "a?b", "a\rb",
]  # fmt: skip


@pytest.mark.fault(25)
@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("column", ["model", "attack", "judge", "metric"])
def test_what_a_row_is_called_does_nothing_in_tables_and_pictures(
    tmp_path: Path, column: str, label: str
) -> None:
    (tmp_path / "rows.csv").write_text(to_csv([replace(ROW, **{column: label})]), newline="")
    with pytest.raises(DataError, match=f"line .*{column}"):
        read_csv(tmp_path / "rows.csv")


@pytest.mark.fault(25)
@pytest.mark.parametrize("label", LABELS)
def test_what_a_manifest_calls_a_model_does_nothing_either(tmp_path: Path, label: str) -> None:
    plain = to_plain(RECORD)
    plain["variants"][0]["model"] = label
    (tmp_path / "manifest.json").write_text(json.dumps(plain))
    with pytest.raises(DataError, match="is no name of"):
        load_record(tmp_path)


@pytest.mark.fault(20)
@pytest.mark.parametrize("change", [{}, {"value": 0.0, "hits": 0}, {"loss_before": 9.0}])
def test_one_measurement_is_one_row(tmp_path: Path, change: dict[str, float]) -> None:
    (tmp_path / "rows.csv").write_text(to_csv([ROW, replace(ROW, **change)]), newline="")
    with pytest.raises(DataError, match="lines 2 and 3 are both"):
        read_csv(tmp_path / "rows.csv")
