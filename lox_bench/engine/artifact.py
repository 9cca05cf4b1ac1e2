"""A finished stage on disk, and what its manifest says.

The manifest lists every file with size and SHA-256 and carries a digest of itself; it is written
last. Large files that were verified are remembered by size, times and inode (``.verified.json``),
so that checking a checkpoint again costs no reading.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from lox_bench.codec import hash_of
from lox_bench.engine.stage import Facts
from lox_bench.files import MANIFEST

VERIFIED: Final = ".verified.json"
FREED: Final = ".freed"
ALWAYS_READ = 4 << 20  # bytes; smaller files are hashed at every reading
LASTING = 1 << 20  # bytes; smaller files outlive the freeing of an artifact

Stamp = list[int]


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an artifact."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is known of an artifact: how it was made, when, in how many seconds, of which files.

    ``stage`` is the identity of what was built (``engine.stage.describe``), ``units`` and ``scale``
    its effort, for forecasts.
    """

    kind: str
    key: str
    made: str
    seconds: float
    units: float
    scale: str
    facts: Facts
    stage: Mapping[str, Any]
    files: Mapping[str, Entry]

    @property
    def nbytes(self) -> int:
        """Size of all files."""
        return sum(entry.size for entry in self.files.values())


@dataclass(frozen=True, slots=True)
class Artifact:
    """The folder of a finished stage, with its manifest; ``partial``: readable, not final."""

    path: Path
    manifest: Manifest
    partial: bool = False


def dump(manifest: Manifest) -> str:
    """The text of ``manifest.json``, a digest of the rest at its head."""
    body = asdict(manifest)
    text = json.dumps({"digest": digest_of(body), **body}, indent=2, ensure_ascii=False)
    return f"{text}\n"


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest in a folder; ``None`` if there is none, or it is not what was written."""
    try:
        return parse_manifest((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def parse_manifest(text: str) -> Manifest | None:
    """The manifest of a text; ``None`` if it is not what ``dump`` wrote."""
    try:
        body = json.loads(text)
        if body.pop("digest") != digest_of(body):
            return None
        files = {name: Entry(**entry) for name, entry in body.pop("files").items()}
        return Manifest(files=files, **body)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def digest_of(body: Mapping[str, Any]) -> str:
    """What a manifest's digest must be."""
    return hash_of(json.loads(json.dumps(body)))


def files_in(folder: Path) -> Iterator[Path]:
    """Every file of an artifact but the engine's own; links count as files."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in {MANIFEST, VERIFIED, FREED}:
            yield path


def lasts(name: str, size: int) -> bool:
    """Whether a file outlives the freeing of its artifact: weights and other large ones go."""
    return size < LASTING and not name.endswith(".safetensors")


def listed(folder: Path) -> dict[str, Entry]:
    """Size and hash of every file in a folder, by path below it."""
    return {
        str(path.relative_to(folder)): Entry(path.stat().st_size, sha256_of(path))
        for path in files_in(folder)
    }


def sha256_of(path: Path) -> str:
    """Hash of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def stamp_of(path: Path) -> Stamp:
    """What changes when a file is written to: size, times, inode."""
    held = path.stat()
    return [held.st_size, held.st_mtime_ns, held.st_ctime_ns, held.st_ino]


def damage(folder: Path, manifest: Manifest, *, thorough: bool = False) -> str:
    """What is wrong with an artifact's files, in a few words; empty if nothing is.

    Args:
        folder: the artifact.
        manifest: its manifest.
        thorough: read every file, whatever was verified before.
    """
    known = {} if thorough else _remembered(folder)
    fresh: dict[str, Stamp] = {}
    for name, entry in manifest.files.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        stamp = stamp_of(path)
        if stamp[0] != entry.size:
            return f"{name} has {stamp[0]} bytes instead of {entry.size}"
        if entry.size <= ALWAYS_READ or known.get(name) != stamp:
            if sha256_of(path) != entry.sha256:
                return f"the content of {name} has changed"
            if entry.size > ALWAYS_READ:
                fresh[name] = stamp
    if fresh:
        remember(folder, {**known, **fresh})
    return ""


def remember(folder: Path, stamps: Mapping[str, Stamp]) -> None:
    """Keep what was verified beside the artifact; where that cannot be written, do without."""
    scratch = folder / f"{VERIFIED}.part"
    try:
        scratch.write_text(json.dumps(stamps))
        scratch.replace(folder / VERIFIED)
    except OSError:
        with suppress(OSError):
            scratch.unlink()


def _remembered(folder: Path) -> dict[str, Stamp]:
    try:
        held = json.loads((folder / VERIFIED).read_text())
    except (OSError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}
