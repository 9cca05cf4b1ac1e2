"""What ``--backend`` asks for: who computes local models, and how endpoints are asked."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Annotated, Any, Final

from lox_bench.backends.backend import SERVED, Backend, Configured, resolved
from lox_bench.errors import UsageError
from lox_bench.grammar import Call, parse_calls
from lox_bench.methods.arguments import build_method
from lox_bench.ranges import OneOf, Range, unfit
from lox_bench.registry import Kind, load_code
from lox_bench.serving.endpoint import ServingSpec

HF, VLLM, OPENAI, AUTO = "hf", "vllm", "openai", "auto"
_COMMON: Final[Mapping[str, Any]] = {
    "dtype": Annotated[str, OneOf("auto", "float32", "bfloat16", "float16")],
    "batch_size": Annotated[int, Range(1, 65536)],
}
_DIGITS: Final = 6  # of a batch size


@dataclass(frozen=True, slots=True)
class Backends:
    """``local`` computes weights, ``served`` asks endpoints; ``why`` says how ``auto`` chose."""

    local: Backend
    served: Configured
    why: str = ""


def choose_backends(text: str) -> Backends:
    """Read ``hf``, ``vllm(tensor_parallel=2)``, ``auto``, ``hf,openai(key_env=MY_KEY)``.

    Raises:
        UnknownNameError: nothing is called so.
        UsageError: an argument is unknown or not allowed, or two back ends are to compute.
        MissingExtraError: its library is not installed.
    """
    calls = parse_calls(text)
    served = [call for call in calls if call.name == OPENAI]
    local = [call for call in calls if call.name != OPENAI]
    if len(local) > 1 or len(served) > 1:
        raise UsageError(
            f"--backend {text}: one back end computes all models of a run; beside it only "
            "openai(...) may stand, which says how served models are asked"
        )
    chosen, why = (local[0], "") if local else (Call(HF, {}), "")
    if chosen.name == AUTO:
        name, why = automatic()
        chosen = replace(chosen, name=name)
    return Backends(
        resolved(_local(chosen)),
        _served(served[0] if served else Call(OPENAI, {})),
        why and f"back end: {chosen.name} (auto: {why})",
    )


def automatic() -> tuple[str, str]:
    """The back end that suits this machine, and why (loads torch)."""
    from lox_bench.devices import pick_device

    if pick_device().type != "cuda":
        return HF, "there is no GPU, and on a CPU starting vllm takes longer than it saves"
    if find_spec(VLLM) is None:
        return HF, "vllm is not installed: pip install 'lox-bench[vllm]'"
    return VLLM, "there is a GPU, and vllm is installed"


def _local(call: Call) -> Backend:
    """The back end that a call means; its library is there."""
    build = load_code(Kind.BACKENDS, call.name)
    if call.name == VLLM:
        from lox_bench.backends.engine import require_vllm

        require_vllm()
    batch = getattr(build, "default_batch", Backend().batch_size)
    values = {"dtype": "auto", "batch_size": batch, **_common(call)}
    args = {name: text for name, text in call.args.items() if name not in _COMMON}
    options = getattr(build, "Options", None)
    if options is not None:
        own = build_method(options, Call(call.name, args), what="back end")
        slot = "options" if getattr(build, "changes_answers", True) else "manner"
        return Configured(call.name, **values, **{slot: own})
    if args:
        raise UsageError(
            f"back end {str(call)!r}: unknown argument {next(iter(args))!r}; it takes "
            f"{', '.join(_COMMON)}"
        )
    return Backend(call.name, **values)


def _served(call: Call) -> Configured:
    manner = build_method(ServingSpec, call, what="back end")
    return Configured(call.name, SERVED, 1, manner=manner)


def _common(call: Call) -> dict[str, Any]:
    """What every back end that computes takes."""
    found: dict[str, Any] = dict(call.args)
    if "batch_size" in found:
        text = found["batch_size"]
        found["batch_size"] = int(text) if text.isdecimal() and len(text) <= _DIGITS else 0
    for name, hint in _COMMON.items():
        if name in found and (wanted := unfit(hint, found[name])):
            raise UsageError(
                f"back end {str(call)!r}: {name} must be {wanted}, not {call.args[name]!r}"
            )
    return {name: found[name] for name in _COMMON if name in found}
