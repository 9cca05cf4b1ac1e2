"""docs/faults.md counts the inputs that the marked tests really try."""

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_ROW = re.compile(r"^\| (\d+) \|[^|]*\| (\d+) \|", re.MULTILINE)


def test_the_table_of_faults_counts_what_is_tried(
    request: pytest.FixtureRequest, faults_tried: Counter[int]
) -> None:
    collected = {item.path for item in request.session.items}
    if len(collected) < len(list((ROOT / "tests").rglob("test_*.py"))) // 2:
        pytest.skip("only the whole suite can be counted")
    table = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    written = {int(kind): int(inputs) for kind, inputs in _ROW.findall(table)}
    assert written == {kind: faults_tried[kind] for kind in range(1, 32)}
