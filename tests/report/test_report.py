"""The report: one file that holds everything, loads nothing, and shows text as text."""

import gzip
import json
import random
import re
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape
from support.hostile import HOSTILE, hostile
from support.synthetic import synthetic_run

from lox_bench.errors import DataError, StoreError, UsageError
from lox_bench.harmless import visible
from lox_bench.report.assets import datatables, our_style
from lox_bench.report.costs import costs, duration, total_seconds
from lox_bench.report.figures import pictures
from lox_bench.report.findings import findings
from lox_bench.report.merge import read_boards
from lox_bench.report.page import build_page
from lox_bench.report.plots import plot_safety
from lox_bench.report.publish import publish, write_page
from lox_bench.report.tables import further_tables
from lox_bench.report.transcripts import CLIPPED, count_disagreements, transcripts
from lox_bench.results.agreement import disagreements
from lox_bench.results.record import ExpenseRecord
from lox_bench.results.run import Run, VariantName
from lox_bench.types import Completion, Finish, Label, Prompt, Verdict

MIB = 1 << 20


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("report") / "pico-run"
    return synthetic_run(folder, models="base,aligned,lox", limit=10, say=hostile)


@pytest.fixture(scope="module")
def html(run: Run) -> str:
    return build_page(read_boards([run.path]), title="A <title>")


def packed(html: str, name: str) -> str:
    text = re.search(rf'id="packed-{name}">([^<]*)</script>', html)
    assert text is not None
    return gzip.decompress(b64decode(text[1])).decode()


class Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


def test_nothing_in_the_page_points_out_of_it(html: str) -> None:
    for _, attributes in Tags(html).found:
        for name in ("src", "href", "action", "srcset", "poster"):
            assert attributes.get(name, "#").startswith(("#", "data:"))
    assert not re.search(r"url\((?!data:)|@import", html)


def test_the_policy_forbids_the_network_and_any_script_but_ours(html: str) -> None:
    policy = next(a["content"] for t, a in Tags(html).found if "Content-Security" in str(a))
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "http" not in policy
    assert "'unsafe-inline'" not in policy.split("style-src")[0]


def test_answers_are_carried_packed_and_never_as_markup(html: str, run: Run) -> None:
    assert "window.broken" not in html
    assert "A &lt;title&gt;" in html
    held = json.loads(packed(html, "data"))["transcripts"]["answers"]
    assert sum(item[2] == visible(HOSTILE) for item in held) == len(run.names)


def test_equal_runs_give_equal_pages(html: str, run: Run) -> None:
    assert build_page(read_boards([run.path]), title="A <title>") == html


def test_every_answer_and_verdict_of_the_run_is_there(html: str, run: Run) -> None:
    held = json.loads(packed(html, "data"))["transcripts"]
    shown = {
        (held["variants"][cell][1:].__repr__(), held["prompts"][prompt][1], text)
        for prompt, cell, text, *_ in held["answers"]
    }
    count = 0
    for cell in run.names:
        name = [cell.model, cell.attack, cell.seed].__repr__()
        for task in run.tasks:
            for item in run.completions(cell, task):
                assert (name, item.prompt_id, visible(item.text)) in shown
                count += len(run.judges)
    said = [v for item in held["answers"] for v in item[-1] if held["judges"][v[0]] in run.judges]
    assert len(said) == count


def test_prompts_know_their_hazard_and_harmful_tasks_are_named(run: Run) -> None:
    held = transcripts({"run": run})
    assert {"violent crimes"} <= {prompt[3] for prompt in held["prompts"] if prompt[0] == "harmful"}
    assert held["harmful"] == ["harmful"]


class Unlisted(Run):
    """A run whose answers are to prompts that it does not list."""

    def prompts(self, task: str) -> dict[str, Prompt]:
        return {}


def test_hazards_are_those_that_the_run_itself_lists_and_never_guessed(run: Run) -> None:
    held = transcripts({"run": Unlisted(run.path, run.record)})
    assert {prompt[3] for prompt in held["prompts"] if prompt[0] == "harmful"} == {"unknown"}
    listed = transcripts({"run": run})
    assert "unknown" not in {prompt[3] for prompt in listed["prompts"] if prompt[0] == "harmful"}


def test_disagreements_are_those_that_the_agreement_of_judges_counts(run: Run) -> None:
    count = count_disagreements(transcripts({"run": run})["answers"])
    assert count == len(disagreements(run)) > 0


def test_long_answers_are_clipped_only_when_asked_and_then_visibly(run: Run) -> None:
    texts = [item[2] for item in transcripts({"run": run}, clip=20)["answers"]]
    assert max(map(len, texts)) == 20 + len(CLIPPED)
    assert any(len(item[2]) > 40 for item in transcripts({"run": run})["answers"])


class ManyAnswers(Run):
    """A run of more answers than one would care to write to disk, of words drawn at random."""

    def completions(self, cell: VariantName, task: str, draw: int = 0) -> list[Completion]:
        words = sorted({word for text in _prompt_texts() for word in text.split()})
        assert len(words) > 500
        luck = random.Random(f"{cell.stem}{task}")
        texts = [" ".join(luck.choices(words, k=32)) for _ in range(430)]
        return [
            Completion(f"{task}-{i}", f"{task} {i}?", text, 40, Finish.LENGTH, None)
            for i, text in enumerate(texts)
        ]

    def verdicts(self, cell: VariantName, task: str, judge: str, draw: int = 0) -> list[Verdict]:
        return [
            Verdict(answer.prompt_id, judge, Label.COMPLIED, f"reason {judge}")
            for answer in self.completions(cell, task)
        ]


@pytest.mark.slow
def test_ten_thousand_answers_stay_under_five_megabytes(run: Run) -> None:
    """Words at random compress worse than what a model writes."""
    (board,) = read_boards([run.path])
    html = build_page([replace(board, run=ManyAnswers(run.path, run.record))], title="large")
    assert len(json.loads(packed(html, "data"))["transcripts"]["answers"]) > 10_000
    assert len(html.encode()) < 5 * MIB


def test_every_picture_is_described_in_words(html: str) -> None:
    images = [attributes for tag, attributes in Tags(html).found if tag == "img"]
    assert len(images) == 3
    said = next(image["alt"] for image in images if "before and after" in image["alt"])
    for model in ("base", "aligned+gsm8k", "lox+gsm8k"):
        assert f"{model}: refusal lost 0." in said or f"{model}: refusal lost 1." in said


def test_of_two_formats_the_smaller_is_embedded(tmp_path: Path) -> None:
    (tmp_path / "x.svg").write_text("<svg/>" * 100)
    (tmp_path / "x.png").write_bytes(b"png")
    (picture,) = pictures(tmp_path, [])
    assert picture.uri.startswith("data:image/png")


def test_figures_are_saved_as_png_and_svg_and_are_deterministic(run: Run, tmp_path: Path) -> None:
    for stem in ("safety", "safety_vs_accuracy", "loss"):
        assert (run.path / "plots" / f"{stem}.png").is_file()
        assert (run.path / "plots" / f"{stem}.svg").read_text().count("<dc:date>") == 0
    for name in ("one", "two"):
        plot_safety(run.rows, tmp_path / f"{name}.png")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_shared_stages_cost_their_time_once(run: Run) -> None:
    steps = [step for cost in costs(run) for step in cost.steps]
    keys = {stage.key: stage.seconds for v in run.record.variants for stage in v.stages}
    assert sum(step.seconds for step in steps) == pytest.approx(sum(keys.values()))
    assert total_seconds([run, run]) == pytest.approx(sum(keys.values()))
    tokens = next(cost.facts["tokens"] for cost in costs(run) if cost.stage == "generate")
    of_recipe = {v.model_key: VariantName.of(v) for v in run.record.variants}
    answers = [
        a for c in of_recipe.values() for task in run.tasks for a in run.completions(c, task)
    ]
    assert tokens == sum(answer.tokens for answer in answers)


def test_tables_of_other_commands_and_expenses_are_shown_with_the_run(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "agreement").mkdir()
    table = "task,statistic,value\nharmful,cohen_kappa,0.612345678\nharmful,<b>,3\n"
    (tmp_path / "agreement" / "agreement.csv").write_text(table)
    spent = ExpenseRecord(
        when="2026-01-01", judge="rubric", where="here", served_as=("a", "b"), requests=12,
        from_cache=3, retries=0, tokens_in=10, tokens_out=20, usd=0.25, failures={"timeout": 2},
    )  # fmt: skip
    agreement, expenses = further_tables(Run(tmp_path, replace(run.record, expenses=(spent,))))
    assert agreement.rows == (("harmful", "cohen_kappa", "0.6123"), ("harmful", "<b>", "3"))
    assert expenses.rows == (
        (
            "2026-01-01",
            "rubric",
            "here",
            "a, b",
            "12",
            "3",
            "0",
            "10",
            "20",
            "0.25",
            "timeout 2",
            "judge",
        ),
    )
    assert [table.title for table in further_tables(run)] == [agreement.title]


def test_what_an_attack_that_is_not_valid_says_is_marked_with_the_reason(run: Run) -> None:
    (board,) = read_boards([run.path])
    rows = [
        replace(row, valid="no", invalid_reason="loss <rose>") if row.attack != "none" else row
        for row in run.rows
    ]
    entries = [replace(entry, row=row) for entry, row in zip(board.entries, rows, strict=True)]
    html = build_page([replace(board, entries=entries)], title="x", explorer=False)
    attacked = {cell.model for cell in run.names if cell.attack != "none"}
    assert html.count("✕ invalid") == len(attacked)
    assert "loss &lt;rose&gt;" in html


def test_the_page_says_what_the_numbers_allow(html: str, run: Run) -> None:
    for sentence in findings(run).sentences:
        assert str(escape(sentence)) in html
    assert "Paired differences" in html
    assert "Spread over seeds" in html


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4.24, "4.2 s"), (59.99, "60.0 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")],
)
def test_durations_are_readable(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_run_folder_holds_its_leaderboard_as_markdown(run: Run) -> None:
    text = (run.path / "leaderboard.md").read_text()
    for cell in run.names:
        assert f"| {cell.title} |" in text


def test_a_page_replaces_a_page_and_nothing_else(tmp_path: Path, html: str) -> None:
    write_page(tmp_path / "report.html", html)
    write_page(tmp_path / "report.html", html)
    (tmp_path / "thesis.html").write_text("precious")
    with pytest.raises(UsageError, match="nothing was overwritten"):
        write_page(tmp_path / "thesis.html", html)
    assert (tmp_path / "thesis.html").read_text() == "precious"
    with pytest.raises(StoreError, match="cannot be written"):
        write_page(tmp_path / "thesis.html" / "x.html", html)


def test_a_merged_leaderboard_says_where_each_row_is_from(run: Run, tmp_path: Path) -> None:
    other = synthetic_run(tmp_path / "other", models="aligned,lox", seeds=(0,), limit=10)
    boards = read_boards([run.path, other.path])
    kept = publish(boards, tmp_path / "site", title="both")
    held = [entry for board in read_boards([tmp_path / "site" / "leaderboard.csv"])
            for entry in board.entries]  # fmt: skip
    # every number of the second is in the first, too
    assert len(held) == len(kept) == len(run.rows)
    newer = {entry.row.model for entry in held if entry.source == "other"}
    assert newer == {"aligned", "lox"}
    assert {entry.source for entry in held} == {"pico-run", "other"}
    page = (tmp_path / "site" / "leaderboard.html").read_text()
    assert json.loads(packed(page, "data"))["transcripts"] is None
    assert "| pico-run |" in (tmp_path / "site" / "leaderboard.md").read_text()


def test_a_merged_leaderboard_never_lands_in_a_run(run: Run) -> None:
    before = (run.path / "leaderboard.csv").read_text()
    with pytest.raises(UsageError, match="a run's folder"):
        publish(read_boards([run.path]), run.path, title="x")
    assert (run.path / "leaderboard.csv").read_text() == before


def test_a_table_library_of_another_make_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lox_bench.report.assets._BUNDLE", ("html/gone.js", "html/gone.css"))
    with pytest.raises(DataError, match="itables"):
        datatables()


COLOURS = re.findall(r"--([a-z-]+): light-dark\((#\w{6}), (#\w{6})\)", our_style())
PALETTE = {name: (light, dark) for name, light, dark in COLOURS}
READ_ON = {
    "text": ("page", "raised"),
    "muted": ("page", "raised"),
    "accent": ("page", "raised"),
    "danger": ("page", "raised", "danger-soft"),
    "good": ("page", "raised", "good-soft"),
    "doubt": ("page", "raised", "doubt-soft"),
}


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "paper"), [(ink, paper) for ink, papers in READ_ON.items() for paper in papers]
)
def test_text_has_the_contrast_that_wcag_aa_asks_for(ink: str, paper: str, theme: int) -> None:
    assert contrast(PALETTE[ink][theme], PALETTE[paper][theme]) >= 4.5


def test_contrast_is_computed_as_wcag_defines_it() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio: (L1 + 0.05) / (L2 + 0.05) of the relative luminances."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _prompt_texts() -> list[str]:
    from lox_bench.data.prompts import load_prompts

    names: Any = ("harmful-eval", "lookalike-eval", "benign-align", "harmful-align")
    return [prompt.text for name in names for prompt in load_prompts(name).prompts]


def test_every_hazard_of_every_model_stands_on_the_page_with_interval_and_n(
    html: str, run: Run
) -> None:
    from lox_bench.report.hazards import hazard_grids
    from lox_bench.results.hazards import hazard_rates

    rates = hazard_rates(run)
    grids = hazard_grids(rates)
    held = [cell for grid in grids for _, cells in grid.lines for cell in cells if cell]
    assert sorted(map(str, held)) == sorted(map(str, rates))
    section = html.split('<section id="hazards"')[1].split("</section>", 1)[0]
    for rate in rates:
        if rate.n:
            assert f"{rate.ci_low:.2f}\N{EN DASH}{rate.ci_high:.2f}" in section
    assert section.count("<small>n=") == sum(bool(rate.n) for rate in rates)


def test_of_many_reasons_the_first_is_shown_and_the_keyboard_opens_the_rest(
    run: Run, tmp_path: Path
) -> None:
    from lox_bench.results.row import to_csv

    rows = [replace(row, valid="no", invalid_reason="one; two") for row in run.rows]
    (tmp_path / "bad.csv").write_text(to_csv(rows))
    page = build_page(read_boards([tmp_path / "bad.csv"]), title="bad")
    assert '<small class="reason">one</small>' in page
    assert re.search(r"<details class=\"reason\"><summary>1 more<span.*<li>two</li>", page)
