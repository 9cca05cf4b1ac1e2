"""``lox-bench card`` and ``lox-bench export``: a run in the forms that others read."""

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from lox_bench.cli.options import FilesJson, Quiet
from lox_bench.cli.where import RunFolder
from lox_bench.cli.writing import write
from lox_bench.cli.written import Written
from lox_bench.errors import StoreError, UsageError

Model = Annotated[
    str, typer.Option(help="Only this model, with the metadata that the hub reads (model-index).")
]
CardOut = Annotated[Path | None, typer.Option(help="Write to this new file, not the terminal.")]
ExportOut = Annotated[Path, typer.Option(help="Folder for the files; made if need be.")]


def card(run: RunFolder, model: Model = "", out: CardOut = None) -> None:
    """Print a run as the evaluation part of a Hugging Face model card.

    Examples:
      lox-bench card latest

      lox-bench card latest --model lox --out README.md

    Exit codes: 0 done, 2 no finished run, no such model, or the file is there already.
    """
    from lox_bench.interchange.card import card_text
    from lox_bench.results.run import open_run

    opened = open_run(run)
    text = card_text(opened.record, opened.rows, model)
    if out is not None and out.exists():
        raise UsageError(f"--out {out} is there already; nothing was overwritten")
    write(text, out)


def export(
    run: RunFolder,
    out: ExportOut = Path("lm-eval-results"),
    quiet: Quiet = False,
    json: FilesJson = False,
) -> None:
    """Write a run as lm-eval's results files, one a model under test.

    The place of the filter in lm-eval's names is the judge's: `refusal_lost,keyword`.

    Examples:
      lox-bench export latest --out lm-eval-results

    Exit codes: 0 done, 2 no finished run, or a file of that name is there already.
    """
    from lox_bench.files import write_text
    from lox_bench.interchange.lm_eval_results import results_of
    from lox_bench.results.run import open_run

    opened = open_run(run)
    date = opened.record.finished.replace(":", "-")
    files = {out / name.stem / f"results_{date}.json": name for name in opened.names}
    for file in files:
        if file.exists():
            raise UsageError(f"{file} is there already; nothing was overwritten")
    written = Written(quiet, json)
    for file, name in files.items():
        plain = results_of(opened.record, opened.rows, name)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_text(file, jsonlib.dumps(plain, indent=2, allow_nan=False) + "\n")
        except OSError as error:
            raise StoreError(f"{file} cannot be written ({error.strerror})") from error
        written.file(file)
    written.end()
