"""Libraries that only some requests need: asked for before work starts."""

from importlib.util import find_spec

from lox_bench.errors import MissingExtraError


def require_bitsandbytes() -> None:
    """Fail early where QLoRA's library is not installed.

    Raises:
        MissingExtraError: it is not; the message names the command.
    """
    if find_spec("bitsandbytes") is None:
        raise MissingExtraError("lora_quant (QLoRA)", "bitsandbytes", "qlora")
