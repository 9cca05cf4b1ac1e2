"""Folders of runs: called after what a person asked, found again by what was planned."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from support.sample import RECORD

from lox_bench.errors import UnknownNameError, UsageError
from lox_bench.results.place import find_run, fit, latest_run, place, run_folders
from lox_bench.results.record import Claim, load_record, save_record

MONDAY, TUESDAY = date(2026, 11, 30), date(2026, 12, 1)


def finished(folder: Path, when: str, plan: str = "p") -> Path:
    folder.mkdir(parents=True)
    save_record(folder, replace(RECORD, finished=when, plan=plan))
    return folder


def test_a_folder_is_called_after_the_day_and_the_words_and_holds_the_plan(tmp_path: Path) -> None:
    folder = place(tmp_path, "aligned+lox-gsm8k", {"": "key"}, MONDAY)
    assert folder.name == "2026-11-30-aligned+lox-gsm8k"
    assert load_record(folder) == Claim("key")


def test_the_same_study_goes_on_in_its_folder_whatever_the_day_and_the_name(tmp_path: Path) -> None:
    first = place(tmp_path, "aligned", {"": "key"}, MONDAY)
    assert place(tmp_path, "called otherwise", {"": "key"}, TUESDAY) == first
    old = finished(tmp_path / "smollm2-135m-gsm8k-1a2b3c4d", "2026-01-01", plan="older")
    assert place(tmp_path, "aligned", {"": "older"}, TUESDAY) == old


def test_another_study_of_the_same_words_gets_a_number(tmp_path: Path) -> None:
    names = [place(tmp_path, "aligned", {"": key}, MONDAY).name for key in ("a", "b", "c")]
    assert names == ["2026-11-30-aligned", "2026-11-30-aligned-2", "2026-11-30-aligned-3"]


def test_a_folder_of_somebody_else_is_left_alone_and_an_empty_one_is_taken(tmp_path: Path) -> None:
    (tmp_path / "2026-11-30-aligned").mkdir()
    (tmp_path / "2026-11-30-aligned" / "thesis.tex").write_text("precious")
    (tmp_path / "2026-11-30-aligned-2").mkdir()
    assert place(tmp_path, "aligned", {"": "key"}, MONDAY).name == "2026-11-30-aligned-2"
    assert len(list((tmp_path / "2026-11-30-aligned").iterdir())) == 1


def test_several_families_share_a_folder_if_all_of_them_are_in_it(tmp_path: Path) -> None:
    plans = {"one": "a", "two": "b"}
    folder = place(tmp_path, "one+two", plans, MONDAY)
    assert place(tmp_path, "one+two", plans, TUESDAY) == folder
    assert place(tmp_path, "one+two", {**plans, "two": "c"}, MONDAY) != folder
    assert [path.name for path in run_folders(tmp_path)][:2] == ["one", "two"]


@pytest.mark.parametrize("words", ["../../etc", "a\nb", "lox(k=2|6)/..", ". .", "ü/ö", "x" * 500])
def test_words_are_a_name_and_lead_nowhere(words: str, tmp_path: Path) -> None:
    folder = place(tmp_path / "runs", words, {"": "key"}, MONDAY)
    assert folder.parent == tmp_path / "runs"
    assert len(folder.name) < 120
    assert folder.name.isascii()


def test_long_words_end_at_a_joint() -> None:
    assert fit("+".join(["method"] * 40)) == "+".join(["method"] * 11) + "-etc"


def test_the_latest_is_the_one_that_finished_last(tmp_path: Path) -> None:
    finished(tmp_path / "2026-12-31-z", "2026-01-01T00:00:00+00:00")
    newest = finished(tmp_path / "a" / "family", "2026-11-30T00:00:00+00:00")
    save_record(place(tmp_path, "unfinished", {"": "key"}, TUESDAY), Claim("key"))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{")
    assert latest_run(tmp_path) == newest
    assert find_run("latest", tmp_path) == newest


def test_a_run_is_found_by_its_name_and_a_path_stays_a_path(tmp_path: Path) -> None:
    held = finished(tmp_path / "2026-11-30-aligned", "2026-11-30")
    assert find_run("2026-11-30-aligned", tmp_path) == held
    assert find_run(str(held), tmp_path) == held
    assert find_run("nowhere/here", tmp_path) == Path("nowhere/here")
    with pytest.raises(UnknownNameError, match="no run is called 'nowhere'"):
        find_run("nowhere", tmp_path)


def test_without_a_finished_run_there_is_no_latest(tmp_path: Path) -> None:
    place(tmp_path, "unfinished", {"": "key"}, MONDAY)
    with pytest.raises(UsageError, match="no finished run"):
        latest_run(tmp_path)


def test_a_manifest_that_is_no_record_holds_no_plan(tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps(["key"]))
    assert place(tmp_path, "odd", {"": "key"}, MONDAY) != folder
