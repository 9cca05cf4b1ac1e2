"""Where runs lie, what their folders are called, and how one is found again.

A folder is called after the day and what a person asked for; the plan's hash is in the record
inside. The same study is found by that hash and goes on in its folder, on whatever day; another
study of the same words gets a folder of its own (``-2``).
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Final

from lox_bench.codec import read_json
from lox_bench.errors import DataError, UnknownNameError, UsageError
from lox_bench.files import MANIFEST
from lox_bench.results.folder import make
from lox_bench.results.lock import OURS, sole_writer
from lox_bench.results.record import Claim, RunRecord, load_record, save_record
from lox_bench.results.run import LEADERBOARD

RUNS: Final = Path("runs")  # below the folder that a command is started in
LATEST: Final = "latest"
_UNFIT: Final = re.compile(r"[^A-Za-z0-9._+-]+")
_LONGEST: Final = 80  # characters of the words in a folder's name


def place(root: Path, words: str, plans: Mapping[str, str], today: date | None = None) -> Path:
    """The folder of a study below ``root``: the one that holds it, else a new one, claimed.

    Args:
        root: where runs lie; made if it is not there.
        words: what the study is about; characters that are no part of a name give way.
        plans: key of the plan by the name of the folder inside; ``""`` is the folder itself.
        today: the day in a new folder's name (default: this one).

    Raises:
        StoreError: ``root`` cannot be made or written.
    """
    make(root)
    with sole_writer(root, wait=True):  # two commands never choose one new name
        held = _holding(root, plans)
        if held is not None:
            return held
        folder = _unused(root, f"{today or date.today()}-{fit(words)}")
        for name, plan in plans.items():
            make(folder / name)
            save_record(folder / name, Claim(plan))
    return folder


def fit(words: str) -> str:
    """The words as a part of a folder's name: plain characters, not too many, whole words."""
    plain = _UNFIT.sub("-", words).strip("-.")
    if len(plain) <= _LONGEST:
        return plain
    return re.sub(r"[-+._][^-+._]*$", "", plain[:_LONGEST]) + "-etc"


def run_folders(root: Path = RUNS) -> list[Path]:
    """Folders with a run's record, at ``root`` / NAME and ``root`` / NAME / FAMILY, by name."""
    return [folder for outer in _folders(root) for folder in (outer, *_folders(outer))
            if isinstance(held_in(folder), RunRecord | Claim)]  # fmt: skip


def held_in(folder: Path) -> RunRecord | Claim | None:
    """The record of the run in a folder; nothing if there is none that can be read."""
    if not (folder / MANIFEST).is_file():
        return None
    try:
        return load_record(folder)
    except DataError:
        return None


def is_left(folder: Path) -> bool:
    """Whether a run lies there that this lox-bench cannot read: another's, or a broken one."""
    if not (folder / MANIFEST).is_file() or held_in(folder) is not None:
        return False
    try:
        plain = read_json(folder / MANIFEST)
    except DataError:
        return (folder / LEADERBOARD).is_file()
    return isinstance(plain, dict) and isinstance(plain.get("variants"), list)


def left_folders(root: Path = RUNS) -> list[Path]:
    """Folders at ``root`` / NAME and ``root`` / NAME / FAMILY with a run that cannot be read."""
    return [
        folder
        for outer in _folders(root)
        for folder in (outer, *_folders(outer))
        if is_left(folder)
    ]


def latest_run(root: Path = RUNS) -> Path:
    """The finished run below ``root`` that finished last.

    Raises:
        UsageError: there is none.
    """
    found = [(folder, held_in(folder)) for folder in run_folders(root)]
    finished = [
        (record.finished, (folder / MANIFEST).stat().st_mtime_ns, folder)
        for folder, record in found
        if isinstance(record, RunRecord)
    ]
    if not finished:
        raise UsageError(
            f"{LATEST}: there is no finished run in {root.absolute()}; name a run's folder, or "
            "make one: lox-bench run"
        )
    return max(finished)[-1]


def running(root: Path = RUNS) -> Path:
    """The run below ``root`` that was begun last and has not finished; else the latest.

    Raises:
        UsageError: there is no run at all.
    """
    begun = [folder for folder in run_folders(root) if isinstance(held_in(folder), Claim)]
    if begun:
        return max(begun, key=lambda folder: (folder / MANIFEST).stat().st_mtime_ns)
    return latest_run(root)


def find_run(text: str, root: Path = RUNS) -> Path:
    """The path that a user means: ``latest``, the name of a run in ``root``, or a path.

    ``./latest`` is a folder of that name. Whether a run is there is for ``open_run`` to say.

    Raises:
        UsageError: ``latest`` is asked, and there is no finished run.
        UnknownNameError: it is a plain name, and neither a folder, a file nor a run of that name
            is there.
    """
    if text == LATEST:
        return latest_run(root)
    path = Path(text).expanduser()
    if path.exists() or path.is_absolute():
        return path
    named = root / path
    if named.is_dir():
        return named
    known = [str(folder.relative_to(root)) for folder in run_folders(root)]
    if known and len(path.parts) == 1 and not path.suffix:
        raise UnknownNameError("run", text, [*known, LATEST])
    return path


def _holding(root: Path, plans: Mapping[str, str]) -> Path | None:
    """The newest folder that holds all of these plans."""
    for folder in reversed(_folders(root)):
        if all(_plan_of(folder / name) == plan for name, plan in plans.items()):
            return folder
    return None


def _plan_of(folder: Path) -> object:
    """The key in a record, which need not be whole otherwise: ``claim`` looks closer."""
    if not (folder / MANIFEST).is_file():
        return None
    try:
        plain = read_json(folder / MANIFEST)
    except DataError:
        return None
    return plain.get("plan") if isinstance(plain, dict) else None


def _unused(root: Path, name: str) -> Path:
    """The first of ``name``, ``name-2``, ... that is not there, or holds nothing."""
    return next(path for path in _numbered(root / name) if _is_free(path))


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    number = 2
    while True:
        yield path.with_name(f"{path.name}-{number}")
        number += 1


def _is_free(path: Path) -> bool:
    if not path.exists() and not path.is_symlink():
        return True
    return path.is_dir() and all(file.name in OURS for file in path.iterdir())


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if path.is_dir() and path.name[:1] != ".")
