"""Move a checkpoint along directions, streaming: no direction is ever held as a whole."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from lox_bench.diagnostics.directions import Gram, moved, random_step
from lox_bench.diagnostics.ways import Anywhere
from lox_bench.errors import UsageError
from lox_bench.types import Progress
from lox_bench.weights.combine import combine_checkpoints, open_together
from lox_bench.weights.lox import difference


@dataclass(frozen=True, slots=True)
class Frame:
    """A model's folder and the directions around it: two folders each, or a random one."""

    model: Path
    directions: tuple[tuple[Path, Path] | Anywhere, ...]

    @property
    def sources(self) -> list[Path]:
        """Every folder that is read, each once; the model comes last."""
        ends = [path for item in self.directions if not isinstance(item, Anywhere) for path in item]
        return [*dict.fromkeys(path for path in ends if path != self.model), self.model]

    def steps(self, name: str, tensors: Mapping[Path, Tensor]) -> list[Tensor]:
        """One tensor's step along each direction."""
        return [
            random_step(name, tensors[self.model], seed=item.seed, norm=item.norm)
            if isinstance(item, Anywhere)
            else difference(tensors[item[0]], tensors[item[1]])
            for item in self.directions
        ]


def measure_frame(frame: Frame, progress: Progress) -> Mapping[str, Any]:
    """Squared lengths and the inner product of a frame's directions, over all weights.

    Raises:
        UsageError: a direction leads nowhere, or both lead the same way.
    """
    gram = Gram()
    for name, tensors in _tensors(frame, progress):
        gram.add(frame.steps(name, tensors))
    if not gram.spans(len(frame.directions)):
        raise UsageError(
            "the directions span no plane: one leads nowhere (its two models are equal), or both "
            "lead the same way"
        )
    return asdict(gram)


def perturb_checkpoint(
    frame: Frame, gram: Gram, steps: Sequence[float], out: Path, progress: Progress
) -> None:
    """Write the model moved ``steps`` times along the (orthogonalised) directions to ``out``."""
    factors, sources = gram.factors(steps), frame.sources

    def rule(name: str, tensors: Sequence[Tensor]) -> Tensor:
        held = dict(zip(sources, tensors, strict=True))
        return moved(held[frame.model], frame.steps(name, held), factors)

    combine_checkpoints(sources, out, rule, progress)


def _tensors(frame: Frame, progress: Progress) -> Iterator[tuple[str, dict[Path, Tensor]]]:
    with ExitStack() as stack:
        layout, load = open_together(frame.sources, stack)
        weights = layout.tensors.items()
        names = sorted(name for name, held in weights if held.dtype.is_floating_point)
        for done, name in enumerate(names, start=1):
            yield name, dict(zip(frame.sources, load(name), strict=True))
            progress.step(done, len(names), "tensors")
