"""Toys that end the process they are made in, or cannot be made."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from lox_bench.engine.context import Context, Inputs
from lox_bench.engine.stage import Facts
from lox_bench.errors import UnknownNameError
from support.toys import Toy


@dataclass(frozen=True, eq=False)
class Dies(Toy):
    """Kills its process once."""

    kind: ClassVar[str] = "dies"

    flag: str = ""

    def fill(self, out: Path, context: Context) -> None:
        if not Path(self.flag).exists():
            Path(self.flag).touch()
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True, eq=False)
class AlwaysDies(Toy):
    """Kills its process whenever it is made."""

    kind: ClassVar[str] = "always-dies"

    def fill(self, out: Path, context: Context) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True, eq=False)
class Fails(Toy):
    """Cannot be made."""

    kind: ClassVar[str] = "fails"

    def build(self, inputs: Inputs, out: Path, context: Context) -> Facts:
        raise UnknownNameError("stage", self.name, ["good"])
