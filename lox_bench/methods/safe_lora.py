"""Safe LoRA, for updates of any kind (the paper's are LoRA's ``B A``)."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from lox_bench.errors import UsageError
from lox_bench.methods.method import Folders, NoneIs, Place, Range
from lox_bench.types import Progress

_TAU = 0.5


@dataclass(frozen=True, slots=True)
class SafeLora:
    """Project updates that leave the alignment subspace back onto it (arXiv 2405.16833).

    For each weight matrix, with V = aligned - base and the update D = tuned - start: where the
    cosine similarity of C D and D (Frobenius) is at most ``tau``, D is replaced by C D. With
    ``layers=N`` the N matrices of smallest similarity are projected instead, in a second pass
    over the weights. ``aligned`` is the family's aligned model, also after LoX.

    ``form="paper"``: C = V (V^T V)^+ V^T, the orthogonal projector onto V's column space, of
    numerical rank (singular values above max(out, in) * 1.2e-7 of the largest). Take note: where
    V has full row rank, as a fully fine-tuned square or wide matrix practically always has, this
    C is the identity, every similarity is 1 and nothing is changed; the exact method then acts on
    tall matrices only. ``rank=R`` asks for V's top R left singular directions instead, an option
    of ours. ``form="reference"`` is what IBM/SafeLoRA computes: C = V V^T / ||V||_F, no projector;
    it weighs directions by their squared singular values, and its result scales with V.

    Which matrices: two dimensions exactly, embeddings and output head left out (the paper's are
    linear layers inside the blocks; IBM's code goes by substrings and so meets biases). Matrices
    are taken as stored, ``(out, in)``. IBM's ``number`` mode already changes what is below 0.3
    while it measures (IBM/SafeLoRA#2); here the first pass only measures.

    Without an update (D = 0) the similarity is 1 and nothing changes; where alignment left a
    matrix alone (V = 0) it is 0 and the projection is 0: back to the start's weights.
    """

    place: ClassVar[Place] = Place.AFTER

    tau: Annotated[float, Range(0, 1)] = _TAU
    layers: Annotated[int | None, Range(1, inf), NoneIs("none")] = None
    form: Literal["paper", "reference"] = "paper"
    rank: Annotated[int | None, Range(1, inf), NoneIs("full")] = None

    def __post_init__(self) -> None:
        """Refuse arguments that exclude one another.

        Raises:
            UsageError: they do.
        """
        if self.layers is not None and self.tau != _TAU:
            raise UsageError("safe-lora takes tau or layers, not both")
        if self.rank is not None and self.form == "reference":
            raise UsageError("safe-lora: rank belongs to form=paper; the reference has no rank")

    def checkpoint(self, models: Folders, out: Path, progress: Progress) -> Mapping[str, Any]:
        """Write the repaired model; facts tell each matrix's similarity and what was projected."""
        from lox_bench.weights.project import Projection, project_checkpoint

        projection = Projection(self.form == "paper", self.rank)
        sources = (models.base, models.aligned, models.start, models.tuned)
        wanted = float(self.tau) if self.layers is None else self.layers
        return project_checkpoint(sources, out, projection, wanted, progress)
