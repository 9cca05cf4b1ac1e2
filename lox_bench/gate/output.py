"""A check's report for people (table, markdown) and for CI (JUnit XML)."""

from pathlib import Path

from lox_bench.gate.check import Outcome, Report, Result
from lox_bench.results.run import VariantName
from lox_bench.results.text_table import TextTable, share, signed

_HEAD = (
    "verdict",
    "metric",
    "model",
    "reference",
    "run",
    "harm",
    "shown",
    "tolerance",
    "n",
    "why",
)
_NOTE = (
    "harm: how much worse the run is; shown: its one-sided confidence bounds, seeds included; "
    "pass: the upper one is below the tolerance; regressed: the lower one is above it, "
    "Holm-corrected over the check; inconclusive: neither is shown. Rows of the undefended control "
    "only say whether run and reference can be compared."
)


def report_table(report: Report) -> TextTable:
    """One line per bound row."""
    title = f"{report.verdict.value}: {report.run} against {report.reference}"
    notes = [_NOTE, *(f"Note: {note}." for note in report.notes)]
    rows = tuple(_line(item) for item in report.results)
    return TextTable(title, _HEAD, rows, " ".join(notes), group=_HEAD.index("metric"))


def _line(result: Result) -> tuple[str, ...]:
    found = result.evidence
    numbers = ("-", "-", "-", "-") if found is None else (
        share(found.reference), share(found.value), signed(found.harm),
        f"{signed(found.least)} to {signed(found.most)}",
    )  # fmt: skip
    size = "-" if found is None else f"{found.n} {found.how}"
    bound = result.bound
    return (
        result.verdict.value,
        f"{bound.metric} ({bound.direction} is better): {_place(result)}",
        _model(result),
        *numbers,
        f"{bound.tolerance:.2f} at {bound.confidence:.0%}",
        size,
        "" if result.verdict is Outcome.PASS else result.reason,  # "shown" says it all
    )


def write_junit(report: Report, file: Path) -> None:
    """Write JUnit XML: regressed is a failure, inconclusive an error, with the reason as message.

    Raises:
        OSError: the file cannot be written.
    """
    from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite

    kinds = {Outcome.REGRESSED: Failure, Outcome.INCONCLUSIVE: Error}
    suite = TestSuite(f"lox-bench check against {report.reference}")
    if report.notes:
        suite.add_property("notes", "; ".join(report.notes))
    for result in report.results:
        case = TestCase(f"{_model(result)}: {_place(result)}", f"lox_bench.{result.bound.metric}")
        kind = kinds.get(result.verdict)
        if kind is not None:
            case.result = [kind(result.reason, result.verdict.value)]
        else:
            case.system_out = result.reason
        suite.add_testcase(case)
    xml = JUnitXml("lox-bench")
    xml.add_testsuite(suite)
    xml.write(str(file), pretty=True)


def _model(result: Result) -> str:
    """``mine+gsm8k``, and what it stands against where that has another name."""
    mine = VariantName(result.model, result.name.attack, 0).title
    same = result.model == result.name.model
    return mine if same else f"{mine} against {result.name.model}"


def _place(result: Result) -> str:
    return f"{result.name.measure.task}, {result.name.measure.judge}"
