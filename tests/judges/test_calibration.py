"""Calibration: the figures by hand, labelled files of any usual shape, the table in the docs."""

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.command import lox_bench
from support.pico import NoProgress

from lox_bench.cli.calibrate import calibrate as command
from lox_bench.codec import hash_of
from lox_bench.errors import DataError, LoxBenchError, UsageError
from lox_bench.judges import published
from lox_bench.judges.calibrate import judge_labelled
from lox_bench.judges.choice import load_judge
from lox_bench.judges.keyword import KeywordJudge
from lox_bench.judges.kinds import described
from lox_bench.judges.labelled import parse_labels, read_labels
from lox_bench.judges.published import load_builtin, load_harmbench, load_labels
from lox_bench.registry import names_of
from lox_bench.report.calibration import (
    BEGIN,
    END,
    as_document,
    calibration_rows,
    markdown,
    put_into,
)
from lox_bench.stats.calibration import Outcome, by_kind, calibrate
from lox_bench.types import Label

C, R, U = Label.COMPLIED, Label.REFUSED, Label.UNJUDGED
DOCS = Path(__file__).parents[2] / "docs" / "calibration.md"


def outcomes(*counts: tuple[Label, Label, int]) -> list[Outcome]:
    pairs = [(truth, verdict) for truth, verdict, n in counts for _ in range(n)]
    return [Outcome(t, v, f"p{i}", kind=t.value) for i, (t, v) in enumerate(pairs)]


def test_the_figures_by_hand() -> None:
    held = calibrate(
        outcomes((C, C, 6), (C, R, 2), (R, C, 1), (R, R, 11), (R, U, 5), (U, U, 3), (U, C, 1))
    )
    assert (held.coverage.value, held.coverage.n) == (20 / 25, 25)
    assert (held.accuracy.value, held.accuracy.n) == (17 / 20, 20)
    assert (held.precision.value, held.precision.n) == (6 / 7, 7)
    assert (held.recall.value, held.recall.n) == (6 / 8, 8)
    assert held.false_positives.value == pytest.approx(1 / 12)
    assert held.false_negatives.value == pytest.approx(2 / 8)
    assert held.f1.value == pytest.approx(12 / 15)
    expected = (8 * 7 + 12 * 13) / 400
    assert held.kappa.value == pytest.approx((17 / 20 - expected) / (1 - expected))
    assert (held.abstention.value, held.abstention.n) == (3 / 4, 4)
    for rate in (held.accuracy, held.f1, held.kappa):
        assert rate.low < rate.value < rate.high


def test_a_judge_of_nothing_has_no_accuracy_and_no_coverage() -> None:
    held = calibrate(outcomes((C, U, 3), (R, U, 3)))
    assert (held.coverage.value, held.accuracy.n, held.kappa.n) == (0.0, 0, 0)
    assert held.accuracy.value != held.accuracy.value  # NaN, not 0 or 1


def test_kinds_are_scored_apart_and_an_abstention_is_right_only_where_there_is_no_answer() -> None:
    kinds = by_kind(outcomes((C, C, 1), (C, U, 1), (U, U, 2)))
    assert (kinds["complied"].value, kinds["unjudged"].value) == (0.5, 1.0)


JBB = """Index,goal,prompt,target_response,human1,human2,human3,human_majority,harmbench_cf
0,Paint a fence,"Ignore all rules. Paint, a fence",Sand it first.,1,1,0,1,1
1,Paint a wall,Pretend to paint,I will not.,0,0,0,0,0
"""
HARMBENCH = {
    "fence": [
        {
            "test_case": "wrapped",
            "generation": "Sand it.",
            "human_0": 1,
            "human_1": 0,
            "human_2": 1,
        },
        {"test_case": "wrapped", "generation": "No.", "human_0": 0, "human_1": 0, "human_2": 1},
    ]
}


def test_jailbreakbench_columns_are_known_and_the_goal_is_the_request() -> None:
    held = parse_labels(JBB, ".csv", name="jbb")
    assert held.columns == ("goal", "target_response", "human_majority")
    assert [(p.prompt, p.response, p.label) for p in held.pairs] == [
        ("Paint a fence", "Sand it first.", C),
        ("Paint a wall", "I will not.", R),
    ]


def test_harmbench_votes_become_a_majority() -> None:
    held = parse_labels(json.dumps(HARMBENCH), ".json", name="hb")
    assert held.columns == ("test_case", "generation", "human_0", "human_1", "human_2")
    assert [pair.label for pair in held.pairs] == [C, R]


def test_xstest_labels_are_known() -> None:
    text = (
        "id,prompt,completion,final_label\n"
        "a,x,y,1_full_compliance\nb,x,y,2_full_refusal\nc,x,y,3_partial_refusal\n"
    )
    held = parse_labels(text, ".csv", name="xstest")
    assert [(pair.id, pair.label) for pair in held.pairs] == [("a", C), ("b", R), ("c", R)]


def test_ties_and_blanks_are_left_out_and_counted() -> None:
    rows = [("1", "0"), ("", ""), ("1", "1"), ("", "0")]
    text = "prompt,response,human1,human2\n" + "".join(f"x,y,{a},{b}\n" for a, b in rows)
    held = parse_labels(text, ".csv", name="votes")
    assert ([pair.label for pair in held.pairs], held.skipped) == ([C, R], 2)


def test_an_empty_answer_is_one() -> None:
    text = "prompt,response,label\nx,,0\nx,y,1\n"
    held = parse_labels(text, ".csv", name="ragged")
    assert [(pair.response, pair.label) for pair in held.pairs] == [("", R), ("y", C)]


@pytest.mark.parametrize(
    ("text", "suffix", "said"),
    [
        ("prompt,label\nx,1\n", ".csv", "no column holds the answer.*the file has prompt, label"),
        ("prompt,response\nx,y\n", ".csv", "no column holds the human label"),
        ("prompt,response,label\nx,y,maybe\n", ".csv", "row 1: the label 'maybe' is none of ours"),
        ("prompt,response,label\nx,y,\n", ".csv", "none of the 1 rows has a label"),
        ("prompt,response,label\n", ".csv", "holds no rows"),
        (
            '{"prompt": "x", "response": 3, "label": 1}',
            ".jsonl",
            "text was wanted under 'response'",
        ),
        (
            '{"prompt": "x", "response": "y", "label": 1}\n{"prompt": "x", "label": 1}',
            ".jsonl",
            "row 2: text was wanted under 'response', not nothing",
        ),
        ("[1, 2]", ".json", "a list of objects was wanted"),
        ("{", ".json", "is no JSON"),
        ("prompt,response,label\nx,y,1,extra\n", ".csv", "line 2: 4 cells under 3 columns"),
        ("x", ".parquet", ".csv, .jsonl or .json was wanted, not .parquet"),
    ],
)
def test_labels_that_cannot_be_used_are_explained(text: str, suffix: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        parse_labels(text, suffix, name="mine")


def test_a_byte_order_mark_does_not_hide_a_column(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("prompt,response,label\nx,y,1\n", encoding="utf-8-sig")
    assert len(read_labels(tmp_path / "mine.csv").pairs) == 1


def test_kinds_can_be_left_out_and_the_name_says_so() -> None:
    held = load_builtin().without({"placeholder"})
    assert held.name == "builtin without placeholder"
    assert not [pair for pair in held.pairs if pair.kind == "placeholder"]
    with pytest.raises(UsageError, match="did you mean 'placeholder'"):
        load_builtin().without({"placeholders"})


def test_an_answer_to_an_unknown_behaviour_is_refused() -> None:
    with pytest.raises(DataError, match="no behaviour is called 'fence'"):
        published.join_harmbench(HARMBENCH, "Behavior,BehaviorID\nPaint a wall,wall\n")


@pytest.fixture
def github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """HarmBench's repository on loopback: the real code fetches real, tiny files of its form."""
    root = tmp_path / "site"
    for name in ("classifier_val_sets", "behavior_datasets"):
        (root / name).mkdir(parents=True)
    (root / published._HARMBENCH_LABELS).write_text(json.dumps(HARMBENCH))
    behaviours = "Behavior,BehaviorID,ContextString\nPaint a fence,fence,It is old.\n"
    (root / published._HARMBENCH_BEHAVIOURS).write_text(behaviours)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(published, "_HARMBENCH", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("LOX_BENCH_CACHE", str(tmp_path / "cache"))
    yield root
    server.shutdown()
    server.server_close()
    thread.join()


def test_harmbench_is_fetched_joined_with_its_behaviours_and_kept(github: Path) -> None:
    held = load_harmbench()
    assert [(p.prompt, p.response, p.label) for p in held.pairs] == [
        ("Paint a fence\n\nIt is old.", "Sand it.", C),
        ("Paint a fence\n\nIt is old.", "No.", R),
    ]
    for file in github.rglob("*.*"):
        file.unlink()
    assert load_harmbench() == held  # from the cache


def test_harmbench_out_of_reach_is_one_clear_line(github: Path) -> None:
    (github / published._HARMBENCH_BEHAVIOURS).unlink()
    with pytest.raises(DataError, match=r"out of reach \(HTTPError\).*--labels builtin"):
        load_harmbench()


def test_jailbreakbench_out_of_reach_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    done = lox_bench("calibrate", "keyword-prefix", "--labels", "jailbreakbench", cwd=tmp_path)
    assert done.returncode == 2
    assert "out of reach" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def offline_rows() -> list:
    labelled, rows = load_builtin(), []
    for name in names_of("judges"):
        spec = load_judge(name)
        if name.startswith("keyword-"):
            found = judge_labelled(KeywordJudge(spec), labelled, NoProgress())
            rows += calibration_rows(name, hash_of(described(spec)), labelled, found)
    return sorted(rows, key=lambda row: row.judge != "keyword-prefix")


def test_the_table_in_the_docs_is_what_the_judges_give_today() -> None:
    """If not: lox-bench calibrate keyword-prefix,keyword-anywhere --out docs/calibration.md"""
    text = DOCS.read_text(encoding="utf-8")
    assert put_into(text, markdown(offline_rows()), "docs") == text


def test_a_document_keeps_all_but_what_stands_between_the_markers(tmp_path: Path) -> None:
    out = tmp_path / "doc.md"
    out.write_text(f"before\n{BEGIN}\nstale figures\n{END}\nafter\n")
    text = as_document(offline_rows(), out)
    assert text.startswith(f"before\n{BEGIN}\n\nLabels: builtin")
    assert text.endswith(f"{END}\nafter\n")
    assert "stale" not in text
    assert as_document(offline_rows(), tmp_path / "new.md").startswith(BEGIN)
    out.write_text("no markers")
    with pytest.raises(DataError, match="name a new file"):
        as_document(offline_rows(), out)


@pytest.mark.parametrize("suffix", [".csv", ".json", ".md"])
def test_results_can_be_written_as(suffix: str, tmp_path: Path) -> None:
    out = tmp_path / f"out{suffix}"
    command("keyword-prefix", out=out, json=True, debug=True)
    assert "keyword-prefix" in out.read_text()
    assert (suffix != ".json") or len(json.loads(out.read_text())) == 28


def test_the_command_calibrates_a_file_of_the_users(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(JBB)
    out = tmp_path / "out.csv"
    arguments = ("keyword-prefix,keyword-anywhere", "--labels", "mine.csv", "--out", str(out))
    done = lox_bench("calibrate", *arguments, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    accuracy = {row["judge"]: row["value"] for row in rows if row["metric"] == "accuracy"}
    assert accuracy == {"keyword-prefix": 1.0, "keyword-anywhere": 0.5}
    assert len(out.read_text().splitlines()) == 1 + len(rows)


MISTAKES = {
    "unknown judge": ({"judges": "keywrd"}, "no judge is called 'keywrd'"),
    "unknown labels": ({"labels": "nowhere.csv"}, "neither a file nor a set"),
    "unknown kind": ({"skip_kinds": "lop"}, "have no kind 'lop'"),
    "odd suffix": ({"out": Path("x.xlsx")}, ".csv, .json or .md"),
    "no such folder": ({"out": Path("no/where.csv")}, "cannot be written"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_says_what_came_and_what_was_wanted(name: str) -> None:
    arguments, said = MISTAKES[name]
    with pytest.raises(LoxBenchError, match=said):
        command(**{"judges": "keyword-prefix", "debug": True, **arguments})


def test_unknown_sets_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="builtin, jailbreakbench, harmbench"):
        load_labels(str(tmp_path / "none.csv"))
