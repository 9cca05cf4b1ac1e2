"""Logs of inspect (AISI): ``.eval``, a zip of JSON files, and ``.json``, all in one.

Read are samples (input, output, scores, epoch), the model's name and how it was asked to decode.
Nothing in a log is imported or run. Recent logs are zips compressed with Zstandard, which
Python knows since 3.14; before, the extra ``inspect`` brings it.
"""

import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from lox_bench.data.user_file import MOST_BYTES
from lox_bench.errors import DataError, MissingExtraError
from lox_bench.interchange.foreign import Foreign, ForeignAnswer
from lox_bench.strict_json import parse_json
from lox_bench.types import Finish

TOOL: Final = "inspect"
_ZIP: Final = b"PK"
_ZSTD: Final = "zipfile_zstd"
_ATTACHED: Final = "attachment://"
_FINISHES: Final = {"stop": Finish.STOP, "max_tokens": Finish.LENGTH, "model_length": Finish.LENGTH}

Plain = Mapping[str, Any]


def read_inspect(path: Path) -> Foreign:
    """Read a log.

    Raises:
        DataError: it is no log, holds no samples, or is larger than 2 GiB, unpacked.
        MissingExtraError: it is compressed in a way that this Python does not know.
    """
    where = f"inspect log {path}"
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataError(f"{where} is larger than {MOST_BYTES >> 30} GiB")
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{where} cannot be read ({error.strerror})") from error
    head, samples = _unzipped(raw, where) if raw.startswith(_ZIP) else _one_json(raw, where)
    about, plan = _part(head, "eval"), _part(head, "plan")
    if not samples:
        raise DataError(f"{where} holds no samples (status: {head.get('status', 'none')})")
    config = _part(plan, "config")
    end = config.get("max_tokens")
    answers = [_answer(sample, f"{where}, sample {n}") for n, sample in enumerate(samples, 1)]
    return Foreign(
        tool=TOOL,
        version=str(_part(about, "packages").get("inspect_ai", "")),
        file=(path.name, hashlib.sha256(raw).hexdigest()),
        model=str(about.get("model", "")),
        task=str(about.get("task", "")),
        answers=tuple(answers),
        settings={"status": head.get("status"), "config": config, "solvers": _solvers(plan)},
        max_new_tokens=end if isinstance(end, int) else None,
    )


def _one_json(raw: bytes, where: str) -> tuple[Plain, list[Plain]]:
    plain = _json(raw, where)
    samples = plain.get("samples")
    return plain, [item for item in samples if isinstance(item, dict)] if samples else []


def _unzipped(raw: bytes, where: str) -> tuple[Plain, list[Plain]]:
    if find_spec(_ZSTD) is not None:
        import_module(_ZSTD)  # teaches zipfile a compression more
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            if sum(member.file_size for member in archive.infolist()) > MOST_BYTES:
                raise DataError(f"{where} is larger than {MOST_BYTES >> 30} GiB, unpacked")
            names = archive.namelist()
            start = "header.json" if "header.json" in names else "_journal/start.json"
            head = _json(_member(archive, start, where), f"{where}: {start}")
            inside = sorted(n for n in names if n.startswith("samples/") and n.endswith(".json"))
            held = [_json(_member(archive, n, where), f"{where}: {n}") for n in inside]
            return head, held
    except NotImplementedError as error:
        raise MissingExtraError("reading this log", "zipfile-zstd", "inspect") from error
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise DataError(f"{where} is a broken zip archive ({error})") from error


def _member(archive: zipfile.ZipFile, name: str, where: str) -> bytes:
    """One member, never more of it than the archive's table says."""
    size = archive.getinfo(name).file_size
    with archive.open(name) as stream:
        data = stream.read(size + 1)
    if len(data) > size:
        raise DataError(f"{where}: {name} is larger than the archive says")
    return data


def _answer(sample: Plain, where: str) -> ForeignAnswer:
    name, output = sample.get("id"), _part(sample, "output")
    if not isinstance(name, str | int) or isinstance(name, bool):
        raise DataError(f"{where}: a text or number was wanted under 'id'")
    scores = {str(key): value.get("value") for key, value in _part(sample, "scores").items()
              if isinstance(value, dict)}  # fmt: skip
    epoch, used = sample.get("epoch", 1), _part(output, "usage").get("output_tokens")
    choices = output.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else {}
    if not isinstance(choice, dict):
        raise DataError(f"{where}: an object was wanted as the first of 'choices'")
    return ForeignAnswer(
        prompt_id=str(name),
        prompt=_said(sample.get("input"), sample, where),
        text=_said(_part(choice, "message").get("content", ""), sample, where),
        topic=str(_part(sample, "metadata").get("category", "")),
        repetition=epoch - 1 if isinstance(epoch, int) else 0,
        tokens=used if isinstance(used, int) else 0,
        finish=_FINISHES.get(str(choice.get("stop_reason")), Finish.UNKNOWN),
        scores=scores,
    )


def _said(held: Any, sample: Plain, where: str) -> str:
    """A text, the texts of a message's parts, or the last message of a user's."""
    if isinstance(held, str):
        return _attached(held, sample)
    if not isinstance(held, list):
        raise DataError(f"{where}: a text or a list was wanted, not {str(held)[:60]!r}")
    parts = [item for item in held if isinstance(item, dict)]
    users = [item for item in parts if item.get("role") == "user"]
    if users:
        return _said(users[-1].get("content"), sample, where)
    texts = [str(item.get("text", "")) for item in parts if item.get("type") == "text"]
    return _attached("".join(texts), sample)


def _attached(text: str, sample: Plain) -> str:
    """Long texts stand apart in a sample, once."""
    if not text.startswith(_ATTACHED):
        return text
    return str(_part(sample, "attachments").get(text.removeprefix(_ATTACHED), text))


def _solvers(plan: Plain) -> list[str]:
    return [str(step.get("solver")) for step in _steps(plan)]


def _steps(plan: Plain) -> Iterator[Plain]:
    steps = plan.get("steps")
    yield from (step for step in steps if isinstance(step, dict)) if steps else ()


def _part(plain: Any, name: str) -> Plain:
    held = plain.get(name) if isinstance(plain, dict) else None
    return held if isinstance(held, dict) else {}


def _json(raw: bytes, where: str) -> Plain:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{where} is not UTF-8 ({error.reason})") from error
    plain = parse_json(text, where=where)
    if not isinstance(plain, dict):
        raise DataError(f"{where}: an object was wanted")
    return plain
