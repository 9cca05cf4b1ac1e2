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
    assert any(f"{word} a,b" in ended.stderr for word in words)
    assert "Traceback" not in ended.stderr


def test_an_option_that_collects_may_be_given_twice(tmp_path: Path) -> None:
    ended = lox_bench("run", "--data", "a=b", "--data", "a=c", cwd=tmp_path)
    assert "names 'a' twice" in ended.stderr


def test_lists_are_named_in_the_singular_too(tmp_path: Path) -> None:
    one, many = (lox_bench("list", word, cwd=tmp_path) for word in ("attack", "attacks"))
    assert (one.returncode, one.stdout) == (0, many.stdout)
    assert lox_bench("list", "study", cwd=tmp_path).returncode == 0
    wrong = lox_bench("list", "metods", cwd=tmp_path)
    assert (wrong.returncode, "did you mean 'methods'" in wrong.stderr) == (2, True)


def test_seeds_may_be_a_range(tmp_path: Path) -> None:
    told = lox_bench(
        "run", "--seeds", "0..2,7", "--judge", "keyword", "--print-study", cwd=tmp_path
    )
    assert "".join(told.stdout.split()).count("seeds=[0,1,2,7,]") == 1
