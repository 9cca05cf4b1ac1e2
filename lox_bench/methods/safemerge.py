"""SafeMERGE: merging with a safe model, but only where the update leaves the alignment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from lox_bench.methods.method import Between, Folders, Place
from lox_bench.methods.safe_lora import DIGITS, Projection, is_linear, project
from lox_bench.methods.wise_ft import average
from lox_bench.ranges import Range
from lox_bench.types import Progress

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class SafeMerge:
    """Merge with the safe model where updates leave the alignment (SafeMERGE, arXiv 2503.17239).

    For each weight matrix, with V = aligned - base and the update D = tuned - start: where the
    cosine similarity of C D and D (Frobenius) is below ``tau``, the matrix becomes
    ``(1 - w) * tuned + w * safe``; elsewhere, and for all other tensors, it stays as attacked.

    Differs from the paper: its safe model is the aligned one after a safety fine-tuning of its
    own. Here it is the model that was attacked (after ``lox`` the hardened one), so that this is
    WiSE-FT with alpha 1 - w, matrix by matrix. ``form="reference"``: C = V V^T / ||V||_F, as
    aladinD/SafeMERGE computes it (Safe LoRA's code); a cosine does not see its scale.
    ``form="paper"`` is Safe LoRA's exact projector onto V's columns, under which a square or wide
    V of full rank gives similarity 1 and nothing is merged. That code averages the two factors of
    LoRA adapters, each with the root of its weight, so that cross terms arise; here it is the
    weights that are averaged. Matrices are ``safe-lora``'s.
    """

    place: ClassVar[Place] = Place.AFTER
    search: ClassVar[Mapping[str, Between]] = {
        "tau": Between(0, 1),
        "w": Between(0, 1),
    }

    tau: Annotated[float, Range(0, 1)] = 0.35
    w: Annotated[float, Range(0, 1)] = 0.2
    form: Literal["reference", "paper"] = "reference"

    def checkpoint(self, models: Folders, out: Path, progress: Progress) -> Mapping[str, Any]:
        """Write the repaired model; facts tell each matrix's similarity and what was merged."""
        from lox_bench.weights.combine import combine_checkpoints

        projection = Projection(exact=self.form == "paper")
        found: dict[str, dict[str, Any]] = {}

        def rule(name: str, held: "Sequence[Tensor]") -> "Tensor":
            if not is_linear(name, held[-1].shape):
                return held[-1]
            similarity = project(projection, held).similarity
            hit = similarity < self.tau
            found[name] = {"similarity": round(similarity, DIGITS), "merged": hit}
            return average(held[-2], held[-1], 1.0 - self.w) if hit else held[-1]

        sources = (models.base, models.aligned, models.start, models.tuned)
        combine_checkpoints(sources, out, rule, progress)
        return {"merged": sum(bool(row["merged"]) for row in found.values()), "tensors": found}
