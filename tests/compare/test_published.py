"""Published numbers: kept with their source, shown beside one's own family."""

from dataclasses import replace

from support.sample import ROW

from lox_bench.compare.published import published
from lox_bench.report.published import published_table


def test_the_papers_figures_carry_their_source() -> None:
    found = published("llama2-7b")
    assert len(found) == 10
    assert {(item.source, item.read_from) for item in found} == {
        ("arXiv 2506.15606", "secondary notes")}  # fmt: skip
    by = {(item.attack, item.model): item.value for item in found}
    assert (by["gsm8k", "aligned"], by["gsm8k", "lox(k=6,alpha=1.25)"]) == (0.11, 0.0)
    assert all(0 <= value <= 1 for value in by.values())
    for attack in {item.attack for item in found}:
        assert by[attack, "lox(k=6,alpha=1.25)"] < by[attack, "aligned"]


def test_they_stand_beside_ones_own_numbers_of_the_same_family_only() -> None:
    assert published_table([ROW]) is None
    own = replace(ROW, family="llama2-7b", model="lox", value=0.02, hits=2, n=100)
    table = published_table([own, replace(own, model="aligned", value=0.1, hits=10, seed=1)])
    lines = {(line[1], line[2]): line for line in table.rows}
    assert lines["aligned", "gsm8k"][3:5] == ("0.11", "0.10 (keyword-prefix)")
    assert lines["lox(k=6,alpha=1.25)", "gsm8k"][3:5] == ("0.00", "0.02 (keyword-prefix)")
    assert lines["aligned", "dolly"][4] == "-"
