"""Files of prompts as their publishers have them, each with what it is known to trip readers with.

The contents are ours; what they copy is the form: columns, headers, quoting, counts.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from lox_bench.data.prompts import load_task, load_tasks, prompts_of
from lox_bench.data.published import PublishedSet, published_prompts
from lox_bench.data.user_file import read_user_file
from lox_bench.errors import DataError
from lox_bench.names import Name

HARMBENCH = (
    "Behavior,FunctionalCategory,SemanticCategory,Tags,ContextString,BehaviorID\n"
    'Say a,standard,illegal,,,a\n"Say b, or c",standard,harmful,"x, y",,b\n'
    'Say d,contextual,illegal,context,"Of\ntwo lines",d\nSay e,copyright,copyright,,,e\n'
)
ADVBENCH = 'Tell me how to a\n"Tell me how to b, and c"\nTell me how to d\n'  # no header
XSTEST_V2 = (  # has no label
    "id_v1,id_v2,type,prompt,focus,note\n"
    "1,1,homonyms,Kill a process,,\n2,2,contrast_homonyms,Kill a man,,\n"
)
JBB = (
    "Index,Goal,Target,Behavior,Category,Source\n"
    '0,"Write a, and b","Here is",Label,Fraud,Original\n1,Write c,Here is,Other,Privacy,AdvBench\n'
)
SORRY = [  # a list in a cell, in each way that it is written down
    {"question_id": i, "category": str(c), "turns": turns, "prompt_style": style}
    for i, (c, turns, style) in enumerate(
        [(1, ["Ask a"], "base"), (21, ["Ask b"], "base"), (3, ["Ask c"], "slang"),
         (20, ["Ask d"], "base"), (4, ["Ask e"], "base")]
    )
]  # fmt: skip


def made(**changes: Any) -> PublishedSet:
    known = {"form": "csv", "rows": 2, "licence": "l", "citation": "c", "page": "https://p",
             "column": "goal", "gated": "ask"}  # fmt: skip
    return PublishedSet(**{**known, **changes})


def texts(held: PublishedSet, copy: Path) -> list[str]:
    return [prompt.text for prompt in published_prompts(Name("x"), held, copy).prompts]


def own(file: Path) -> dict[str, list[str]]:
    return {
        str(task.name): [prompt.text for prompt in prompts_of(task, "eval").prompts]
        for task in load_tasks(str(file))
    }


def test_a_table_without_a_header_loses_no_row(tmp_path: Path) -> None:
    file = tmp_path / "harmful_behaviors.csv"
    file.write_text(ADVBENCH)
    wanted = ["Tell me how to a", "Tell me how to b, and c", "Tell me how to d"]
    assert own(file) == {"harmful_behaviors": wanted}
    assert texts(made(form="values", rows=3), file) == wanted


def test_a_header_that_is_a_name_is_no_request(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("goal\nTell me how to a\n")
    assert own(tmp_path / "mine.csv") == {"mine": ["Tell me how to a"]}
    (tmp_path / "mine.csv").write_text("forbidden question\nTell me how to a\n")
    with pytest.raises(DataError, match=r"no column of requests .*forbidden question.*\.txt"):
        own(tmp_path / "mine.csv")


def test_a_folder_of_headerless_tables_is_one_set_with_their_names_as_hazards(
    tmp_path: Path,
) -> None:
    for number in (1, 3, 10):
        (tmp_path / f"category_{number}.csv").write_text(f"Tell me how to {number}\nAnd how to b\n")
    held = made(rows=6, column="prompt", hazard_column="category")
    prompts = published_prompts(Name("hex"), held, tmp_path).prompts
    assert [p.hazard for p in prompts[::2]] == ["category_1", "category_3", "category_10"]
    assert [p.text for p in prompts[:2]] == ["Tell me how to 1", "And how to b"]
    (tmp_path / "category_2.csv").write_text("Tell me how to 2\nAnd how to b\n")
    with pytest.raises(DataError, match=r"8 prompts in .*, 6 were expected; another version"):
        published_prompts(Name("hex"), held, tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        published_prompts(Name("hex"), held, tmp_path / "empty")


def test_goals_are_asked_and_not_their_labels(tmp_path: Path) -> None:
    (tmp_path / "jbb.csv").write_text(JBB)
    wanted = ["Write a, and b", "Write c"]
    assert texts(made(), tmp_path / "jbb.csv") == wanted
    assert own(tmp_path / "jbb.csv") == {"jbb": wanted}


def test_records_are_counted_and_not_lines(tmp_path: Path) -> None:
    (tmp_path / "two.csv").write_text('forbidden_prompt\n"one,\nof two\nlines"\nanother\n')
    wanted = ["one,\nof two\nlines", "another"]
    assert texts(made(column="forbidden_prompt"), tmp_path / "two.csv") == wanted
    assert own(tmp_path / "two.csv") == {"two": wanted}


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "parquet"])
def test_a_list_of_one_in_a_cell_is_its_text(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"sorry.{ending}"
    if ending == "csv":
        cells = [",".join(f'"{value}"' for value in row.values()) for row in SORRY]
        file.write_text("\n".join([",".join(SORRY[0]), *cells]) + "\n")
    elif ending == "parquet":
        parquet.write_table(pa.Table.from_pylist(SORRY), file)
    else:
        whole = json.dumps(SORRY)
        file.write_text(whole if ending == "json" else "\n".join(map(json.dumps, SORRY)))
    held = made(
        form="jsonl", rows=4, column="turns", hazard_column="category", where="prompt_style",
        among=("base",), left_out=("20", "21"),
    )  # fmt: skip
    assert texts(held, file) == ["Ask a", "Ask e"]
    assert own(file) == {"sorry": [f"Ask {letter}" for letter in "abcde"]}


def test_a_text_in_brackets_stays_and_several_turns_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text('prompt\n[a joke] Tell it\n[1]\n"[not, a list]"\n')
    assert own(tmp_path / "mine.csv")["mine"] == ["[a joke] Tell it", "[1]", "[not, a list]"]
    (tmp_path / "two.jsonl").write_text('{"turns": ["a", "b"]}\n')
    with pytest.raises(DataError, match="no text under 'turns'"):
        texts(made(form="jsonl", rows=1, column="turns"), tmp_path / "two.jsonl")


def test_a_missing_label_is_read_off_the_types_or_refused(tmp_path: Path) -> None:
    (tmp_path / "xstest_v2_prompts.csv").write_text(XSTEST_V2)
    held = {"rows": 1, "column": "prompt", "where": "label"}
    assert texts(made(**held, among=("safe",)), tmp_path / "xstest_v2_prompts.csv") == [
        "Kill a process"
    ]
    assert texts(made(**held, among=("unsafe",)), tmp_path / "xstest_v2_prompts.csv") == [
        "Kill a man"
    ]
    assert own(tmp_path / "xstest_v2_prompts.csv") == {
        "xstest_v2_prompts": ["Kill a man"], "xstest_v2_prompts-safe": ["Kill a process"],
    }  # fmt: skip
    (tmp_path / "bare.csv").write_text("prompt\nKill a man\nKill a process\n")
    with pytest.raises(DataError, match=r"0 prompts in .*, 1 were expected"):
        texts(made(**held, among=("safe",)), tmp_path / "bare.csv")
    with pytest.raises(DataError, match=r"no column 'harm', which parts the set"):
        texts(made(rows=0, where="harm", among=("yes",)), tmp_path / "bare.csv")


def test_harmbench_s_own_table_gives_its_standard_behaviours_with_categories(
    tmp_path: Path,
) -> None:
    (tmp_path / "hb.csv").write_text(HARMBENCH)
    known = load_task("harmbench").published
    assert known is not None
    held = made(form=known.form, column=known.column, hazard_column=known.hazard_column,
                where=known.where, among=known.among)  # fmt: skip
    prompts = published_prompts(Name("x"), held, tmp_path / "hb.csv").prompts
    assert [(p.text, p.hazard) for p in prompts] == [
        ("Say a", "illegal"),
        ("Say b, or c", "harmful"),
    ]
    assert own(tmp_path / "hb.csv")["hb"][2:] == ["Of\ntwo lines\n\n---\n\nSay d", "Say e"]


@pytest.mark.parametrize("hazard", ["cse", "Child Abuse", "9: Child Harm", "Child-related Crimes"])
def test_categories_of_children_are_left_out_however_they_are_called(
    tmp_path: Path, hazard: str
) -> None:
    (tmp_path / "copy.csv").write_text(f"goal,category\na,fraud\nb,{hazard}\n")
    held = made(hazard_column="category", asked=1)
    assert texts(held, tmp_path / "copy.csv") == ["a"]
    with pytest.raises(DataError, match=r"1 prompts less children in .*, 2 were expected"):
        texts(made(hazard_column="category", asked=2), tmp_path / "copy.csv")


def test_prompts_without_a_category_are_left_out_by_hash(tmp_path: Path) -> None:
    (tmp_path / "copy.csv").write_text("goal\n a \nb\nc\n")
    listed = (hashlib.sha256(b"a").hexdigest(), hashlib.sha256(b"not there").hexdigest())
    held = made(rows=3, left_out_prompts=listed)
    assert texts(held, tmp_path / "copy.csv") == ["b", "c"]
    first = made(rows=3, first=2, left_out_prompts=listed[:1])
    assert texts(first, tmp_path / "copy.csv") == ["b"]  # as published, less what is left out
    assert (held.count, first.count) == (1, 1)


def test_a_list_of_dialogues_is_one_of_chat_messages(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    (tmp_path / "aoa.json").write_text(json.dumps([turns, turns]))
    found = read_user_file(tmp_path / "aoa.json", what="data file")
    assert list(found.rows) == [{"messages": turns}] * 2
    (tmp_path / "aoa.json").write_text(json.dumps([turns, ["a"]]))
    with pytest.raises(DataError, match="item 2: a JSON object was wanted"):
        read_user_file(tmp_path / "aoa.json", what="data file")
