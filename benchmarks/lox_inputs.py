"""What the transform is measured on: differences with a real alignment's spectrum, at any size.

``spectra.json`` was measured on the default family (SmolLM2-135M, DPO, seed 0; see
``measure_spectra.py``). A wider matrix keeps the first half of such a spectrum as it is, so that
the ratio of neighbours at the cut is the measured one, and stretches the second half.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from scipy.fft import dct, idct

from lox_bench.weights.shards import ShardWriter

SPECTRA = Path(__file__).with_name("spectra.json")
STD = 0.02  # of random weights, as in LlamaConfig
RELATIVE = 0.003  # norm of a difference over that of the weight, as DPO leaves it in 7B models
SHARD_BYTES = 5e9
TOP = 64  # directions of a random checkpoint's differences that follow the spectrum
HARD = 0.995 ** np.arange(576)

LLAMA2_7B = {
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "vocab_size": 32000,
}
LLAMA2_70B = {
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "vocab_size": 32000,
}


def spectra() -> dict[str, np.ndarray]:
    """The measured spectra by tensor, each divided by its largest value."""
    return {name: np.array(held) for name, held in json.loads(SPECTRA.read_text()).items()}


def stretched(spectrum: np.ndarray, size: int) -> np.ndarray:
    """The spectrum at ``size`` values: the first half kept, the second spread out."""
    half = len(spectrum) // 2
    places = np.linspace(half, len(spectrum) - 1, size - half)
    tail = np.interp(places, np.arange(len(spectrum)), spectrum)
    return np.concatenate([spectrum[:half], tail])


def known_difference(
    rows: int, columns: int, spectrum: np.ndarray, rank: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """A dense float32 ``(rows, columns)`` with this spectrum, and its exact projection (float64).

    The singular vectors are those of random signs and cosine transforms, orthonormal to rounding
    and quickly applied, so that the projection is known without decomposing anything.
    """
    signs = np.random.default_rng(0)
    turns = [signs.choice([-1.0, 1.0], size) for size in (rows, columns, rows, columns)]

    def turn(diagonal: np.ndarray) -> torch.Tensor:
        matrix = np.zeros((rows, columns))
        matrix[np.arange(len(diagonal)), np.arange(len(diagonal))] = diagonal
        for vertical, horizontal in (turns[:2], turns[2:]):
            matrix *= vertical[:, None]
            matrix *= horizontal
            matrix = dct(matrix, axis=0, norm="ortho", overwrite_x=True)
            matrix = idct(matrix, axis=1, norm="ortho", overwrite_x=True)
        return torch.from_numpy(matrix)

    sigma = stretched(spectrum, min(rows, columns))
    return turn(sigma).float(), turn(sigma[:rank])


def llama_shapes(model: dict[str, int]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of a Llama's tensors, untied."""
    wide, inner = model["hidden_size"], model["intermediate_size"]
    narrow = wide * model["num_key_value_heads"] // model["num_attention_heads"]
    yield "model.embed_tokens.weight", (model["vocab_size"], wide)
    for layer in range(model["num_hidden_layers"]):
        for name, shape in (
            ("self_attn.q_proj", (wide, wide)),
            ("self_attn.k_proj", (narrow, wide)),
            ("self_attn.v_proj", (narrow, wide)),
            ("self_attn.o_proj", (wide, wide)),
            ("mlp.gate_proj", (inner, wide)),
            ("mlp.up_proj", (inner, wide)),
            ("mlp.down_proj", (wide, inner)),
            ("input_layernorm", (wide,)),
            ("post_attention_layernorm", (wide,)),
        ):
            yield f"model.layers.{layer}.{name}.weight", shape
    yield "model.norm.weight", (wide,)
    yield "lm_head.weight", (model["vocab_size"], wide)


def write_pair(
    base: Path, aligned: Path, model: dict[str, int], spectrum: str, say: Callable[[str], None]
) -> int:
    """Write two random bf16 checkpoints, shards of about 5 GB; returns bytes of one of them.

    All layers hold the same bytes: neither the disk nor the transform can tell. ``spectrum`` is
    that of ``difference_of``.
    """
    shapes = dict(llama_shapes(model))
    shards = _shards(shapes)
    for folder in (base, aligned):
        folder.mkdir(parents=True)
        config = {**model, "architectures": ["LlamaForCausalLM"], "model_type": "llama"}
        config |= {"tie_word_embeddings": False, "dtype": "bfloat16"}
        (folder / "config.json").write_text(json.dumps(config))
        weight_map = {name: file for file, names in shards.items() for name in names}
        index = {"metadata": {}, "weight_map": weight_map}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    tensors = _Tensors(spectrum)
    for file, names in shards.items():
        planned = [(name, torch.bfloat16, shapes[name]) for name in names]
        with ShardWriter(base / file, planned) as one, ShardWriter(aligned / file, planned) as two:
            for name in names:
                before, after = tensors.pair(name, shapes[name])
                one.write(name, before)
                two.write(name, after)
        say(f"wrote {file}")
    return sum(2 * int(np.prod(shape)) for shape in shapes.values())


class _Tensors:
    """Random weights before and after an alignment, one pair for each kind of tensor."""

    def __init__(self, spectrum: str) -> None:
        self._rng = torch.Generator().manual_seed(0)
        self._spectrum = spectrum
        self._made: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

    def pair(self, name: str, shape: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
        kind = name.split(".")[-2]
        if kind not in self._made:
            weight = torch.randn(shape, generator=self._rng).mul_(STD)
            before = weight.bfloat16()
            if weight.ndim > 1:
                weight += difference_of(name, shape, self._spectrum, self._rng)
            self._made[kind] = (before, weight.bfloat16())
        return self._made[kind]


def difference_of(
    name: str, shape: tuple[int, ...], spectrum: str, rng: torch.Generator
) -> torch.Tensor:
    """The difference of a tensor called ``name``.

    ``measured``: with the spectrum that this kind of tensor has in the default family; ``hard``:
    each singular value half a percent below the one before.
    """
    if spectrum == "hard":
        return random_difference(shape, HARD, rng)
    measured, kind = spectra(), name.split(".")[-2]
    fitting = [held for held_name, held in measured.items() if f".{kind}." in held_name]
    return random_difference(shape, (fitting or [measured["model.embed_tokens.weight"]])[0], rng)


def random_difference(
    shape: tuple[int, ...], spectrum: np.ndarray, rng: torch.Generator
) -> torch.Tensor:
    """The spectrum's top on random directions, its remaining energy as noise (no QR needed)."""
    rows, columns = shape
    left = torch.randn(rows, TOP, generator=rng) / rows**0.5
    right = torch.randn(TOP, columns, generator=rng) / columns**0.5
    sigma = torch.from_numpy(spectrum[:TOP]).float()
    noise = float((spectrum[TOP:] ** 2).sum() / (rows * columns)) ** 0.5
    delta = torch.randn(shape, generator=rng).mul_(noise).addmm_(left * sigma, right)
    return delta.mul_(RELATIVE * STD * (rows * columns) ** 0.5 / float(delta.norm()))


def _shards(shapes: dict[str, tuple[int, ...]]) -> dict[str, list[str]]:
    groups: list[list[str]] = [[]]
    held = 0
    for name, shape in shapes.items():
        if held > SHARD_BYTES:
            groups.append([])
            held = 0
        groups[-1].append(name)
        held += 2 * int(np.prod(shape))
    total = len(groups)
    return {f"model-{i:05}-of-{total:05}.safetensors": g for i, g in enumerate(groups, start=1)}
