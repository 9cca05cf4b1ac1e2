"""What a command wrote: told line by line, as JSON (``--json``), or not at all (``--quiet``)."""

from dataclasses import dataclass, field
from pathlib import Path

import typer

from lox_bench.cli.jsonout import print_json


@dataclass(slots=True)
class Written:
    """The files that a command wrote, and what it has to say about them."""

    quiet: bool = False
    json: bool = False
    files: list[dict[str, str]] = field(default_factory=list)

    def file(self, path: Path, what: str = "", note: str = "") -> None:
        """A file that is there now; ``what`` it is stands before it, ``note`` behind."""
        self.files.append({"what": what, "path": str(path)})
        self.say(f"{f'{what:7} ' if what else ''}{path}{f' ({note})' if note else ''}")

    def say(self, text: str) -> None:
        """A line for people."""
        if not (self.quiet or self.json):
            typer.echo(text)

    def end(self) -> None:
        """With ``--json``: the list of files, and nothing else."""
        if self.json:
            print_json(self.files)
