"""One reader for every form that users' files have; what it cannot read, it says, with the line."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from lox_bench.data.exchange import read_exchanges
from lox_bench.data.prompts import load_prompts
from lox_bench.data.rows import resolve_rows
from lox_bench.data.spec import DataSpec
from lox_bench.data.user_file import read_user_file
from lox_bench.errors import DataError

ROWS = [
    {"question": "What is 007?", "answer": "007"},
    {"question": "When? É\u2028!", "answer": "2024-01-01"},
    {"question": "Which, then?", "answer": "[1, 2]"},
    {"question": 'Say "x"\nand y', "answer": "NaN"},
]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
CSV = (
    'question,answer\nWhat is 007?,007\nWhen? É\u2028!,2024-01-01\n"Which, then?","[1, 2]"\n'
    '"Say ""x""\nand y",NaN\n'
)
BOM = b"\xef\xbb\xbf"
FORMS: dict[str, tuple[bytes, str]] = {
    "lines.jsonl": (LINES.encode(), "JSON lines"),
    "lines-bom.jsonl": (BOM + LINES.encode(), "JSON lines"),
    "lines.txt": (LINES.encode(), "JSON lines"),
    "lines-crlf.jsonl": (LINES.replace("\n", "\r\n").encode(), "JSON lines"),
    "lines.jsonl.gz": (gzip.compress(LINES.encode()), "gzipped JSON lines"),
    "hidden-gzip.jsonl": (gzip.compress(BOM + LINES.encode()), "gzipped JSON lines"),
    "blank-lines.jsonl": (LINES.replace("\n", "\n\n").encode(), "JSON lines"),
    "no-end.jsonl": (LINES.rstrip("\n").encode(), "JSON lines"),
    "array.json": (json.dumps(ROWS).encode(), "JSON array"),
    "array-indented.json": (json.dumps(ROWS, indent=2).encode(), "JSON array"),
    "array-named-lines.jsonl": (json.dumps(ROWS).encode(), "JSON array"),
    "array.json.gz": (gzip.compress(json.dumps(ROWS).encode()), "gzipped JSON array"),
    "table.csv": (CSV.encode(), "CSV"),
    "table-bom.csv": (BOM + CSV.encode(), "CSV"),
    "table.csv.gz": (gzip.compress(CSV.encode()), "gzipped CSV"),
    "table-crlf.CSV": (CSV.replace("NaN\n", "NaN\r\n").encode(), "CSV"),
    "semicolons.csv": (
        CSV.replace("Which, then?", "@").replace("[1, 2]", "#").replace(",", ";")
        .replace("@", "Which, then?").replace("#", "[1, 2]").encode(),
        "CSV with semicolons",
    ),
    "lines-in-a.csv": (LINES.encode(), "JSON lines"),
}  # fmt: skip


@pytest.mark.fault(17, inputs=len(FORMS) + 1)
def test_every_form_gives_the_same_text(tmp_path: Path) -> None:
    parquet.write_table(pa.Table.from_pylist(ROWS), tmp_path / "table.parquet")
    found = {"table.parquet": read_user_file(tmp_path / "table.parquet", what="data file")}
    assert found["table.parquet"].form == "parquet"
    for name, (content, form) in FORMS.items():
        (tmp_path / name).write_bytes(content)
        found[name] = read_user_file(tmp_path / name, what="data file")
        assert (name, found[name].form) == (name, form)
    assert {name: list(held.rows) for name, held in found.items() if list(held.rows) != ROWS} == {}


@pytest.mark.fault(17)
@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"q,a\nx,y\nx\n", r"line 3: 1 cells under 2 columns \(q, a\)"),
        ("a.csv", b"q,a\nx,y,z\n", "line 2: 3 cells under 2 columns"),
        ("a.csv", b"q,q\nx,y\n", "the column 'q' comes twice"),
        ("a.csv", b'q,a\n"x,y\n', "line 2: unexpected end of data"),
        ("a.csv", b'q,a\n"x"y,z\n', "line 2"),
        ("a.csv", b"q,a\n", "holds no rows"),
        ("a.csv", b"", "holds no rows"),
        ("a.csv", b"q,a\nx,\x00\n", "line 2: a NUL character"),
        ("a.csv", b"q,a\nx,\xff\n", "line 2: not UTF-8 text"),
        ("a.csv", b"q,a\nx," + b"y" * 1_000_001 + b"\n", "line 2: field larger"),
        ("a.csv", "q,a\nx,y\n".encode("utf-16"), "is UTF-16; UTF-8 was wanted"),
        ("a.jsonl", b'{"a": "b"}\n{"a": "\xe9"}\n', "line 2: not UTF-8"),
        ("a.jsonl", b'[{"a": 1}]\n[{"a": 2}]\n', "line 1: a JSON object was wanted"),
        ("a.json", b"[]", "holds no rows"),
        ("a.json", b'[{"a": 1}, 2]', "item 2: a JSON object was wanted"),
        ("a.json", b'[{"a": NaN}]', "NaN is no number"),
        ("a.json", b"[" * 500, "deeper than"),
        ("a.json", b'[{"a": 1}', "is no JSON"),
        ("a.json", b'{\n "data": []\n}', "one JSON object over several lines"),
        ("a.jsonl", b"q,a\nx,y\n", "line 1"),
        ("a.gz", b"\x1f\x8b\x08broken", "broken gzip"),
        ("a.gz", gzip.compress(b'{"a": "b"}' * 90, mtime=0)[:-20], "broken gzip"),
        ("a.parquet", b"PAR1broken", "broken parquet"),
        ("a.jsonl", b"PK\x03\x04", "zip archive"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said) as refused:
        read_user_file(tmp_path / name, what="data file")
    assert len(str(refused.value)) < 500


@pytest.mark.fault(17, inputs=2)
def test_a_missing_file_and_a_folder_are_said(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(DataError, match="cannot be read"):
            read_user_file(path, what="data file")


A, B = "Name a fruit.", "A plum."
KNOWN: list[tuple[Any, tuple[str, str], str]] = [
    ({"messages": [{"role": "user", "content": A}, {"role": "assistant", "content": B}]},
     (A, B), "chat messages"),
    ({"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": A},
                   {"role": "assistant", "content": B}]},
     ("Be kind.\n\n" + A, B), "2 system messages put before"),
    ({"messages": [{"role": "user", "content": A}, {"role": "assistant", "content": B},
                   {"role": "user", "content": "More?"}]}, (A, B), "first exchange of 2 longer"),
    ({"conversations": [{"from": "human", "value": A}, {"from": "gpt", "value": B}]},
     (A, B), "ShareGPT"),
    ({"conversations": [{"from": "user", "value": A}, {"from": "model", "value": B}]},
     (A, B), "ShareGPT"),
    ({"instruction": A, "input": "", "output": B}, (A, B), "instruction [+] input and output"),
    ({"instruction": A, "input": "In red.", "output": B}, (A + "\n\nIn red.", B), "output"),
    ({"instruction": A, "context": "c", "response": B, "category": "x"},
     (A + "\n\nc", B), "instruction [+] context and response"),
    ({"prompt": A, "completion": B}, (A, B), "columns prompt and completion"),
    ({"prompt": A, "response": B}, (A, B), "columns prompt and response"),
    ({"question": A, "answer": B}, (A, B), "columns question and answer"),
    ({"input": A, "output": B}, (A, B), "columns input and output"),
]  # fmt: skip


@pytest.mark.fault(17)
@pytest.mark.parametrize(("row", "pair", "form"), KNOWN)
def test_the_fields_forms_are_found_out_and_said(
    tmp_path: Path, row: Any, pair: tuple[str, str], form: str
) -> None:
    (tmp_path / "mine.json").write_text(json.dumps([row, row]), encoding="utf-8")
    rows = resolve_rows(
        DataSpec(), tmp_path / "mine.json", columns=["task", "solution"], strict=True
    )
    assert rows.rows == ({"solution": pair[1], "task": pair[0]},) * 2
    assert re.search(form, rows.form)


@pytest.mark.fault(17)
@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"messages": "text"}, "a list of turns was wanted"),
        ({"messages": [{"role": "assistant", "content": B}]}, "a user's turn and an assistant's"),
        ({"messages": [{"role": "user", "content": A}]}, "a user's turn and an assistant's"),
        ({"messages": []}, "a user's turn and an assistant's"),
        ({"messages": [{"role": "tool", "content": A}]}, "'tool' is none of"),
        ({"messages": [{"role": "user", "content": [A]}]}, "text was wanted under 'content'"),
        ({"messages": [{"role": "user"}]}, "text was wanted under 'content'"),
        ({"messages": ["hello"]}, "a list of turns"),
        ({"text": A}, "a list of turns was wanted"),
    ],
)
def test_a_row_unlike_the_first_is_named(row: Any, said: str) -> None:
    with pytest.raises(DataError, match=f"mine, row 2: .*{said}"):
        read_exchanges([KNOWN[0][0], row], where="mine")


@pytest.mark.fault(17, inputs=2)
def test_unknown_forms_are_refused_by_the_columns_wanted(tmp_path: Path) -> None:
    for row in ({"text": A}, {"chosen": A, "rejected": B}):
        (tmp_path / "mine.jsonl").write_text(json.dumps(row), encoding="utf-8")
        with pytest.raises(DataError, match=r"no text under .task.*rows need task, solution"):
            resolve_rows(
                DataSpec(), tmp_path / "mine.jsonl", columns=["task", "solution"], strict=True
            )


@pytest.mark.fault(17)
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("mine.csv", "prompt,hazard\nHow?,vcr\nWhy?,hte\n"),
        ("mine.csv", "goal,hazard,target\nHow?,vcr,x\nWhy?,hte,x\n"),
        ("mine.json", '[{"behavior": "How?", "hazard": "vcr"}, '
                      '{"behavior": "Why?", "hazard": "hte"}]'),
        ("mine.jsonl", '{"prompt": "How?", "hazard": "vcr"}\n{"prompt": "Why?", "hazard": "hte"}'),
    ],
)  # fmt: skip
def test_prompts_come_from_any_form_and_get_numbers(
    tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    held = load_prompts(str(tmp_path / name))
    found = [(prompt.id, prompt.text, prompt.hazard) for prompt in held.prompts]
    assert found == [("mine-001", "How?", "vcr"), ("mine-002", "Why?", "hte")]
