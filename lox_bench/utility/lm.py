"""Models as lm-eval wants them: its own class with weights, and the same over an engine.

Both tokenize, cut and join as lm-eval's ``HFLM`` does; who computes is all that differs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from lox_bench.backends.backend import Scorer
from lox_bench.errors import UsageError
from lox_bench.sources.loading import empty_model
from lox_bench.types import Progress

_ALL: Final = 1 << 30  # rows handed over together: an engine makes batches of its own
_Request = tuple[Any, list[int], list[int]]  # the texts, or none; ids of context and continuation
_BESIDE: Final = {"attention_mask", "do_sample", "temperature"}  # of what a generation is told


@dataclass(frozen=True, slots=True)
class Running:
    """An engine that has a model; it tells ``progress`` how far it is."""

    scorer: Scorer
    progress: Progress


class QuietLM(HFLM):  # type: ignore[misc]
    """lm-eval's model without bars of its own."""

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = False) -> Any:
        """As lm-eval's."""
        del disable_tqdm
        return super().loglikelihood(requests, disable_tqdm=True)

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = False) -> Any:
        """As lm-eval's."""
        del disable_tqdm
        return super().loglikelihood_rolling(requests, disable_tqdm=True)

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> Any:
        """As lm-eval's."""
        del disable_tqdm
        return super().generate_until(requests, disable_tqdm=True)


class EngineLM(QuietLM):
    """The same over an engine, which takes and gives token ids; no weight is loaded here."""

    def __init__(self, folder: Path, tokenizer: Any, running: Running) -> None:
        """Ask ``running``, which has the model in ``folder`` (or that with adapters over it)."""
        longest = running.scorer.longest - 2  # one token more is scored, one is always to come
        super().__init__(
            pretrained=empty_model(folder),
            tokenizer=tokenizer,
            batch_size=_ALL,
            max_length=longest,
        )
        self._device = torch.device("cpu")  # of ids, which the empty model's has none of
        self._running = running

    def _loglikelihood_tokens(
        self,
        requests: Sequence[_Request],
        disable_tqdm: bool = False,
        override_bs: int | None = None,
    ) -> list[tuple[float, bool]]:
        """What is too long loses its beginning, as lm-eval's; equal rows are computed once."""
        del disable_tqdm, override_bs
        rows = [
            (tuple([*context, *end][-(self.max_length + 1) :]), len(end))
            for _, context, end in requests
        ]
        once, running = list(dict.fromkeys(rows)), self._running
        told = running.scorer.log_probabilities(once, running.progress)
        found = dict(zip(once, told, strict=True))
        return [found[row] for row in rows]

    def _model_generate(
        self, context: torch.Tensor, max_length: int, stop: list[str], **how: Any
    ) -> torch.Tensor:
        """Greedy continuations; the texts that end them are looked for afterwards, as ever.

        Raises:
            UsageError: the task wants something else.
        """
        del stop
        other = {name for name, value in how.items() if name not in _BESIDE and value is not None}
        if how.get("do_sample") or how.get("temperature") or other:
            raise UsageError(
                f"--utility: the task decodes with {', '.join(sorted(other) or ['sampling'])}, and "
                "this back end continues greedily only: --backend hf"
            )
        mask = how["attention_mask"].bool()
        rows = [ids[kept].tolist() for ids, kept in zip(context, mask, strict=True)]
        made = self._running.scorer.continuations(
            rows, max_new_tokens=max_length - context.shape[1], progress=self._running.progress
        )
        pad, width = self.tokenizer.pad_token_id, max(map(len, made))
        ends = torch.tensor([[*ids, *[pad] * (width - len(ids))] for ids in made])
        return torch.cat([context, ends], dim=1)
