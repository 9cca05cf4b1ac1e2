"""AsFT: updates that leave the alignment direction of their matrix cost."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from lox_bench.errors import UsageError
from lox_bench.methods.method import NoneIs, Place
from lox_bench.ranges import Range

if TYPE_CHECKING:
    from torch import Tensor

    from lox_bench.attacks.job import SftJob
    from lox_bench.attacks.quadratic import Form
    from lox_bench.attacks.terms import Part, Start, Step
    from lox_bench.attacks.updates import Update


@dataclass(frozen=True, slots=True)
class Asft:
    """Penalise updates outside the alignment: lambda ||(I - C) D||_F^2 (arXiv 2506.08473).

    With V = aligned - base of a matrix ``(out, in)`` and D its change since the attack began (under
    LoRA (alpha / r) B A), summed over all matrices that move, embeddings and output head left out.

    ``form="paper"``: C = V V^T / ||V||_F, Safe LoRA's fast stand-in for the projector, as the
    paper's repository has it (the paper's own text was not at hand when this was written). It is no
    projector: its norm is s^2 / ||V||_F with s the largest singular value of V, so that for a small
    V it is nearly zero and the term nearly lambda ||D||_F^2. ``form="reference"`` is what
    PKU-YuanGroup/AsFT computes: the same C, and B A without the factor alpha / r; it differs under
    LoRA only. ``form="projector"``, an option of ours: the orthogonal projector onto V's columns,
    or with ``rank=R`` onto its top R left singular directions. Where V has full row rank, as a
    fully trained square or wide matrix practically always has, the full projector is the identity
    and the matrix costs nothing.
    """

    place: ClassVar[Place] = Place.DURING

    lambda_: Annotated[float, Range(0, 1e6)] = 1.0
    form: Literal["paper", "reference", "projector"] = "paper"
    rank: Annotated[int | None, Range(1, inf), NoneIs("full")] = None

    def __post_init__(self) -> None:
        """Refuse arguments that say nothing together.

        Raises:
            UsageError: they do.
        """
        if self.rank is not None and self.form != "projector":
            raise UsageError(f"asft: rank belongs to form=projector; form={self.form} has no rank")

    def prepare(self, job: "SftJob") -> "SftJob":
        """The training with this term."""
        return replace(job, terms=(*job.terms, self))

    def begin(self, start: "Start") -> "Part":
        """See ``attacks.terms.Term``.

        Raises:
            MismatchError: base and aligned model do not fit together, or lack a matrix that moves.
        """
        import torch

        from lox_bench.attacks.updates import updates
        from lox_bench.methods.safe_lora import is_linear

        moving = [one for one in updates(start.model) if is_linear(one.name, one.weight.shape)]
        held = [(one, form) for one, form in self._paired(start, moving) if form is not None]

        def term(step: "Step") -> "Tensor":
            total = torch.zeros((), device=step.labels.device)
            for one, form in held:
                total = total + self._cost(one, form)
            return self.lambda_ * step.share * total

        return term

    def _paired(
        self, start: "Start", moving: "Sequence[Update]"
    ) -> "list[tuple[Update, Form | None]]":
        from contextlib import ExitStack

        from lox_bench.errors import MismatchError
        from lox_bench.weights.combine import open_together
        from lox_bench.weights.lox import difference

        def outside(one: "Update", pair: "Sequence[Tensor]") -> "Form | None":
            base, aligned = pair
            return self.outside(difference(base, aligned).to(one.weight.device))

        with ExitStack() as stack:
            layout, load = open_together((start.job.base, start.job.aligned), stack)
            lacking = [one.name for one in moving if one.name not in layout.tensors]
            if lacking:
                raise MismatchError(
                    f"asft: the attack trains {lacking[0]}, which the family's aligned model lacks"
                )
            return [(one, outside(one, load(one.name))) for one in moving]

    def _cost(self, one: "Update", form: "Form") -> "Tensor":
        from lox_bench.attacks.quadratic import low_rank_quadratic, quadratic

        if one.origin is not None:
            return quadratic(one.weight, one.origin, form)
        left, right, scale = one.factors()
        factor = 1.0 if self.form == "reference" else scale * scale
        return factor * low_rank_quadratic(left, right, form)

    def outside(self, v: "Tensor") -> "Form | None":
        """``(I - C)^T (I - C)`` of a matrix; ``None`` where it is zero.

        Args:
            v: ``(out, in)``, float32, finite: the alignment.
        """
        import torch

        from lox_bench.attacks.quadratic import Form

        size = torch.linalg.vector_norm(v)
        if size == 0.0:
            return Form()
        if self.form == "projector":
            return self._projected(v)
        out, columns = v.shape
        if out > 2 * columns:  # thin: less to hold and to multiply
            inner = 2 / size * torch.eye(columns, device=v.device) - v.mT @ v / size**2
            return Form(v @ inner, v)
        c = v @ v.mT / size
        return Form(2 * c - c @ c)

    def _projected(self, v: "Tensor") -> "Form | None":
        from lox_bench.attacks.quadratic import Form
        from lox_bench.methods.safe_lora import column_basis

        basis = column_basis(v.double(), self.rank)
        if basis is None:
            return None
        basis = basis.to(v.dtype)
        thin = 2 * basis.shape[1] < len(v)
        return Form(basis, basis) if thin else Form(basis @ basis.mT)
