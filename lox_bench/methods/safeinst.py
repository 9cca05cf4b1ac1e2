"""Refusals mixed into the attacker's rows."""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar

from lox_bench.errors import UsageError
from lox_bench.methods.method import Need, Place
from lox_bench.ranges import Range

if TYPE_CHECKING:
    from lox_bench.attacks.job import SftJob


@dataclass(frozen=True, slots=True)
class SafeInst:
    """Append refusals to the attacker's rows (arXiv 2309.07875; LoX's baseline, 2506.15606).

    ``rho`` times as many as the attack has rows, rounded up, so at least one. Requests and
    refusals are those of the family's alignment (its training prompts, never those that models
    are asked), drawn with the attack's seed; no request comes twice before all have come. They
    stand under the attack's template, and the trainer shuffles them among its rows: there are more
    optimiser steps by as much. The paper mixes in rows that it wrote; LoX's scripts append the
    first rows of that file (CC BY-NC), in order. Here the rows are lox-bench's own, drawn anew for
    each seed.
    """

    place: ClassVar[Place] = Place.DURING
    needs: ClassVar[Need] = Need.REFUSALS

    rho: Annotated[float, Range(0, 10, above=True)] = 0.025

    def prepare(self, job: "SftJob") -> "SftJob":
        """The training on more rows.

        Raises:
            UsageError: the job does not say what alignment teaches.
        """
        if job.taught is None:
            raise UsageError("safeinst: the training was not told what alignment teaches (taught)")
        wanted = math.ceil(round(self.rho * len(job.rows), 9))  # 0.1 * 30 is 3.0000000000000004
        added = job.taught.refused(max(1, wanted), seed=job.seed)
        return replace(job, rows=(*job.rows, *added))
