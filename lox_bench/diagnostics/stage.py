"""What diagnostics store: measured weights, directions, and models moved along them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from lox_bench.codec import write_records
from lox_bench.data.stage import lineage
from lox_bench.diagnostics.measures import Settings
from lox_bench.diagnostics.tables import csv_of
from lox_bench.diagnostics.ways import Anywhere, Direction
from lox_bench.engine.context import Context, Inputs
from lox_bench.engine.resources import Resources, streaming
from lox_bench.engine.stage import Effort, Facts, Keep, Stage
from lox_bench.files import write_text

if TYPE_CHECKING:
    from lox_bench.diagnostics.directions import Gram
    from lox_bench.diagnostics.perturb import Frame

REPORTS = "matrices.jsonl"
SPECTRA = "spectra.csv"


@dataclass(frozen=True, slots=True)
class Sigma:
    """One singular value; ``change`` is ``align`` (aligned - base) or ``ft``, ``index`` from 1."""

    tensor: str
    change: str
    index: int
    sigma: float


@dataclass(frozen=True, eq=False)
class Diagnose(Stage):
    """Every matrix's report and spectrum, of a base, an aligned and perhaps a tuned model."""

    kind: ClassVar[str] = "diagnose"
    version: ClassVar[int] = 3

    models: tuple[Stage, ...]
    settings: Settings

    @property
    def title(self) -> str:
        """As users know it."""
        return "measure the weights"

    def resources(self, size: int) -> Resources:
        """Tensor by tensor."""
        return streaming(size)

    def build(self, inputs: Inputs, out: Path, context: Context) -> Facts:
        """Measure, streaming."""
        from lox_bench.diagnostics.diagnose import diagnose

        folders = [inputs[model] for model in self.models]
        found = list(diagnose(folders, self.settings, context.progress))
        write_records(out / REPORTS, [item.report for item in found])
        sigmas = [
            Sigma(item.report.tensor, change, index, value)
            for item in found
            for change, values in item.spectra.items()
            for index, value in enumerate(values, start=1)
        ]
        write_text(out / SPECTRA, csv_of(Sigma, sigmas))
        return {"matrices": len(found)}


@dataclass(frozen=True, eq=False)
class Geometry(Stage):
    """Lengths and inner product of the directions around a model, shared by all points."""

    kind: ClassVar[str] = "geometry"

    model: Stage
    directions: tuple[Direction, ...]

    @property
    def title(self) -> str:
        """As users know it."""
        return "measure the directions"

    def resources(self, size: int) -> Resources:
        """Tensor by tensor."""
        return streaming(size)

    def build(self, inputs: Inputs, out: Path, context: Context) -> Facts:
        """Measure, streaming; the facts are all there is."""
        from lox_bench.diagnostics.perturb import measure_frame

        del out
        return {"gram": measure_frame(frame(self.model, self.directions, inputs), context.progress)}


@dataclass(frozen=True, eq=False)
class Perturb(Stage):
    """A model moved ``steps[i]`` times along the i-th direction of a geometry.

    The second of two directions is first made orthogonal to the first (over all weights).
    """

    kind: ClassVar[str] = "perturb"
    keep: ClassVar[Keep] = Keep.CHEAP

    geometry: Geometry
    steps: tuple[float, ...]
    label: str = field(default="", compare=False)

    @property
    def title(self) -> str:
        """Names the point."""
        return f"make {self.label}"

    @property
    def inputs(self) -> tuple[Stage, ...]:
        """The geometry and the models that it measured."""
        return (self.geometry, *self.geometry.inputs)

    @property
    def effort(self) -> Effort:
        """One checkpoint."""
        return Effort(1.0, lineage(self.geometry.model))

    def resources(self, size: int) -> Resources:
        """Tensor by tensor."""
        return streaming(size)

    def build(self, inputs: Inputs, out: Path, context: Context) -> Facts:
        """Write the moved checkpoint, streaming."""
        from lox_bench.diagnostics.perturb import perturb_checkpoint

        around = frame(self.geometry.model, self.geometry.directions, inputs)
        gram = gram_of(inputs.facts(self.geometry))
        perturb_checkpoint(around, gram, self.steps, out, context.progress)
        return {}


def frame(model: Stage, directions: tuple[Direction, ...], inputs: Inputs) -> "Frame":
    """Directions around a model, as folders."""
    from lox_bench.diagnostics.perturb import Frame

    ends = tuple(
        item if isinstance(item, Anywhere) else (inputs[item.origin], inputs[item.target])
        for item in directions
    )
    return Frame(inputs[model], ends)


def gram_of(facts: Mapping[str, Mapping[str, float]]) -> "Gram":
    """The geometry that a ``Geometry`` stage measured."""
    from lox_bench.diagnostics.directions import Gram

    return Gram(**facts["gram"])
