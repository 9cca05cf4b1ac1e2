"""Rows for attacks: the user's file first, the stand-in said aloud, bad files named."""

import json
from pathlib import Path

import pytest

from lox_bench.attacks.spec import load_attack
from lox_bench.data.rows import choose_rows, resolve_rows
from lox_bench.data.spec import DataSpec
from lox_bench.data.stage import STANDIN
from lox_bench.errors import DataError

SPEC = load_attack("gsm8k").data
COLUMNS = ("question", "answer")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def jsonl(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_users_file_wins_and_is_named_with_its_hash(tmp_path: Path) -> None:
    file = jsonl(tmp_path / "mine.jsonl", {"question": "q", "answer": "a", "more": 1})
    rows = resolve_rows(SPEC, file, columns=COLUMNS, strict=True)
    assert rows.label.startswith("file:mine.jsonl#")
    assert rows.label.endswith(rows.sha256[:8])
    assert not rows.is_standin


def test_without_the_hub_the_standin_is_used_and_labelled() -> None:
    rows = resolve_rows(SPEC, None, columns=COLUMNS, strict=False)
    assert (rows.label, rows.is_standin) == (STANDIN, True)
    assert len(rows.rows) == 640


def test_strict_data_refuses_the_standin() -> None:
    with pytest.raises(DataError, match="--strict-data"):
        resolve_rows(SPEC, None, columns=COLUMNS, strict=True)


def test_data_without_standin_or_hub_is_an_error() -> None:
    spec = DataSpec(hub="openai/gsm8k", files="main/none-*.parquet")
    with pytest.raises(DataError, match="--data"):
        resolve_rows(spec, None, columns=COLUMNS, strict=False)


def test_parquet_files_in_the_hub_cache_are_read(tmp_path: Path) -> None:
    import pandas as pd

    commit = "0123456789abcdef0123456789abcdef01234567"
    repo = tmp_path / "hub" / "datasets--openai--gsm8k"
    folder = repo / "snapshots" / commit / "main"
    folder.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    frame = pd.DataFrame({"question": ["q1", "q2"], "answer": ["a1", "a2"]})
    frame.to_parquet(folder / "train-00000-of-00001.parquet")
    rows = resolve_rows(SPEC, None, columns=COLUMNS, strict=True)
    assert rows.label == "hub:openai/gsm8k@01234567"
    assert [row["question"] for row in rows.rows] == ["q1", "q2"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no rows"),
        ("{}\nnot json\n", "line 2"),
        ("[1]\n", "object"),
        ('{"question": "q"}\n', "answer"),
        ('{"question": "q", "answer": 3}\n', "row 1"),
    ],
)
def test_a_bad_file_is_refused_and_the_place_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text(text)
    with pytest.raises(DataError, match=said):
        resolve_rows(SPEC, file, columns=COLUMNS, strict=False)


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(DataError, match="No such file"):
        resolve_rows(SPEC, Path("nowhere.jsonl"), columns=COLUMNS, strict=False)


def test_rows_are_drawn_by_seed_without_repeats() -> None:
    rows = [{"question": str(i), "answer": ""} for i in range(50)]
    drawn = choose_rows(rows, 20, seed=1)
    assert drawn == choose_rows(rows, 20, seed=1) != choose_rows(rows, 20, seed=2)
    assert len({row["question"] for row in drawn}) == 20
    assert len(choose_rows(rows, 0, seed=1)) == 50
