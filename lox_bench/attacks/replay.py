"""What an attack leaves on its way: it is made with it, or by going through the attack again."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lox_bench.engine.resources import Resources, training
from lox_bench.engine.stage import Stage

if TYPE_CHECKING:
    from lox_bench.attacks.stage import Attack


@dataclass(frozen=True, eq=False)
class Replay(Stage):
    """Something that a training makes besides its end; alone, the same steps are made again."""

    attack: "Attack"

    @property
    def title(self) -> str:
        """Says that it is a replay."""
        return self.attack.title.replace(" (", " again (", 1)

    @property
    def inputs(self) -> tuple[Stage, ...]:
        """What the attack itself reads: its end is of no use here."""
        return self.attack.inputs

    @property
    def maker(self) -> Stage:
        """The attack."""
        return self.attack

    def resources(self, size: int) -> Resources:
        """The same fine-tuning."""
        return training(size)
