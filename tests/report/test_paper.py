"""What a paper takes: vector figures of a column's width, tables in three forms."""

import csv
import io
import re
from pathlib import Path

import pytest
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from support.synthetic import synthetic_run

from lox_bench.errors import UsageError
from lox_bench.report.export import write_tables
from lox_bench.report.forms import Style, TableFormat
from lox_bench.report.latex import escape, latex
from lox_bench.report.merge import Board, read_boards
from lox_bench.report.paper import draw, drawings, write_figures
from lox_bench.report.style import LOOKS, mark
from lox_bench.report.summary import summarise
from lox_bench.results.hazards import hazard_rates
from lox_bench.results.text_table import TextTable


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> list[Board]:
    folder = tmp_path_factory.mktemp("paper") / "run"
    synthetic_run(folder, models="aligned,lox", limit=12)
    return read_boards([folder])


def test_no_type_is_smaller_than_a_paper_allows_and_none_is_cut(boards: list[Board]) -> None:
    look = LOOKS[Style.PAPER]
    drawing = next(item for item in drawings(boards) if item.stem.startswith("refusal_lost"))
    with look.used():
        figure = draw(drawing, look)
        figure.draw_without_rendering()
        texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
        assert min(text.get_fontsize() for text in texts) >= 7
        boxes = [text.get_window_extent() for text in texts if text.get_text().strip()]
    assert figure.get_figwidth() == 6.9  # two judges abreast
    for box in boxes:
        assert box.x0 >= -1
        assert box.x1 <= figure.bbox.width + 1
        assert box.y0 >= -1


@pytest.mark.slow
def test_figures_are_vector_of_exactly_the_width_and_equal_for_equal_runs(
    boards: list[Board], tmp_path: Path
) -> None:
    one = list(boards)
    files = write_figures(one, tmp_path / "a", Style.PAPER)
    again = write_figures(one, tmp_path / "b", Style.PAPER)
    assert {file.suffix for file in files} == {".pdf", ".svg"}
    assert [file.read_bytes() for file in files] == [file.read_bytes() for file in again]
    widths = set()
    for file in files:
        if file.suffix == ".pdf":
            box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ", file.read_bytes())
            assert box is not None
            widths.add(round(float(box[1]) / 72, 2))
    assert widths == {3.3, 6.9}
    captions = (tmp_path / "a" / "captions.md").read_text()
    assert captions.count("95 % Wilson") == len(files) // 2
    assert "Asr" not in captions
    (tmp_path / "a" / files[0].name).write_bytes(b"mine")
    with pytest.raises(UsageError, match="was not made by lox-bench"):
        write_figures(one, tmp_path / "a", Style.PAPER)


def test_every_mark_is_told_from_its_neighbours_in_grey() -> None:
    marks = [mark(number) for number in range(8)]
    assert len({item["marker"] for item in marks}) == len(marks)
    for item in marks:  # and none fades into the paper
        red, green, blue = to_rgb(item["color"])
        assert 0.3 * red + 0.59 * green + 0.11 * blue < 0.75


def test_a_figure_shows_the_numbers_of_the_rows(boards: list[Board]) -> None:
    drawing = next(item for item in drawings(boards) if item.stem.startswith("refusal_lost"))
    table = summarise(boards[0].entries)
    panel = next(item for item in drawing.panels if item.title == "by keyword-prefix")
    measure = next(
        m for m in table.measures if (m.metric, m.judge) == ("refusal_lost", "keyword-prefix")
    )
    for line in table.lines:
        state = "before the attack" if line.attack == "none" else f"after {line.attack}"
        dot, pooled = panel.dots[line.model, state], line.pooled[measure]
        assert (dot.value, dot.low, dot.high, dot.n) == (
            pooled.value,
            pooled.low,
            pooled.high,
            pooled.n,
        )


def test_names_are_escaped_for_latex() -> None:
    assert escape("a_b & 5% {x} #1 $y$ ~^\\") == (
        r"a\_b \& 5\% \{x\} \#1 \$y\$ \textasciitilde{}\textasciicircum{}\textbackslash{}"
    )
    text = latex(TextTable("T_1", ("model", "n"), (("[a]_b", "3"), ("c", "-")), "50 %"), "t")
    assert "{[}a{]}\\_b & 3 \\\\" in text
    assert r"\begin{tabular}{@{}lr@{}}" in text
    assert r"\caption{T\_1}" in text


@pytest.mark.slow
def test_every_table_is_written_in_every_form(boards: list[Board], tmp_path: Path) -> None:
    run = boards[0].run
    assert run is not None
    hazards = {(rate.task, rate.judge, rate.metric) for rate in hazard_rates(run)}
    for form in TableFormat:
        files = write_tables(boards, tmp_path / form, form)
        assert len(set(files)) == len(files) > len(hazards)
        assert write_tables(boards, tmp_path / form, form) == files  # over its own
        assert all(file.read_text() for file in files)


def test_the_csv_of_the_leaderboard_holds_value_bounds_and_n(
    boards: list[Board], tmp_path: Path
) -> None:
    file = write_tables(boards, tmp_path, TableFormat.CSV)[0]
    rows = list(csv.DictReader(io.StringIO(file.read_text())))
    table = summarise(boards[0].entries)
    assert len(rows) == len(table.lines)
    for row, line in zip(rows, table.lines, strict=True):
        for measure, pooled in line.pooled.items():
            title = " ".join(table.heading(measure))
            assert float(row[title]) == pytest.approx(pooled.value, abs=1e-5)
            assert float(row[f"{title} 95% high"]) == pytest.approx(pooled.high, abs=1e-5)
            assert int(row[f"{title} n"]) == pooled.n


def test_somebody_elses_table_is_not_overwritten(boards: list[Board], tmp_path: Path) -> None:
    file = write_tables(boards, tmp_path, TableFormat.LATEX)[0]
    file.write_text("mine")
    with pytest.raises(UsageError, match="was not made by lox-bench"):
        write_tables(boards, tmp_path, TableFormat.LATEX)
    assert file.read_text() == "mine"
