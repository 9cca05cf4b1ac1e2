"""What a reproduction came to: published numbers beside ours, on the screen and in files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import typer
from rich.console import Console

from lox_bench import files
from lox_bench.cli.jsonout import plain, print_json
from lox_bench.cli.writing import rich_table
from lox_bench.compare.published import published
from lox_bench.report.side_by_side import Side, side_tables, sides
from lox_bench.results.run import open_run
from lox_bench.results.text_table import markdown, records_csv
from lox_bench.study.reproduction import Reproduction


def write_side_by_side(
    wanted: Reproduction, runs: Mapping[str, Path], folder: Path, *, quiet: bool, json: bool
) -> None:
    """Write ``side_by_side.csv`` and ``reproduction.md`` into ``folder``."""
    items = published(wanted.published)
    lines = {name: sides(open_run(path), items) for name, path in runs.items()}
    held = {name: found for name, found in lines.items() if any(line.n for line in found)}
    every = [line for found in held.values() for line in found]
    files.write_text(folder / "reproduction.md", _text(wanted, runs, held))
    files.write_text(folder / "side_by_side.csv", records_csv(every))
    if json:
        print_json(plain(every))
    elif not quiet:
        for name, found in held.items():
            for table in side_tables(found, f"{name}, published and here"):
                Console().print(rich_table(table))
        for name in ("reproduction.md", "side_by_side.csv"):
            typer.echo(f"{name:17} {folder / name}")


def _text(
    wanted: Reproduction, runs: Mapping[str, Path], held: Mapping[str, Sequence[Side]]
) -> str:
    texts = [f"# {wanted.description}", f"{wanted.source}. Published for {wanted.published}."]
    for part in wanted.parts:
        texts.append(f"## {part.name}: {part.title}")
        if part.name not in runs:
            texts.append("Not run.")
        elif part.name in held:
            texts += map(markdown, side_tables(held[part.name], "Published, and here"))
        else:
            texts.append(f"No published number is known. See `{part.name}/leaderboard.md`.")
    return "\n\n".join(texts) + "\n"
