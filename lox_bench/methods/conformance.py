"""What every method must keep to, tried on a small model: ``testing.check_method``."""

import json
import pickle
from collections.abc import Mapping
from dataclasses import is_dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from lox_bench.codec import is_frozen
from lox_bench.grammar import parse_call
from lox_bench.methods.apply import apply_method
from lox_bench.methods.arguments import build_method, describe, seeded
from lox_bench.methods.method import Folders, Method, Place, TensorMethod, Weights

FORMS: Final = ("tensor", "checkpoint", "stage", "prepare", "served")
_TRAINING: Final = ("prepare", "served")  # forms of methods that act during the attack
_WEIGHTS: Final = "model.safetensors"
_SHAPES: Final[Mapping[str, tuple[int, ...]]] = {
    "model.embed_tokens.weight": (12, 8),
    "model.layers.0.up.weight": (10, 6),
    "model.layers.0.down.weight": (6, 10),
    "model.layers.0.square.weight": (8, 8),
    "model.layers.0.experts": (3, 6, 5),
    "model.layers.0.bias": (10,),
    "model.scale": (),
}
_COUNTER: Final = "model.counter"  # no floating-point tensor


class NoProgress:
    """Ignores progress."""

    def step(self, done: int, total: int, detail: str = "") -> None:
        """See ``types.Progress``."""


def static_checks(cls: type) -> None:
    """The class itself: a frozen, documented dataclass with a place and the one form that fits it.

    Raises:
        AssertionError: it is not.
    """
    name = cls.__qualname__
    require(is_dataclass(cls) and is_frozen(cls), f"{name} is no frozen dataclass")
    made_up = f"{cls.__name__}("  # by dataclass, where there is none
    own = (cls.__doc__ or made_up).strip()
    require(not own.startswith(made_up), f"{name} has no docstring; lists show its first line")
    place = getattr(cls, "place", None)
    require(place in set(Place), f"{name}.place is {place!r}, which is no Place")
    forms = [form for form in FORMS if callable(getattr(cls, form, None))]
    require(len(forms) == 1, f"{name} has {forms or 'none'} of {', '.join(FORMS)}; one is wanted")
    require(
        (place == Place.DURING) == (forms[0] in _TRAINING),
        f"{name} acts {place} the attack, which {forms[0]} does not",
    )


def value_checks(cls: type, arguments: str) -> Method:
    """A method made of ``k=2,alpha=0.5``: a value that can be written, read, hashed and sent.

    Raises:
        AssertionError: it is not.
        UsageError: the arguments are not the method's.
    """
    kind = cast("type[Method]", cls)
    call = parse_call(f"method({arguments})" if arguments else "method")
    method = build_method(kind, call)
    said = describe("method", method)
    require(build_method(kind, said) == method, f"{said} does not come back from its description")
    require(hash(method) == hash(build_method(kind, call)), f"{said} has no stable hash")
    again = pickle.loads(pickle.dumps(method))  # noqa: S301 - our own bytes
    require(again == method, f"{said} does not survive pickling")
    return seeded(method, 0)


def training_checks(method: Any, job: Any) -> None:
    """The same training in, the same one out, and the one that came in as it was.

    Raises:
        AssertionError: it is not so.
    """
    before = pickle.dumps(job)
    once, twice = method.prepare(job), method.prepare(job)
    require(type(once) is type(job), f"prepare made a {type(once).__name__}")
    require(once == twice, "prepare is not deterministic")
    require(pickle.dumps(job) == before, "prepare changed the job that it was given")


def weight_checks(method: Method, dtype: torch.dtype, *, moves_on_zero: bool) -> None:
    """What a method makes of a small model of one type.

    Raises:
        AssertionError: shape, type, counters or files are not kept, two runs differ, an input was
            changed, or something moved where all models are equal.
    """
    if hasattr(method, "tensor"):
        _leaves_inputs_alone(cast("TensorMethod", method), dtype)
    with TemporaryDirectory() as place:
        root = Path(place)
        base, aligned, start, tuned = (_sample(root / str(seed), seed, dtype) for seed in range(4))
        before = method.place == Place.BEFORE
        folders = Folders(base, aligned, *([aligned] * 2 if before else [start, tuned]))
        sources = {file: file.read_bytes() for file in root.rglob("*") if file.is_file()}
        made = _applied(method, folders, root / "once")
        _is_like(made, load_file(folders.tuned / _WEIGHTS))
        again = _applied(method, folders, root / "again")
        require(_equal(made, again), "two runs on the same weights differ")
        require(
            all(file.read_bytes() == held for file, held in sources.items()),
            "the checkpoints that it was given were changed",
        )
        if not moves_on_zero:
            still = _applied(method, Folders(base, base, base, base), root / "still")
            require(
                _equal(still, load_file(base / _WEIGHTS)),
                "weights moved although all models are equal; say moves_on_zero=True if they may",
            )


def require(held: bool, otherwise: str) -> None:
    """Raise an ``AssertionError`` unless ``held``."""
    if not held:
        raise AssertionError(otherwise)


def _sample(folder: Path, seed: int, dtype: torch.dtype) -> Path:
    """A checkpoint, some steps away from the one of seed 0."""
    folder.mkdir()
    weights: dict[str, Tensor] = {_COUNTER: torch.tensor([seed])}
    for name, shape in _SHAPES.items():
        walk = [torch.randn(shape, generator=torch.Generator().manual_seed(i)) for i in range(4)]
        weights[name] = (walk[0] + 0.1 * sum(walk[1 : seed + 1])).to(dtype)
    save_file(weights, folder / _WEIGHTS, {"format": "pt"})
    (folder / "config.json").write_text('{"architectures": ["Sample"], "model_type": "sample"}')
    return folder


def _applied(method: Method, folders: Folders, out: Path) -> dict[str, Tensor]:
    out.mkdir()
    facts = apply_method(method, folders, out, NoProgress())
    try:
        json.dumps(dict(facts))
    except TypeError as error:
        raise AssertionError(f"its facts are no plain data ({error})") from error
    require((out / _WEIGHTS).is_file(), f"it wrote no {_WEIGHTS}")
    require((out / "config.json").is_file(), "it wrote no config.json")
    made: dict[str, Tensor] = load_file(out / _WEIGHTS)
    return made


def _is_like(made: Mapping[str, Tensor], tuned: Mapping[str, Tensor]) -> None:
    require(made.keys() == tuned.keys(), f"other tensors: {sorted(made.keys() ^ tuned.keys())}")
    for name, tensor in made.items():
        require(tensor.shape == tuned[name].shape, f"{name} has another shape")
        require(tensor.dtype == tuned[name].dtype, f"{name} has another type: {tensor.dtype}")
    require(torch.equal(made[_COUNTER], tuned[_COUNTER]), "a whole-number tensor was changed")


def _equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def _leaves_inputs_alone(method: TensorMethod, dtype: torch.dtype) -> None:
    for name, shape in _SHAPES.items():
        held = [torch.randn(shape).to(dtype) for _ in range(4)]
        copies = [tensor.clone() for tensor in held]
        method.tensor(name, Weights(*held))
        same = all(torch.equal(*pair) for pair in zip(held, copies, strict=True))
        require(same, f"it wrote into the tensors of {name} that it was given")
