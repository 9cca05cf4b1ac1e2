"""Pin a source by content before any work: the wheel member's hash, a commit, a folder's hash."""

import hashlib
from pathlib import Path

from lox_bench.engine.hashes import content_hash
from lox_bench.errors import SourceError
from lox_bench.sources.layout import is_adapter, read_model_config, weight_files
from lox_bench.sources.uri import HubSource, WheelSource, parse_source

_HUB_TIMEOUT_S = 5.0
_TEMPLATES = "additional_chat_templates"
# what a folder may hold beside a model, and nothing that computes or renders reads
_BESIDE = {".bin", ".csv", ".gguf", ".h5", ".jpg", ".log", ".md", ".msgpack", ".onnx", ".png",
           ".pt", ".pth", ".py"}  # fmt: skip


def identify(uri: str) -> str:
    """Return a string that changes whenever the weights behind ``uri`` do.

    Raises:
        SourceError: the path does not exist or holds no model, or the hub cannot be asked.
    """
    source = parse_source(uri)
    if isinstance(source, WheelSource):
        return f"sha256:{source.sha256}"
    if isinstance(source, HubSource):
        return f"commit:{_commit(source)}"
    return f"sha256:{_folder_hash(source.path)}"


def _commit(source: HubSource) -> str:
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        info = HfApi().model_info(source.repo, revision=source.revision, timeout=_HUB_TIMEOUT_S)
        return str(info.sha)
    except Exception as error:  # noqa: BLE001 - offline, gated or absent: the cache may still know
        reason = type(error).__name__
    try:
        cached = snapshot_download(
            source.repo, revision=source.revision, local_files_only=True, allow_patterns=["*.json"]
        )
    except (LocalEntryNotFoundError, HfHubHTTPError) as error:
        raise SourceError(
            f"hf://{source.repo}@{source.revision} is neither reachable ({reason}) nor in the hub "
            "cache; check the network, the name, and `hf auth login` for gated models"
        ) from error
    return Path(cached).name


def content_files(path: Path) -> list[Path]:
    """The files of a model folder that can change what the model says, in order.

    Weights and their index, configuration, tokenizer, chat templates and generation settings:
    every file at the top but notes and other formats' weights, and the additional chat templates.
    """
    held = [*path.iterdir(), *(path / _TEMPLATES).glob("*.jinja")]
    return sorted(
        file
        for file in held
        if file.is_file() and not file.name.startswith(".") and file.suffix not in _BESIDE
    )


def require_own_files(path: Path) -> None:
    """Refuse a model folder whose links lead out of it: what they point at is no part of a model.

    The hub's cache links from ``snapshots/REVISION`` to ``blobs`` of the same repository.

    Raises:
        SourceError: a link leads elsewhere, or there is no such folder.
    """
    if not path.is_dir():
        raise SourceError(f"{path} is no folder; a model in hub layout was wanted")
    here = path.resolve()
    blobs = here.parents[1] / "blobs" if here.parent.name == "snapshots" else here
    for file in content_files(path):
        target = file.resolve()
        if not (target.is_relative_to(here) or target.is_relative_to(blobs)):
            raise SourceError(
                f"{file} is a link out of its folder, to {target}; files of a model lie in it "
                "(copy the file there if it is meant)"
            )


def _folder_hash(path: Path) -> str:
    require_own_files(path)
    if not is_adapter(path):
        read_model_config(path)
        weight_files(path)
    files = content_files(path)
    total = hashlib.sha256()
    for file in files:
        name = file.relative_to(path).as_posix()
        total.update(f"{name}:{content_hash(file)}\n".encode())
    return total.hexdigest()
