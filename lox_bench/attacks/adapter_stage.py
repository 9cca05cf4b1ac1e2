"""What a LoRA attack trained, unmerged: for back ends that serve adapters over a loaded model."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from lox_bench.attacks.replay import Replay
from lox_bench.engine.context import Context, Inputs
from lox_bench.engine.stage import Effort, Facts, Keep

MERGED = "merged"  # where a training that was gone through again leaves its model


@dataclass(frozen=True, eq=False)
class LoraAdapter(Replay):
    """The adapters of a LoRA attack as a PEFT folder, float32, over the model it started from.

    The attack makes it on its way. Where the attack was stored without, it is trained again: the
    same steps, bit for bit.
    """

    kind: ClassVar[str] = "lora"
    keep: ClassVar[Keep] = Keep.DEAR

    @property
    def effort(self) -> Effort:
        """That of the attack."""
        return self.attack.effort

    def build(self, inputs: Inputs, out: Path, context: Context) -> Facts:
        """Train once more, and keep the adapters alone."""
        scratch = out / MERGED
        scratch.mkdir()
        facts = self.attack.trained(inputs, scratch, context, adapter=out)
        shutil.rmtree(scratch)
        return facts
