"""Artifacts at a URL that fsspec opens (``s3://bucket/folder``, ``gs://``, ``file:///``).

An artifact is ``URL/kind/key/``: each file under the SHA-256 of its content, and ``manifest.json``,
which is written last and says which of them it consists of. Without a manifest nothing is there, so
half an upload is never seen; two who upload the same key cannot mix their files, and the manifest
that came first stands. ``.freed`` lists files that were dropped on purpose.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from lox_bench.engine.artifact import FREED, Manifest, dump, lasts, parse_manifest
from lox_bench.engine.state import Named
from lox_bench.errors import MissingExtraError, StoreError, UsageError
from lox_bench.files import MANIFEST

_TRIES: Final = 6
_FIRST_WAIT_S: Final = 0.2
_PARTIAL: Final = "partial"
_PROBES: Final = "probes"
_HOPELESS: Final = (FileNotFoundError, PermissionError, NotImplementedError)

T = TypeVar("T")


class DamagedError(StoreError):
    """What was downloaded again and again is not what the manifest says."""


class Depot:
    """What lies at a URL; every request is made again where it fails for a while."""

    def __init__(self, url: str) -> None:
        """Open the URL; nothing is asked of it yet.

        Raises:
            UsageError: fsspec knows no such protocol.
            MissingExtraError: it does, but the library behind it is not installed.
        """
        self.url = url
        try:
            import fsspec

            options = {"use_listings_cache": False, "skip_instance_cache": True}
            self._fs, self._root = fsspec.core.url_to_fs(url, **options)
        except ImportError as error:
            raise MissingExtraError(f"--store {url}", "fsspec or what it needs", "s3") from error
        except ValueError as error:
            raise UsageError(f"--store {url}: {error}") from error

    def manifest(self, name: Named, *, partial: bool = False) -> Manifest | None:
        """The manifest of an artifact; ``None`` where there is none, or not a sound one."""
        text = self._read(self._path(name, MANIFEST, partial=partial))
        manifest = None if text is None else parse_manifest(text.decode("utf-8", "replace"))
        known = manifest is not None and (manifest.kind, manifest.key) == (name.kind, name.key)
        return manifest if known else None

    def freed(self, name: Named) -> frozenset[str] | None:
        """Which files of an artifact were dropped on purpose; ``None`` if none were."""
        text = self._read(self._path(name, FREED))
        return None if text is None else frozenset(json.loads(text))

    def whole(self) -> set[tuple[str, str]]:
        """Kind and key of all artifacts from which nothing was dropped, by one listing."""
        found: list[str] = self._insist("list", lambda: self._found(self._root))
        parts = [path.removeprefix(self._root).strip("/").split("/") for path in found]
        held: dict[str, set[tuple[str, str]]] = {MANIFEST: set(), FREED: set()}
        for part in parts:
            if len(part) == 3 and part[2] in held:  # noqa: PLR2004 - kind, key, file
                held[part[2]].add((part[0], part[1]))
        return held[MANIFEST] - held[FREED]

    def push(
        self, folder: Path, manifest: Manifest, *, partial: bool = False, anew: bool = False
    ) -> Manifest:
        """Upload an artifact's files, then its manifest; the manifest that stands in the end.

        Args:
            folder: where its files are.
            manifest: says which.
            partial: it is not final, and replaces an earlier one.
            anew: it replaces one that was freed or damaged.
        """
        for name, entry in manifest.files.items():
            self._upload(folder / name, self._path(manifest, entry.sha256, partial=partial))
        place, text = self._path(manifest, MANIFEST, partial=partial), dump(manifest).encode()
        if partial or anew:
            self._insist("write", lambda: self._fs.pipe_file(place, text))
            self._remove([self._path(manifest, FREED)] if anew else [])
            return manifest
        return self._insist("write", lambda: self._publish(manifest, place, text))

    def pull(self, manifest: Manifest, name: str, file: Path, *, partial: bool = False) -> None:
        """Download one file of an artifact, and look whether it is what the manifest says.

        Raises:
            DamagedError: it is not, however often it is asked for.
        """
        entry = manifest.files[name]
        place = self._path(manifest, entry.sha256, partial=partial)
        file.parent.mkdir(parents=True, exist_ok=True)

        def download() -> None:
            self._fs.get_file(place, str(file))
            with file.open("rb") as stream:
                if hashlib.file_digest(stream, "sha256").hexdigest() != entry.sha256:
                    raise DamagedError(f"{manifest.kind}/{manifest.key}: {name} is damaged")

        try:
            self._insist("read", download)
        except FileNotFoundError as error:
            raise DamagedError(f"{manifest.kind}/{manifest.key}: {name} is missing") from error

    def free(self, manifest: Manifest) -> None:
        """Drop an artifact's large files; the mark that says so comes first."""
        large = [name for name, entry in manifest.files.items() if not lasts(name, entry.size)]
        if large and self.freed(manifest) is None:
            place, text = self._path(manifest, FREED), json.dumps(large).encode()
            self._insist("write", lambda: self._fs.pipe_file(place, text))
            self._remove([self._path(manifest, manifest.files[name].sha256) for name in large])

    def discard(self, name: Named) -> None:
        """Remove an artifact, its manifest first."""
        self._remove([self._path(name, MANIFEST)])
        rest = self._insist("list", lambda: self._found(self._path(name, "")))
        self._remove(rest)

    def put_probe(self, token: str) -> None:
        """Leave a mark for other machines to find."""
        place = f"{self._root}/{_PROBES}/{token}"
        self._insist("write", lambda: self._fs.pipe_file(place, token.encode()))

    def sees_probe(self, token: str) -> bool:
        """Whether a mark that another machine left can be read here."""
        return self._read(f"{self._root}/{_PROBES}/{token}") == token.encode()

    def remove_probe(self, token: str) -> None:
        """Take it away again."""
        self._remove([f"{self._root}/{_PROBES}/{token}"])

    def _path(self, name: Named, file: str, *, partial: bool = False) -> str:
        root = f"{self._root}/{_PARTIAL}" if partial else self._root
        return f"{root}/{name.kind}/{name.key}/{file}".rstrip("/")

    def _publish(self, manifest: Manifest, place: str, text: bytes) -> Manifest:
        """Write a manifest where there is none; somebody else's stands if it was first."""
        try:
            self._fs.pipe_file(place, text, mode="create")
        except Exception:
            theirs = self.manifest(manifest)
            if theirs is None:
                raise
            return theirs
        return manifest

    def _upload(self, file: Path, place: str) -> None:
        size = file.stat().st_size

        def upload() -> None:
            with suppress(FileNotFoundError):
                if self._fs.info(place)["size"] == size:
                    return  # its name is its content
            self._fs.makedirs(place.rsplit("/", 1)[0], exist_ok=True)
            self._fs.put_file(str(file), place)
            if self._fs.info(place)["size"] != size:
                raise StoreError(f"{place} arrived incomplete")

        self._insist("write", upload)

    def _found(self, root: str) -> list[str]:
        try:
            return list(self._fs.find(root))
        except FileNotFoundError:
            return []

    def _read(self, place: str) -> bytes | None:
        try:
            content: bytes = self._insist("read", lambda: self._fs.cat_file(place))
        except FileNotFoundError:
            return None
        return content

    def _remove(self, places: Iterable[str]) -> None:
        for place in places:
            with suppress(FileNotFoundError):
                self._insist("write", lambda place=place: self._fs.rm_file(place))  # type: ignore[misc]

    def _insist(self, verb: str, request: Callable[[], T]) -> T:
        """Try again, ever later, what may only fail for a while.

        Raises:
            FileNotFoundError: there is no such thing.
            StoreError: the request fails each time.
        """
        for number in range(_TRIES):
            try:
                return request()
            except FileNotFoundError:
                raise
            except Exception as error:
                if number == _TRIES - 1 or isinstance(error, _HOPELESS):
                    raise self._failed(verb, error) from error
            time.sleep(_FIRST_WAIT_S * 2**number)
        raise AssertionError

    def _failed(self, verb: str, error: Exception) -> StoreError:
        if isinstance(error, DamagedError):
            return error
        return StoreError(
            f"cannot {verb} {self.url} ({type(error).__name__}: {_line(error)}); is it up, do the "
            "credentials hold? Then run the same command again: what is finished stays"
        )


def _line(error: Any) -> str:
    return str(error).strip().split("\n")[0][:200]
