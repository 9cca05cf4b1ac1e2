"""How a request's trainings use the machine."""

from collections.abc import Sequence
from dataclasses import replace

from lox_bench.attacks.points import AttackPoint
from lox_bench.errors import UsageError
from lox_bench.sources.require import require_bitsandbytes
from lox_bench.study.request import Request
from lox_bench.training.launch import read_launch
from lox_bench.training.spec import Launch


def chosen_launch(request: Request, points: Sequence[AttackPoint]) -> Launch:
    """How trainings use the machine; what it lacks for them is found here.

    Raises:
        MissingExtraError, UnknownNameError, UsageError: it cannot be had.
    """
    if any(point.needs_bitsandbytes for point in points):
        require_bitsandbytes()
    launch = Launch()
    if request.accelerate:
        launch = read_launch(request.accelerate)
    if launch.sharded and any(point.adapts for point in points):
        raise UsageError(
            f"--accelerate {request.accelerate}: LoRA adapters are not trained sharded here; "
            "take ddp, in which every process has all weights"
        )
    return replace(launch, checkpointing=request.checkpointing)
