"""Every number and word of a spec has a range, checked when it is read: before any work."""

from collections.abc import Mapping
from typing import Any

import pytest

from lox_bench.alignment.spec import DpoSpec
from lox_bench.attacks.spec import AttackScale, AttackSpec, SearchSpace
from lox_bench.codec import parse
from lox_bench.data.prompts import TaskSpec
from lox_bench.errors import SpecError, UsageError
from lox_bench.judges.kinds import ClassifierSpec, PromptedSpec
from lox_bench.serving.endpoint import ServingSpec
from lox_bench.study.family import FamilySpec, LoxSpec
from lox_bench.study.request import Request
from lox_bench.training.spec import SftSpec
from lox_bench.utility.spec import UtilitySpec
from lox_bench.weights.select import Settings, require_ranks

NAN, INF = float("nan"), float("inf")
TRAIN = {"learning_rate": 1e-4, "epochs": 1.0, "batch_size": 4, "micro_batch_size": 2}
DPO = {"train": TRAIN, "beta": 0.1, "sft_weight": 1.0}
LOX = {"k": 6, "alpha": 1.25}
FAMILY = {"name": "x", "description": "", "base": "y", "align": {}, "lox": LOX}
TASK = {
    "name": "x", "description": "", "prompts": "p", "metric": "asr", "counts": "complied",
    "max_new_tokens": 8,
}  # fmt: skip
UTILITY = {
    "name": "x", "description": "", "data": {}, "prompt": "", "target": "", "extract": "",
    "max_new_tokens": 8,
}  # fmt: skip
ATTACK = {
    "name": "x", "description": "", "data": {}, "prompt": "", "completion": "", "train": TRAIN
}  # fmt: skip
PROMPTED = {
    "kind": "k", "name": "x", "description": "", "parser": "yes-no", "prompt": "", "success": 1.0,
    "counts": [], "model": "m", "max_tokens": 8,
    "reads": "content",
}  # fmt: skip
CLASSIFIER = {
    "kind": "k", "name": "x", "description": "", "model": "m", "complied": [], "counts": [],
    "reads": "content",
}  # fmt: skip

CASES: list[tuple[type, Mapping[str, Any], str, list[Any]]] = [
    (SftSpec, TRAIN, "learning_rate", [0, -1e-4, 1e9, 1.5, NAN, INF]),
    (SftSpec, TRAIN, "epochs", [0, -1, 1e9, NAN, INF]),
    (SftSpec, TRAIN, "batch_size", [0, -4, 10**9, 2**70]),
    (SftSpec, TRAIN, "micro_batch_size", [0, -1, 10**6]),
    (SftSpec, TRAIN, "warmup_steps", [-1, 10**9]),
    (SftSpec, TRAIN, "schedule", ["", "Linear", "polynomial!", "cosin"]),
    (SftSpec, TRAIN, "max_grad_norm", [-1.0, INF, NAN]),
    (SftSpec, TRAIN, "max_length", [0, 1, -5, 10**9]),
    (SftSpec, TRAIN, "steps", [-1, 2**70]),
    (SftSpec, TRAIN, "weight_decay", [-0.1, 1e9, NAN, INF]),
    (SftSpec, TRAIN, "mask", ["", "prompt", "All"]),
    (SftSpec, TRAIN, "lora_r", [-1, 10**6]),
    (SftSpec, TRAIN, "lora_alpha", [-1, 10**9]),
    (DpoSpec, DPO, "beta", [0, -0.1, 1e9, NAN]),
    (DpoSpec, DPO, "sft_weight", [-1, INF]),
    (DpoSpec, DPO, "answer_tokens", [0, -1, 10**9]),
    (DpoSpec, DPO, "max_pairs", [-1, 2**64]),
    (LoxSpec, LOX, "alpha", [1e30, -1e30, NAN, INF]),
    (LoxSpec, LOX, "k", [-1, 2**64]),
    (FamilySpec, FAMILY, "dtype", ["float33", "", "int8", "bf16", "torch.bfloat16"]),
    (FamilySpec, FAMILY, "name", ["", "../../x", "/abs/x", "a b", "-x", "x" * 300]),
    (AttackScale, {}, "learning_rate", [0, -1, 1e9, NAN]),
    (AttackScale, {}, "epochs", [-1, 1e9]),
    (AttackScale, {}, "batch_size", [-1, 10**9]),
    (AttackScale, {}, "max_rows", [-1]),
    (SearchSpace, {}, "lr_low", [0, -1, INF]),
    (SearchSpace, {}, "epochs_low", [0, -1]),
    (AttackSpec, ATTACK, "max_rows", [-1, 2**64]),
    (AttackSpec, ATTACK, "name", ["", "../x", "a/b", "a\nb"]),
    (TaskSpec, TASK, "max_new_tokens", [-1, -8, 10**9]),
    (TaskSpec, TASK, "name", ["", "../x", "=1+1"]),
    (UtilitySpec, UTILITY, "max_new_tokens", [0, -8]),
    (UtilitySpec, UTILITY, "standin_max_new_tokens", [-1]),
    (UtilitySpec, UTILITY, "name", ["..", "$x$"]),
    (PromptedSpec, PROMPTED, "max_tokens", [0, -1, 10**9]),
    (PromptedSpec, PROMPTED, "seed", [-1, 2**64]),
    (PromptedSpec, PROMPTED, "success", [NAN, INF]),
    (ClassifierSpec, CLASSIFIER, "success", [-0.1, 1.1]),
    (ClassifierSpec, CLASSIFIER, "batch_size", [0, -1]),
    (ClassifierSpec, CLASSIFIER, "max_length", [0]),
    (ServingSpec, {}, "concurrency", [0, -1, 10**6]),
    (ServingSpec, {}, "requests_per_minute", [-1]),
    (ServingSpec, {}, "timeout_s", [0, -1, NAN, INF, 1e9]),
    (ServingSpec, {}, "retries", [-1, 10**6]),
    (ServingSpec, {}, "backoff_s", [-1, INF]),
    (ServingSpec, {}, "usd_per_million_in", [-1, INF, NAN]),
    (ServingSpec, {}, "usd_per_million_out", [-0.01]),
]
FLAT = [(cls, whole, key, value) for cls, whole, key, values in CASES for value in values]


@pytest.mark.fault(28)
@pytest.mark.parametrize(
    ("cls", "whole", "key", "value"),
    FLAT,
    ids=[f"{cls.__name__}.{key}={value!r:.20}" for cls, _, key, value in FLAT],
)
def test_what_cannot_be_meant_is_refused_with_its_range(
    cls: type, whole: Mapping[str, Any], key: str, value: Any
) -> None:
    parse(cls, whole, where="x.toml")
    with pytest.raises(SpecError, match=rf"^x\.toml: {key}: .* was wanted"):
        parse(cls, {**whole, key: value}, where="x.toml")


@pytest.mark.fault(28)
@pytest.mark.parametrize(
    "fields",
    [{"limit": 0}, {"limit": -1}, {"max_steps": 0}, {"attack_search": 0}, {"eval_every": -3},
     {"seeds": ()}, {"seeds": ((0, 0), (0, 0))}, {"seeds": ((2**64, 0),)}, {"seeds": ((0, -1),)},
     {"split": "test"}],
    ids=str,
)  # fmt: skip
def test_a_request_is_checked_too(fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Request(**fields).check()


@pytest.mark.fault(28)
@pytest.mark.parametrize(
    "fields",
    [{"alpha": 1e30}, {"alpha": -101.0}, {"alpha": NAN}, {"alpha": INF}, {"rank": 0},
     {"rank": -6}, {"dtype": "float33"}, {"precision": "float16"}],
    ids=str,
)  # fmt: skip
def test_so_is_a_hardening(fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Settings(**{"rank": 6, "alpha": 1.25, **fields})


@pytest.mark.fault(28)
@pytest.mark.parametrize("k", [65, 99999])
def test_more_directions_than_any_matrix_has_are_refused(k: int) -> None:
    shapes = {"wide": (64, 4096), "narrow": (8, 64)}
    with pytest.raises(UsageError, match="more than 64 directions"):
        require_ranks(dict.fromkeys(shapes, k), shapes)
    require_ranks(dict.fromkeys(shapes, 64), shapes)
