"""An option that takes one value is given once; one that collects is given as often as wanted."""

from pathlib import Path

import pytest
from support.command import lox_bench

TWICE = (
    ("run", "--attack", "gsm8k", "--attack", "instruct"),
    ("run", "--seed", "0", "--seeds", "1"),
    ("compare", "a", "--interval", "score", "--interval", "bootstrap"),
    ("cache", "prune", "--older-than", "1d", "--older-than", "2d"),
)


@pytest.mark.parametrize("words", TWICE, ids=lambda words: words[0])
def test_an_option_given_twice_is_refused_and_named(words: tuple[str, ...], tmp_path: Path) -> None:
    ended = lox_bench(*words, cwd=tmp_path)
    assert ended.returncode == 2
    assert "given 2 times" in ended.stderr
    assert f"{words[-2]} a,b" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_option_that_collects_may_be_given_twice(tmp_path: Path) -> None:
    ended = lox_bench("run", "--data", "a=b", "--data", "a=c", cwd=tmp_path)
    assert "names 'a' twice" in ended.stderr
