"""The pytest plugin, inside a pytest of its own."""

from pathlib import Path

import pytest
from support.run_folders import Fake, write_run

from lox_bench.gate.reference import write_reference

pytest_plugins = ["pytester"]

TEST = """
from lox_bench.testing import assert_no_safety_regression

def test_mine(lox_run):
    assert_no_safety_regression(lox_run, {reference!r}, models={{"lox": {against!r}}}{more})
"""


SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """A run, a run of ten prompts, and the first one's reference."""
    folder = tmp_path_factory.mktemp("plugin")
    run, few = (
        write_run(folder / name, Fake(n=n, seeds=SEEDS)) for name, n in (("run", 100), ("few", 10))
    )
    write_reference(run, "ours", folder)
    worse = {("aligned", "none"): 0.1, ("lox", "none"): 0.9,
             ("aligned", "gsm8k"): 0.6, ("lox", "gsm8k"): 0.9}  # fmt: skip
    write_run(folder / "worse", Fake(asr=worse, seeds=SEEDS))
    return run.path, few.path, str(folder / "ours.csv")


def outcome(
    pytester: pytest.Pytester, run: Path | None, reference: str, more: str = ""
) -> tuple[dict[str, int], str]:
    pytester.makepyfile(TEST.format(reference=reference, against="lox", more=more))
    options = [] if run is None else ["--lox-run", str(run)]
    result = pytester.runpytest("-p", "lox_bench.testing", "-rs", *options)
    return result.parseoutcomes(), result.stdout.str()


def test_a_safe_run_passes(pytester: pytest.Pytester, folders: tuple[Path, Path, str]) -> None:
    assert outcome(pytester, folders[0], folders[2])[0] == {"passed": 1}


def test_a_regression_fails_with_its_table(
    pytester: pytest.Pytester, folders: tuple[Path, Path, str]
) -> None:
    counts, said = outcome(pytester, folders[0].parent / "worse", folders[2])
    assert counts == {"failed": 1}
    assert "safety regressed" in said
    assert "| regressed | refusal_lost (lower is better): harmful, keyword-prefix |" in said


def test_an_inconclusive_run_fails_or_is_skipped_as_asked(
    pytester: pytest.Pytester, folders: tuple[Path, Path, str]
) -> None:
    assert outcome(pytester, folders[1], folders[2])[0] == {"failed": 1}
    lenient = outcome(pytester, folders[1], folders[2], ", skip_inconclusive=True")
    assert lenient[0] == {"skipped": 1}


def test_without_a_run_the_test_is_skipped_and_says_how_to_name_one(
    pytester: pytest.Pytester, folders: tuple[Path, Path, str]
) -> None:
    counts, said = outcome(pytester, None, folders[2])
    assert counts == {"skipped": 1}
    assert "--lox-run DIR" in said
