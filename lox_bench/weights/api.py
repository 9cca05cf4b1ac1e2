"""``lox_bench.harden``: LoX for models on disk, in state dicts and in memory."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from lox_bench.errors import MismatchError, UsageError
from lox_bench.files import write_json
from lox_bench.provenance import versions
from lox_bench.sources.layout import REPORT
from lox_bench.types import Progress
from lox_bench.weights.change import Dense
from lox_bench.weights.delta import write_adapter
from lox_bench.weights.lox import cast
from lox_bench.weights.ranks import rank_text
from lox_bench.weights.report import facts
from lox_bench.weights.select import Settings, choose, parse_ranks
from lox_bench.weights.target import new_folder
from lox_bench.weights.transform import (
    HardenedTensor,
    arithmetic_of,
    harden_checkpoint,
    naming,
)

FULL: Final = "full"
DELTA: Final = "delta"
K: Final = 6  # the paper's, for 7B models
ALPHA: Final = 1.25

Model = str | Path | Mapping[str, Tensor] | nn.Module


@dataclass(frozen=True, slots=True)
class HardenedModel:
    """A model written to ``path``: what was hardened, and what an adapter had to leave out."""

    path: Path
    tensors: list[HardenedTensor]
    left_out: Mapping[str, str]


def harden(  # noqa: PLR0913 - the options of one command, each with a default
    base: Model,
    aligned: Model,
    *,
    k: int | str | Sequence[str] | None = K,
    alpha: float = ALPHA,
    out: str | Path | None = None,
    format: str = FULL,  # noqa: A002 - as the command line has it
    force: bool = False,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    dtype: str | None = None,
    device: str = "cpu",
    precision: str = "float32",
) -> HardenedModel | dict[str, Tensor] | nn.Module:
    """Harden an aligned model by low-rank extrapolation (LoX, arXiv 2506.15606, eq. 3).

    Args:
        base: the model before alignment: a folder in hub layout, a state dict, or a module.
        aligned: the same kind of thing after alignment; as a folder also a PEFT LoRA adapter.
        k: directions kept: a number, ``None`` or ``"full"``, ``"auto"``, ``"energy:0.5"``,
            ``"gap"``, or a list of these and of ``"PATTERN=K"`` for the tensors it matches.
        alpha: how far to go, dimensionless; 0 gives the aligned model.
        out: folder to write, for models on disk.
        format: ``full`` checkpoint, or the ``delta`` as a PEFT adapter; on disk only.
        force: replace an existing ``out``.
        include: harden only tensors that match one of these globs.
        exclude: of those, leave out the ones that match one of these.
        dtype: of the result: bfloat16, float16 or float32; ``None`` keeps the aligned one's.
        device: where to compute: cpu, cuda, ...
        precision: of the arithmetic: float32 or float64.

    Returns:
        ``HardenedModel`` for folders; a new state dict (tied weights stay tied) for state dicts; a
        hardened copy of ``aligned`` for modules. The arguments are left as they are.

    Raises:
        LoxBenchError: the models do not match, hold NaN, or an option has no meaning.
    """
    texts = [k] if isinstance(k, str) else k
    rank, overrides = (
        (texts, ()) if texts is None or isinstance(texts, int) else parse_ranks(texts, K)
    )
    settings = Settings(
        rank, alpha, overrides, tuple(include), tuple(exclude), dtype, precision, device
    )
    if isinstance(base, nn.Module) and isinstance(aligned, nn.Module):
        return _harden_module(base, aligned, settings)
    if isinstance(base, Mapping) and isinstance(aligned, Mapping):
        return harden_state(base, aligned, settings)
    if not isinstance(base, str | Path) or not isinstance(aligned, str | Path):
        raise UsageError(
            f"base and aligned must be of one kind, not {type(base).__name__} and "
            f"{type(aligned).__name__}"
        )
    if out is None:
        raise UsageError("models on disk need a folder to be written to: out=...")
    pair = Path(base).expanduser(), Path(aligned).expanduser()
    return harden_folders(*pair, Path(out), settings, Output(format, force=force))


@dataclass(frozen=True, slots=True)
class Output:
    """What to write, whether over an existing folder, and where to show how far it is."""

    format: str = FULL
    force: bool = False
    progress: Progress | None = None


def harden_folders(
    base: Path, aligned: Path, out: Path, settings: Settings, output: Output
) -> HardenedModel:
    """Harden a model on disk into the new folder ``out``, whole or not at all.

    Beside the model stands ``lox.json``: settings, versions, and the certificate of every tensor.

    Raises:
        UsageError: the format is unknown.
        TargetError: ``out`` cannot be written; see ``target.new_folder``.
        LoxBenchError: see ``transform.harden_checkpoint`` and ``delta.write_adapter``.
    """
    progress = output.progress or _Unseen()
    if output.format not in {FULL, DELTA}:
        raise UsageError(f"format must be {FULL} or {DELTA}, not {output.format!r}")
    left_out: Mapping[str, str] = {}
    with new_folder(out, (base, aligned), force=output.force) as folder:
        if output.format == DELTA:
            made = write_adapter(base, aligned, folder, settings, progress)
            tensors, left_out = made.hardened, made.left_out
        else:
            tensors = harden_checkpoint(base, aligned, folder, settings, progress)
        told = {
            "base": str(base),
            "aligned": str(aligned),
            "format": output.format,
            "settings": _plain(settings),
            "versions": versions(),
            "left_out": dict(left_out),
            **facts(tensors),
        }
        write_json(folder / REPORT, told)
    return HardenedModel(out, tensors, left_out)


def harden_state(
    base: Mapping[str, Tensor], aligned: Mapping[str, Tensor], settings: Settings
) -> dict[str, Tensor]:
    """Harden a state dict; tensors that share memory in ``aligned`` share it in the result.

    Raises:
        MismatchError: the names differ.
        LoxBenchError: see ``transform.harden_checkpoint``.
    """
    odd = sorted(base.keys() ^ aligned.keys())
    if odd:
        raise MismatchError(f"{len(odd)} tensors are in one model only, such as {odd[0]!r}")
    floating = {name: held for name, held in aligned.items() if held.is_floating_point()}
    ranks = choose(settings, {name: tuple(held.shape) for name, held in floating.items()})
    arithmetic = arithmetic_of(settings)
    made: dict[tuple[object, ...], Tensor] = {}
    result: dict[str, Tensor] = {}
    for name, held in aligned.items():
        dtype = getattr(torch, settings.dtype) if settings.dtype and name in floating else None
        place = (held.data_ptr(), held.dtype, tuple(held.shape), held.stride(), name in ranks)
        if place not in made:
            with naming(name), torch.no_grad():
                made[place] = (
                    Dense(base[name], held)
                    .harden(ranks[name], settings.alpha, dtype or held.dtype, arithmetic)[0]
                    .to(held.device)
                    if name in ranks
                    else cast(held, dtype or held.dtype)
                )
        result[name] = made[place]
    return result


def _harden_module(base: nn.Module, aligned: nn.Module, settings: Settings) -> nn.Module:
    state = harden_state(base.state_dict(), aligned.state_dict(), settings)
    made = deepcopy(aligned)
    if settings.dtype is not None:
        made = made.to(getattr(torch, settings.dtype))
    made.load_state_dict(state)
    return made


class _Unseen:
    def step(self, done: int, total: int, detail: str = "") -> None:
        """Show nothing."""


def _plain(settings: Settings) -> dict[str, Any]:
    special = [f"{pattern}={rank_text(rank)}" for pattern, rank in settings.overrides]
    return {**asdict(settings), "rank": rank_text(settings.rank), "overrides": special}
