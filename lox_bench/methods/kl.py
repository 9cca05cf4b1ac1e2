"""A penalty on leaving the starting model's predictions, on the attacker's own tokens."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from lox_bench.errors import UsageError
from lox_bench.methods.method import Place
from lox_bench.ranges import Range

if TYPE_CHECKING:
    from torch import Tensor

    from lox_bench.attacks.job import SftJob
    from lox_bench.attacks.terms import Part, Start, Step


@dataclass(frozen=True, slots=True)
class Kl:
    """Add lambda KL(p_a || p) on the trained tokens, p_a the model that the attack starts from.

    Per completion token over the whole vocabulary, averaged over the tokens of an optimiser step
    as the loss is. ``git-disl/Vaccine`` (``KLTrainer``, its baseline of that name, lambda 0.1)
    takes both softmaxes over the time axis of the logits instead, which compares no distributions
    of tokens: a defect, not offered here.

    p_a is computed with each micro-batch, so that any rows will do: by a frozen copy of the model,
    or, where the attack trains LoRA adapters, by the same model without them. Its logits are never
    held as a whole.
    """

    place: ClassVar[Place] = Place.DURING

    lambda_: Annotated[float, Range(0, 1e6)] = 0.1

    def prepare(self, job: "SftJob") -> "SftJob":
        """The training with this term."""
        return replace(job, terms=(*job.terms, self))

    def begin(self, start: "Start") -> "Part":
        """See ``attacks.terms.Term``.

        Raises:
            UsageError: the model changes its logits after the head (softcapping, scaling).
        """
        teacher = teacher_of(start.model)
        _require_plain_head(teacher, start)

        def term(step: "Step") -> "Tensor":
            return step.mean(self.lambda_ * teacher.divergence(step))

        return term


def teacher_of(model: Any) -> "Teacher":
    """The model as it is now: itself without its adapters, or a frozen copy."""
    import copy

    if hasattr(model, "peft_config"):
        return Teacher(model, adapted=True)
    frozen = copy.deepcopy(model).eval()
    for weight in frozen.parameters():
        weight.requires_grad_(False)
    return Teacher(frozen, adapted=False)


@dataclass(frozen=True, slots=True)
class Teacher:
    """A model that says what the tokens' distributions were before the training."""

    model: Any
    adapted: bool

    def divergence(self, step: "Step") -> "Tensor":
        """``sum_t KL(p_a || p)`` over the labelled tokens of a micro-batch, in nats."""
        from lox_bench.training.divergence import entering_head, token_kl

        logits, _, _ = step.predicted
        with self.unchanged():
            hidden = entering_head(self.model, dict(step.inputs), step.labels)
            return token_kl(logits, hidden, self.model.get_output_embeddings())

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Within, the model is the one at the start."""
        from lox_bench.attacks.updates import without_adapters
        from lox_bench.training.quiet import quietly

        if not self.adapted:
            yield
            return
        with quietly(self.model), without_adapters(self.model):
            yield


def _require_plain_head(teacher: Teacher, start: "Start") -> None:
    import torch

    from lox_bench.attacks.terms import Step
    from lox_bench.training.divergence import entering_head

    inputs = start.batch(start.data[:1])
    step = Step(teacher.model, inputs, inputs.pop("labels"), None)
    with torch.no_grad(), start.precise(), teacher.unchanged():
        hidden = entering_head(teacher.model, dict(step.inputs), step.labels)
        again = teacher.model.get_output_embeddings()(hidden)
        if not torch.allclose(again.float(), step.predicted[0].float(), rtol=0.05, atol=0.05):
            kind = getattr(teacher.model.config, "model_type", "?")
            raise UsageError(
                f"kl: a model of type {kind!r} changes its logits after the output head "
                "(softcapping or scaling), which kl does not follow; use another method"
            )
