"""The trainer of attacks: transformers', its head on completion tokens, with room for methods."""

from functools import cached_property
from typing import Any

from torch.nn import functional
from transformers import Trainer
from transformers.trainer_pt_utils import LengthGroupedSampler

from lox_bench.attacks.course import Courses
from lox_bench.attacks.terms import Part, Step
from lox_bench.training.head import completion_logits, predicting
from lox_bench.training.loss import LinearHead, completion_loss, linear_head


class CompletionTrainer(Trainer):  # type: ignore[misc]
    """transformers' Trainer with the language-model head on completion tokens only."""

    parts: Part | None = None  # the whole loss, where methods have a say in it
    courses: Courses = Courses()
    _parts = 1  # micro-batches of the optimiser step

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> Any:
        """The batches of an optimiser step, or those that a method puts in their place."""
        usual, count = super().get_batch_samples(epoch_iterator, num_batches, device)
        batches = self.courses.batches(self.state.global_step, usual)
        self._parts = len(usual)
        if batches is usual:
            return usual, count
        return super().get_batch_samples(iter(batches), len(usual), device)

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        """Rows in the order of a single process, however many share a batch."""
        if self.args.world_size == 1:
            return super()._get_train_sampler(train_dataset)
        share = self.args.train_batch_size * self.args.gradient_accumulation_steps
        lengths = [len(example["input_ids"]) for example in self.train_dataset]
        return LengthGroupedSampler(share * self.args.world_size, lengths=lengths)

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Cross-entropy per completion token, averaged over the whole optimiser step."""
        labels = inputs.pop("labels")
        if model.training and self.parts is not None:
            loss = self.parts(Step(model, inputs, labels, num_items_in_batch))
            return self._pulled(self._over_processes(loss, num_items_in_batch))
        count = predicting(labels).sum() if num_items_in_batch is None else num_items_in_batch
        if return_outputs:
            logits, targets, _ = completion_logits(model, inputs, labels)
            total = functional.cross_entropy(logits.float(), targets, reduction="sum")
            return self._over_processes(total / count, num_items_in_batch), {"logits": logits}
        total = completion_loss(model, inputs, labels, self._linear_head)
        loss = self._over_processes(total / count, num_items_in_batch)
        return self._pulled(loss) if model.training else loss

    @cached_property
    def _linear_head(self) -> LinearHead | None:
        """For the loss in pieces; a model that processes share is called as a whole."""
        alone = self.accelerator.num_processes == 1
        return linear_head(self.model) if alone else None

    def _pulled(self, loss: Any) -> Any:
        """With what courses add to it."""
        return self.courses.added(loss, self._parts)

    def _over_processes(self, loss: Any, count: Any) -> Any:
        """A part of the step's mean: gradients are averaged over processes, and it counts them."""
        several = count is not None and self.accelerator.num_processes > 1
        return loss * self.accelerator.num_processes if several else loss
