"""What the numbers of a run allow to say: the sentences, and the tables they rest on."""

from dataclasses import dataclass

from lox_bench.compare.compare import compare_runs, seed_spreads
from lox_bench.compare.headline import headlines
from lox_bench.report.differences import difference_table, seed_table
from lox_bench.report.published import published_table
from lox_bench.results.run import Run
from lox_bench.results.text_table import TextTable


@dataclass(frozen=True, slots=True)
class Findings:
    """One sentence per attack and judge; tables of differences, seeds, published numbers."""

    sentences: tuple[str, ...]
    tables: tuple[TextTable, ...]


def findings(run: Run) -> Findings:
    """Compare the models of a run.

    Raises:
        DataError: its verdicts cannot be read.
    """
    differences = compare_runs([run])
    spreads = [item for item in seed_spreads([run]) if len(item.seeds) > 1]
    tables = (
        difference_table(differences) if differences else None,
        seed_table(spreads) if spreads else None,
        published_table(run.rows),
    )
    held = tuple(table for table in tables if table is not None)
    return Findings(tuple(headlines(run.rows, differences)), held)
