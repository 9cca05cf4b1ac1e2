"""What a user must know before work starts, whatever the command."""

from collections.abc import Mapping

from rich.console import Console

from lox_bench.data.stage import STANDIN, Rows


def announce_data(attack_data: Mapping[str, Rows], console: Console, *, quiet: bool) -> None:
    """Say which rows the attacks train on; a stand-in is said even when quiet."""
    for name, rows in attack_data.items():
        if rows.label == STANDIN:
            console.print(
                f"[bold yellow]attack data of {name}: STAND-IN[/] ({rows.count} word "
                "problems that ship with lox-bench): the real data is out of reach. "
                f"--data {name}=FILE.jsonl uses your copy, --strict-data forbids this.",
                soft_wrap=True,
            )
        elif not quiet:
            console.print(
                f"attack data of {name}: {rows.label} ({rows.count} rows"
                + (f"; read as {rows.form})" if rows.form else ")"),
                soft_wrap=True,
                markup=False,
            )
