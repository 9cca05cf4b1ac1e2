"""Write only the difference: a PEFT LoRA adapter whose product is the step, not a new checkpoint.

Over an aligned checkpoint the adapter holds ``alpha * Proj_k(dW)``, of rank k. Where the aligned
model is itself an adapter, the new one holds the old change and its extrapolation, over the same
base. Megabytes instead of gigabytes, and nothing is rounded to the model's type; but an adapter
holds linear layers and untied embeddings only, so what it leaves out is reported.
"""

from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from lox_bench.errors import UsageError
from lox_bench.types import Progress
from lox_bench.weights.adapter import PREFIX, BaseAndAdapter
from lox_bench.weights.adapter_file import write_lora
from lox_bench.weights.change import Change, Factors
from lox_bench.weights.pairs import Pair
from lox_bench.weights.ranks import Rank
from lox_bench.weights.select import Settings, choose, require_ranks
from lox_bench.weights.stream import read_ahead
from lox_bench.weights.transform import HardenedTensor, arithmetic_of, naming, open_pair

TIED: Final = "tied to another weight, which an adapter cannot follow"
NO_LAYER: Final = "no linear layer or embedding of the model"


class Kind(StrEnum):
    """How PEFT stores the two factors of a layer."""

    LINEAR = "linear"  # weight += B @ A
    TURNED = "turned"  # weight += (B @ A)^T, as for GPT-2's layers
    EMBEDDING = "embedding"  # the same, under names of its own


@dataclass(frozen=True, slots=True)
class Adapter:
    """What an adapter holds, and why it lacks the rest of what was to be hardened."""

    hardened: list[HardenedTensor]
    left_out: Mapping[str, str]


def write_adapter(
    base: Path, aligned: Path, out: Path, settings: Settings, progress: Progress
) -> Adapter:
    """Write the LoX step of two models as a PEFT adapter into the empty folder ``out``.

    Raises:
        UsageError: the settings ask for what an adapter cannot hold (full rank, whole modules).
        LoxBenchError: see ``transform.harden_checkpoint``.
    """
    if settings.rank is None or any(rank is None for _, rank in settings.overrides):
        raise UsageError("an adapter cannot hold full rank; give a k, or use --format full")
    if settings.dtype is not None:
        raise UsageError("an adapter is written in float32; --dtype is for --format full")
    pair = open_pair(base, aligned)
    chosen = choose(settings, pair.changed)
    pair.require_shapes(chosen)
    require_ranks(chosen, pair.changed)
    if isinstance(pair, BaseAndAdapter):
        kinds, reasons = _kinds_of_adapter(pair), dict[str, str]()
        carried = {name: 0.0 for name in pair.changed if name not in chosen}
    else:
        kinds, reasons = _kinds_of_model(aligned)
        carried = {}
    strengths = {name: settings.alpha for name in chosen if name in kinds} | carried
    if not strengths:
        raise UsageError("none of these tensors fits into an adapter; use --format full")
    ranks = {name: chosen.get(name, 1) for name in strengths}
    factors = _factors(pair, ranks, strengths, settings, progress)
    _write(out, factors, kinds, {"base_model_name_or_path": str(pair.layout.path.absolute())})
    return Adapter(
        hardened=[
            HardenedTensor(name, pair.changed[name], held.certificate)
            for name, held in factors.items()
            if name in chosen
        ],
        left_out={name: reasons.get(name, NO_LAYER) for name in chosen if name not in kinds},
    )


def _factors(
    pair: Pair,
    ranks: Mapping[str, Rank],
    strengths: Mapping[str, float],
    settings: Settings,
    progress: Progress,
) -> dict[str, Factors]:
    made: dict[str, Factors] = {}
    with ExitStack() as stack:
        read = pair.opened(stack)

        def load(name: str) -> Change:
            with naming(name):
                return read.change(name)

        names = [name for name in pair.layout.tensors if name in ranks]
        with closing(read_ahead(load, names)) as changes:
            for name, change in changes:
                with naming(name):
                    made[name] = change.factors(
                        ranks[name], strengths[name], arithmetic_of(settings)
                    )
                progress.step(len(made), len(ranks), f"tensors  {name}")
    return made


def _kinds_of_adapter(pair: BaseAndAdapter) -> dict[str, Kind]:
    whole = pair.whole_modules
    if whole:
        raise UsageError(
            f"the adapter trains {len(whole)} whole tensors, such as {whole[0]!r}, which a new "
            "adapter cannot hold; use --format full"
        )
    turned = bool(pair.config.get("fan_in_fan_out"))
    plain = Kind.TURNED if turned else Kind.LINEAR
    return {name: Kind.EMBEDDING if name in pair.embeddings else plain for name in pair.changed}


def _kinds_of_model(path: Path) -> tuple[dict[str, Kind], dict[str, str]]:
    """What the layers of a model are, and which weights are tied; no weight is loaded."""
    from lox_bench.sources.loading import empty_model

    model = empty_model(path)
    kinds: dict[str, Kind] = {}
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            kinds[f"{name}.weight"] = Kind.LINEAR
        elif isinstance(module, torch.nn.Embedding):
            kinds[f"{name}.weight"] = Kind.EMBEDDING
    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    tied = model.config.get_text_config().tie_word_embeddings
    reasons = {
        f"{name}.weight": TIED
        for name, module in model.named_modules()
        if tied and any(module is end for end in ends)
    }
    return {name: kind for name, kind in kinds.items() if name not in reasons}, reasons


def _write(
    out: Path, factors: Mapping[str, Factors], kinds: Mapping[str, Kind], more: Mapping[str, Any]
) -> None:
    tensors = [entry for name, held in factors.items() for entry in _named(name, kinds[name], held)]
    ranks = {name.removesuffix(".weight"): held.right.shape[0] for name, held in factors.items()}
    turned = Kind.TURNED in kinds.values()
    write_lora(out, tensors, ranks, {"fan_in_fan_out": turned, "init_lora_weights": True, **more})


def _named(name: str, kind: Kind, held: Factors) -> list[tuple[str, Tensor]]:
    module = f"{PREFIX}{name.removesuffix('.weight')}"
    if kind is Kind.LINEAR:
        down, up = held.right, held.left
    else:
        down, up = held.left.mT, held.right.mT
    if kind is Kind.EMBEDDING:
        return [(f"{module}.lora_embedding_A", down), (f"{module}.lora_embedding_B", up)]
    return [(f"{module}.lora_A.weight", down), (f"{module}.lora_B.weight", up)]
