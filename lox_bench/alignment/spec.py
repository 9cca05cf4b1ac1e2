"""How the aligned model comes about."""

from dataclasses import dataclass
from typing import Annotated

from lox_bench.data.spec import DataSpec
from lox_bench.ranges import CountOrAll, Range, Tokens
from lox_bench.training.spec import TrainSpec


@dataclass(frozen=True, slots=True)
class DpoSpec:
    """Direct preference optimisation (arXiv 2305.18290) with an SFT term on the chosen answer.

    Pairs come from ``data``, a preference set of ``chosen`` and ``rejected`` dialogues, or are
    made on-policy: ``harmful`` and ``benign`` prompts, the base's own answers, ``refusals``.
    """

    train: TrainSpec
    beta: Annotated[float, Range(0, 100, above=True)]
    sft_weight: Annotated[float, Range(0, 1000)]
    data: DataSpec | None = None
    harmful: str = ""
    benign: str = ""
    answer_tokens: Tokens = 32
    max_pairs: CountOrAll = 0  # 0: all
    refusals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AlignSpec:
    """How the aligned model comes about: a DPO run here, or a released checkpoint."""

    source: str = ""
    dpo: DpoSpec | None = None
