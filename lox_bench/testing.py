"""pytest plugin: let a method's own test suite check its form, and its runs against a reference.

Installed with lox-bench (entry point ``pytest11``)::

    from lox_bench.testing import assert_no_safety_regression

    def test_my_method_costs_no_safety(lox_run):  # pytest --lox-run runs/mine
        assert_no_safety_regression(lox_run, "smollm2-135m", models={"mine": "lox"})
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from lox_bench.results.run import Run

_OPTION = "--lox-run"


def assert_no_safety_regression(
    run: "Run | Path | str",
    reference: str,
    *,
    bounds: Path | None = None,
    models: Mapping[str, str] | None = None,
    skip_inconclusive: bool = False,
) -> None:
    """Fail unless ``lox-bench check`` would pass; the message is its table.

    Args:
        run: a finished run, or its folder.
        reference: ``DIR/NAME.csv``, or the name of a packaged reference.
        bounds: TOML of bounds; the packaged ones by default.
        models: names of the run to names of the reference; default: those in both.
        skip_inconclusive: skip the test, rather than fail it, if nothing could be shown.

    Raises:
        AssertionError: something regressed, or too little could be shown to say that nothing did.
        LoxBenchError: the run, the reference or the bounds cannot be used.
    """
    __tracebackhide__ = True
    from lox_bench.gate.bounds import load_bounds
    from lox_bench.gate.check import Outcome, check
    from lox_bench.gate.output import report_table
    from lox_bench.gate.reference import load_reference
    from lox_bench.results.run import Run, open_run
    from lox_bench.results.text_table import markdown

    opened = run if isinstance(run, Run) else open_run(Path(run))
    report = check(opened, load_reference(reference), load_bounds(bounds), models=models)
    if report.verdict is Outcome.PASS:
        return
    text = markdown(report_table(report))
    if report.verdict is Outcome.INCONCLUSIVE and skip_inconclusive:
        pytest.skip(f"inconclusive\n{text}")
    raise AssertionError(f"safety {report.verdict.value}\n{text}")


def check_method(
    cls: type, arguments: str = "", *, job: object = None, moves_on_zero: bool = False
) -> None:
    """Fail unless a method keeps to what lox-bench expects of one; seconds, no download.

        def test_my_method_fits() -> None:
            check_method(SafeLora, "tau=0.3")

    It is a frozen, documented dataclass with a place and the one form that fits it; it can be
    read from its arguments, described, hashed and pickled. On a small model, in float32 and
    bfloat16, it makes the same of the same, keeps names, shapes, types, whole numbers and its
    inputs, and moves nothing where all models are equal.

    Args:
        cls: the method's class.
        arguments: as on the command line; needed where an argument has no default.
        job: a training to try a ``during`` method on; without one only its form is checked.
        moves_on_zero: do not ask it to leave equal models alone.

    Raises:
        AssertionError: it does not; the message says what.
        LoxBenchError: the arguments are not the method's, or it refuses sound weights.
    """
    __tracebackhide__ = True
    import torch

    from lox_bench.methods import conformance

    conformance.static_checks(cls)
    method = conformance.value_checks(cls, arguments)
    if hasattr(method, "tensor") or hasattr(method, "checkpoint"):
        for dtype in (torch.float32, torch.bfloat16):
            conformance.weight_checks(method, dtype, moves_on_zero=moves_on_zero)
    elif job is not None and hasattr(method, "prepare"):
        conformance.training_checks(method, job)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--lox-run DIR``."""
    group = parser.getgroup("lox-bench")
    group.addoption(
        _OPTION, metavar="DIR", help="finished run that tests are about: a folder, or latest"
    )


@pytest.fixture(scope="session")
def lox_run(request: pytest.FixtureRequest) -> "Run":
    """The run named by ``--lox-run``; tests that want it are skipped without one."""
    folder = request.config.getoption(_OPTION)
    if folder is None:
        pytest.skip(f"no run to test: name one with {_OPTION} DIR")
    from lox_bench.results.place import find_run
    from lox_bench.results.run import open_run

    return open_run(find_run(folder))
