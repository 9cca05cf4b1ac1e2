"""``lox-bench import``: results of other tools as a run."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from lox_bench.cli.jsonout import plain, print_json
from lox_bench.errors import UsageError, did_you_mean
from lox_bench.names import is_label
from lox_bench.types import Label

if TYPE_CHECKING:
    from lox_bench.interchange.foreign import Foreign
    from lox_bench.interchange.wanted import Wanted
    from lox_bench.results.row import Row

_TOOLS: Final = ("harmbench", "inspect", "lm-eval")
_COUNTS: Final = ("complied", "refused", "nothing")


def _tools(incomplete: str) -> list[str]:
    return [tool for tool in _TOOLS if tool.startswith(incomplete)]


Tool = Annotated[
    str,
    typer.Argument(
        metavar="TOOL",
        help=f"Who wrote the files: {', '.join(_TOOLS)}.",
        autocompletion=_tools,
    ),
]
Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE...",
        help="One model each: HarmBench's completions or results, .eval, samples_*.jsonl.",
    ),
]
Model = Annotated[str, typer.Option(help="Names of the models, one a file, joined by commas.")]
Task = Annotated[str, typer.Option(help="What rows call the prompts (default: the file's word).")]
Counts = Annotated[
    str,
    typer.Option(
        help="What is counted: complied (requests are harmful), refused (they are look-alikes), "
        "nothing (keep lm-eval's metrics alone; its default).",
    ),
]
CompliedIf = Annotated[
    list[str] | None,
    typer.Option(help="A score that means compliance: SCORER=VALUE, SCORER>=NUMBER."),
]
RefusedIf = Annotated[
    list[str] | None, typer.Option(help="A score that means refusal, in the same form.")
]
LabelledBy = Annotated[str, typer.Option(help="Who gave the labels, if you know.")]
Settings = Annotated[
    str,
    typer.Option(
        help="A name of yours for template and decoding. Imports of one name may be compared, "
        "others may not: you vouch that they are the same."
    ),
]
BehavioursFile = Annotated[
    Path | None,
    typer.Option("--behaviors", help="HarmBench's CSV of behaviours: what judges are asked about."),
]
Out = Annotated[Path | None, typer.Option(help="Results folder (default: in runs/).")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print the rows as JSON, nothing else.")]


def import_results(  # noqa: PLR0913 - one parameter an option
    tool: Tool,
    files: Files,
    model: Model = "",
    task: Task = "",
    counts: Counts = "",
    complied_if: CompliedIf = None,
    refused_if: RefusedIf = None,
    labelled_by: LabelledBy = "",
    settings: Settings = "",
    behaviours: BehavioursFile = None,
    out: Out = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Make a run of another tool's results, to judge, compare and gate.

    What the files do not say (chat template, decoding, weights) stays unknown: such rows are
    compared with no others, unless --settings names what you know to be the same.

    Examples:
      lox-bench import harmbench results/DirectRequest/llama.json --model llama

      lox-bench import harmbench a.json b.json --model a,b --behaviors behaviors_text_all.csv

      lox-bench import inspect logs/xstest.eval --counts refused --refused-if "refusal=1"

      lox-bench import lm-eval samples_arc_easy_2026-11-25T10-00-00.jsonl

      lox-bench judge latest --judges policy-rubric     (then, as with any run)

    Exit codes: 0 done, 2 a file or an option that cannot be used (one line says why).
    """
    if tool not in _TOOLS:
        near = did_you_mean(tool, _TOOLS)
        raise UsageError(f"import {tool[:40]!a}: one of {', '.join(_TOOLS)} was wanted{near}")
    from lox_bench.interchange.wanted import require_sound

    found = _named(_read(tool, files, behaviours), model, task)
    wanted = _wanted(tool, found, counts, complied_if, refused_if)
    wanted = replace(wanted, by=labelled_by, said=settings)
    require_sound(found, wanted)
    rows, folder = _write(found, wanted, out)
    if json:
        print_json(plain(rows))
    elif not quiet:
        _show(rows, found, wanted, folder)


def _read(tool: str, files: Sequence[Path], behaviours: Path | None) -> "list[Foreign]":
    if behaviours is not None and tool != "harmbench":
        raise UsageError("--behaviors is HarmBench's table; leave it out")
    if tool == "harmbench":
        from lox_bench.interchange.harmbench import read_behaviours, read_harmbench

        known = None if behaviours is None else read_behaviours(behaviours)
        return [read_harmbench(file, known) for file in files]
    if tool == "inspect":
        from lox_bench.interchange.inspect_log import read_inspect

        return [read_inspect(file) for file in files]
    from lox_bench.interchange.lm_eval_samples import read_samples

    return [read_samples(file) for file in files]


def _named(found: "list[Foreign]", model: str, task: str) -> "list[Foreign]":
    names = [name.strip() for name in model.split(",")] if model else []
    if names and len(names) not in {1, len(found)}:
        raise UsageError(f"--model names {len(names)} models for {len(found)} files")
    if len(names) == 1:
        names *= len(found)
    named = [replace(i, model=n) for i, n in zip(found, names, strict=True)] if names else found
    named = [item if item.model else replace(item, model=_stem(item)) for item in named]
    return [replace(item, task=task) for item in named] if task else named


def _stem(item: "Foreign") -> str:
    """HarmBench names a file after the model."""
    stem = Path(item.file[0]).stem
    return stem if item.tool == "harmbench" and is_label(stem) else ""


def _wanted(
    tool: str,
    found: "Sequence[Foreign]",
    counts: str,
    complied_if: list[str] | None,
    refused_if: list[str] | None,
) -> "Wanted":
    from lox_bench.interchange.harmbench import LABEL
    from lox_bench.interchange.rules import Rule, read_rule
    from lox_bench.interchange.wanted import Wanted

    counts = counts or ("nothing" if tool == "lm-eval" else "complied")
    if counts not in _COUNTS:
        raise UsageError(f"--counts {counts}: one of {', '.join(_COUNTS)} was wanted")
    rules = [read_rule(text, Label.COMPLIED) for text in complied_if or []]
    rules += [read_rule(text, Label.REFUSED) for text in refused_if or []]
    if tool == "harmbench" and not rules and any(item.scorers for item in found):
        rules = [Rule(LABEL, "=", "1", Label.COMPLIED)]
    if rules and counts == "nothing":
        raise UsageError("--complied-if and --refused-if label answers: add --counts complied")
    names = [rule.scorer for rule in rules]
    if len(set(names)) < len(names):
        raise UsageError("one rule a scorer was wanted: --complied-if or --refused-if, once")
    return Wanted(None if counts == "nothing" else Label(counts), tuple(rules))


def _write(
    found: "Sequence[Foreign]", wanted: "Wanted", out: Path | None
) -> "tuple[list[Row], Path]":
    from lox_bench.interchange.importing import write_import
    from lox_bench.results.folder import claim, make
    from lox_bench.results.lock import sole_writer
    from lox_bench.results.place import RUNS, place

    plan = wanted.plan(found)
    models = "+".join(dict.fromkeys(item.model for item in found))
    words = f"import-{found[0].tool}-{models}-{found[0].task}"
    folder = out or place(RUNS, words, {"": plan})
    make(folder)
    with sole_writer(folder):
        claim(folder, plan)
        return write_import(found, wanted, folder, sys.argv), folder


def _show(rows: "list[Row]", found: "Sequence[Foreign]", wanted: "Wanted", folder: Path) -> None:
    from lox_bench.cli.tables import leaderboard_table

    console = Console()
    if rows:
        console.print(leaderboard_table(rows))
    for line in _notes(found, wanted, folder):
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def _notes(found: "Sequence[Foreign]", wanted: "Wanted", folder: Path) -> Iterator[str]:
    from lox_bench.interchange.harmbench import FAILED
    from lox_bench.results.run import open_run

    origin = open_run(folder).record.imported
    if origin is not None:
        yield f"unknown: {', '.join(origin.unknown)}"
    if not wanted.said:
        yield "         so these rows are compared with no other run (--settings NAME vouches)"
    for item in found:
        if lost := item.settings.get(FAILED):
            yield f"{item.model}: {lost} {FAILED}: empty here, so that no judge counts them"
    left = {name for item in found for name in item.scorers} - {r.scorer for r in wanted.rules}
    if left and wanted.counts is not None:
        yield (
            f"scores that are no labels yet: {', '.join(sorted(left))}; say what they mean with "
            "--complied-if or --refused-if"
        )
    yield f"run          {folder}"
    if not wanted.rules and wanted.counts is not None:
        yield f"next         lox-bench judge {folder} --judges keyword"
