"""What a LoRA attack trained, unmerged: for back ends that serve adapters over a loaded model."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from lox_bench.engine.context import Context, Inputs
from lox_bench.engine.resources import Resources, training
from lox_bench.engine.stage import Effort, Facts, Keep, Stage

if TYPE_CHECKING:
    from lox_bench.attacks.stage import Attack

MERGED = "merged"  # where a training that was gone through again leaves its model


@dataclass(frozen=True, eq=False)
class LoraAdapter(Stage):
    """The adapters of a LoRA attack as a PEFT folder, float32, over the model it started from.

    The attack makes it on its way. Where the attack was stored without, it is trained again: the
    same steps, bit for bit.
    """

    kind: ClassVar[str] = "lora"
    keep: ClassVar[Keep] = Keep.DEAR

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

    @property
    def effort(self) -> Effort:
        """That of the attack."""
        return self.attack.effort

    def resources(self, size: int) -> Resources:
        """The same fine-tuning."""
        return training(size)

    def build(self, inputs: Inputs, out: Path, context: Context) -> Facts:
        """Train once more, and keep the adapters alone."""
        scratch = out / MERGED
        scratch.mkdir()
        facts = self.attack.trained(inputs, scratch, context, adapter=out)
        shutil.rmtree(scratch)
        return facts
