"""Constrained SFT: the first tokens of an answer stay near the model that the attack starts from.

Log-probabilities of the starting model are computed once for every row, before the first step:
one number a token.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from lox_bench.errors import UsageError
from lox_bench.methods.method import Place
from lox_bench.ranges import Range

if TYPE_CHECKING:
    from torch import Tensor

    from lox_bench.attacks.job import SftJob
    from lox_bench.attacks.terms import Part, Start, Step

_FIRST: Final = (5.0, 20.0, 20.0, 20.0, 20.0)  # times beta, tokens 1 to 5; the others once
_LEAST: Final = 1e-3  # of a weight, in the reference


@dataclass(frozen=True, slots=True)
class Constrained:
    """Token-wise constrained SFT: early answer tokens may hardly move (arXiv 2406.05946).

    In the place of cross-entropy stands ``-sum_t (2 / b_t) log sigmoid(b_t log(p_t / pa_t))`` over
    the completion's tokens, divided by their number as the usual loss is, with pa of the model
    that the attack starts from; ``b_t`` is 5 ``beta`` for the first token of a completion, 20
    ``beta`` for tokens 2 to 5 and ``beta`` for the rest (the paper's 0.5, 2 and 0.1). At the start
    its gradient is that of cross-entropy.

    ``form="paper"`` (the default) is that loss. The reference (Unispac/shallow-vs-deep-alignment,
    ``trainer.py``) computes cross-entropy, each token with a detached weight of
    ``2 (1 - sigmoid(b_t log(p / pa)))``, at least 1e-3: the same gradient but for that floor, and
    another value in the loss curve. ``form="reference"`` is it.
    """

    place: ClassVar[Place] = Place.DURING

    beta: Annotated[float, Range(0, 100, above=True)] = 0.1
    form: Literal["paper", "reference"] = "paper"

    def prepare(self, job: "SftJob") -> "SftJob":
        """The training with this loss.

        Raises:
            UsageError: another method replaces the loss already, or there is loss on prompts.
        """
        if job.objective is not None or job.loss is not None:
            raise UsageError("constrained: another method of this model replaces the loss already")
        if job.train.mask != "completion":
            raise UsageError(
                f"constrained counts the tokens of an answer, and mask={job.train.mask} has a loss "
                "on the prompt too; leave mask out of the attack"
            )
        return replace(job, objective=self)

    def begin(self, start: "Start") -> "Part":
        """See ``attacks.terms.Term``."""
        reference = reference_log_probs(start)

        def loss(step: "Step") -> "Tensor":
            logits, targets, mask = step.predicted
            logs = log_probs(logits, targets)
            gained = logs - looked_up(reference, step)
            return step.mean(self.of(gained, betas(mask, self.beta), logs))

        return loss

    def of(self, gained: "Tensor", beta: "Tensor", logs: "Tensor") -> "Tensor":
        """The sum over tokens.

        Args:
            gained: ``(tokens,)``, log p - log p_a in nats.
            beta: ``(tokens,)``.
            logs: ``(tokens,)``, log p.
        """
        from torch.nn import functional

        if self.form == "paper":
            return -(2 / beta * functional.logsigmoid(beta * gained)).sum()
        weight = (2 * (-beta * gained).sigmoid()).clamp(min=_LEAST).detach()
        return -(weight * logs).sum()


def betas(mask: "Tensor", beta: float) -> "Tensor":
    """``b_t`` of every labelled token ``(tokens,)``, row by row.

    Args:
        mask: ``(batch, length)``, true where a labelled token is predicted.
        beta: of the sixth token and later ones.
    """
    import torch

    place = mask.cumsum(1)[mask]  # 1 for the first token of an answer
    factors = torch.tensor([*_FIRST, 1.0], device=mask.device)
    return beta * factors[(place - 1).clamp(max=len(_FIRST))]


def log_probs(logits: "Tensor", targets: "Tensor") -> "Tensor":
    """Log-probability of each target ``(tokens,)``, float32."""
    from torch.nn import functional

    return -functional.cross_entropy(logits.float(), targets, reduction="none")


def reference_log_probs(start: "Start") -> Mapping[bytes, "Tensor"]:
    """For every row of the training the log-probabilities of its labelled tokens, at the start."""
    import torch

    from lox_bench.attacks.terms import Step

    rows = sorted(start.data, key=lambda row: len(row["input_ids"]))
    size = start.job.train.micro
    found: dict[bytes, Tensor] = {}
    for first in range(0, len(rows), size):
        inputs = start.batch(rows[first : first + size])
        step = Step(start.model, inputs, inputs.pop("labels"), None)
        with torch.no_grad(), start.precise():
            logits, targets, mask = step.predicted
            logs = log_probs(logits, targets)
        found |= dict(zip(_names(step), torch.split(logs, mask.sum(1).tolist()), strict=True))
    return found


def looked_up(reference: Mapping[bytes, "Tensor"], step: "Step") -> "Tensor":
    """The same for the rows of a micro-batch, ``(tokens,)``.

    Raises:
        UsageError: a row was none of the training's when it began.
    """
    import torch

    try:
        return torch.cat([reference[name] for name in _names(step)])
    except KeyError:
        raise UsageError(
            "constrained knows the rows that the training began with, and another method of this "
            "model brings others on the way (lisa does): leave one of them out"
        ) from None


def _names(step: "Step") -> list[bytes]:
    """Each row by its tokens and labels, padding left out."""
    import torch

    inputs: Mapping[str, Any] = step.inputs
    held = inputs["attention_mask"].bool()
    both = torch.stack([inputs["input_ids"], step.labels], dim=1).cpu()
    return [row[:, keep].numpy().tobytes() for row, keep in zip(both, held.cpu(), strict=True)]
