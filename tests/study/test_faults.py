"""Killed at any moment, damaged in any file: the numbers of a study stay what they are."""

import os
import random
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.forked import SMALL, start
from support.pico import FAMILY, NoProgress, save_pico

from lox_bench.engine.housekeeping import inventory, verify
from lox_bench.engine.store import Store

MODELS = "aligned,lox(k=1|2)+safe-lora(tau=0.9)+wise-ft(alpha=0.7)"
LONGER = ("--limit", "4", "--judges", "keyword-prefix,keyword-anywhere")
NOT_STORED = ".verified.json"  # remembers what was read; nothing rests on it


@dataclass(frozen=True)
class Pico:
    """A study of a pico family, and what it says when nothing happens to it."""

    family: Path
    cache: Path
    rows: str
    longer: str
    seconds: float

    def arguments(self, out: Path, *more: str) -> list[str]:
        named = ["--family", str(self.family), "--models", MODELS, "--out", str(out)]
        asked = more or ("--limit", "3")
        judged = () if "--judges" in asked else ("--judges", "keyword-prefix")
        return ["run", *named, *judged, "--max-steps", "2", "--quiet", *asked]

    def run(self, cache: Path, folder: Path, *more: str) -> tuple[str, str]:
        """Rows, and what was said."""
        said = folder.with_suffix(".log")
        child = start(self.arguments(folder, *more), cache=cache, said=said)
        child.join(120)
        assert child.exitcode == 0, said.read_text()
        return (folder / "leaderboard.csv").read_text(), said.read_text()


@pytest.fixture(scope="module")
def pico_study(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Pico:
    folder = tmp_path_factory.mktemp("undisturbed")
    save_pico(folder / "base", tokenizer)
    family = folder / "pico.toml"
    family.write_text(FAMILY.format(base=folder / "base"))
    study = Pico(family, folder / "cache", "", "", 0.0)
    rows, _ = study.run(folder / "cache", folder / "out")  # waits for the imports, too
    begun = time.monotonic()
    longer, _ = study.run(folder / "longer", folder / "long", *LONGER)
    seconds = time.monotonic() - begun
    return Pico(family, folder / "cache", rows, longer, seconds)


def kill_often(study: Pico, folder: Path, kills: int, seed: int) -> int:
    """Kill runs until there were so many kills; the number of runs that came to an end."""
    luck, done, ended, said = random.Random(seed), 0, 0, folder / "killed.log"
    while done < kills:
        place = folder / f"round{ended}"
        place.mkdir(exist_ok=True)
        child = start(study.arguments(place / "out"), cache=place / "cache", said=said)
        child.join(luck.uniform(0.0, study.seconds))
        if child.exitcode is None:
            child.kill()
            child.join()
            done += 1
            if done < kills:
                continue
            study.run(place / "cache", place / "out")
        else:
            assert child.exitcode == 0, said.read_text()
        assert (place / "out" / "leaderboard.csv").read_text() == study.rows
        assert_sound(place / "cache")
        ended += 1
    return ended


def assert_sound(cache: Path) -> None:
    """Nothing half is left where artifacts are, and none is damaged."""
    store = Store(cache)
    assert not list(verify(store, inventory(store), NoProgress(), report_only=True))


def flip(luck: random.Random, cache: Path) -> Path:
    """Flip one bit of one stored file, whose times stay; manifest, small and large in turn."""
    files = [file for folder in Store(cache).folders() for file in sorted(folder.rglob("*"))]
    files = [f for f in files if f.is_file() and not f.is_symlink() and f.name != NOT_STORED]
    files = [file for file in files if file.stat().st_size]
    classes = {
        "manifest": [f for f in files if f.name == "manifest.json"],
        "small": [f for f in files if f.name != "manifest.json" and f.stat().st_size < SMALL],
        "large": [f for f in files if f.stat().st_size >= SMALL],
    }
    held = [name for name in sorted(classes) if classes[name]]  # damaged weights are not remade
    file = luck.choice(classes[luck.choice(held)])
    content, times = bytearray(file.read_bytes()), file.stat()
    content[luck.randrange(len(content))] ^= 1 << luck.randrange(8)
    file.write_bytes(content)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    return file


def flip_often(study: Pico, folder: Path, flips: int, seed: int) -> None:
    """After each flip the study says the same, and so does a longer one that needs weights."""
    luck, cache = random.Random(seed), folder / "cache"
    shutil.copytree(study.cache, cache, symlinks=True)
    study.run(cache, folder / "remembers")
    for number in range(flips):
        file = flip(luck, cache)
        kind, key = file.relative_to(cache).parts[:2]
        copy = folder / f"copy{number}"
        shutil.copytree(cache, copy, symlinks=True)
        rows, said = study.run(cache, folder / f"out{number}")
        assert rows == study.rows, file
        assert said.replace("\n", "").count(f"cache: {kind}/{key}: ") == 1, (file, said)
        longer, _ = study.run(copy, folder / f"long{number}", *LONGER)
        assert longer == study.longer, file
        shutil.rmtree(copy)


@pytest.mark.slow
@pytest.mark.fault(31, inputs=2)
def test_killed_a_few_times_a_study_says_the_same(pico_study: Pico, tmp_path: Path) -> None:
    assert kill_often(pico_study, tmp_path, kills=2, seed=1)


@pytest.mark.slow
def test_a_few_flipped_bits_are_found_and_mended(pico_study: Pico, tmp_path: Path) -> None:
    flip_often(pico_study, tmp_path, flips=2, seed=2)


@pytest.mark.slow
@pytest.mark.fault(31, inputs=100)
def test_killed_a_hundred_times_a_study_says_the_same(pico_study: Pico, tmp_path: Path) -> None:
    assert kill_often(pico_study, tmp_path, kills=100, seed=3)


@pytest.mark.slow
def test_twenty_flipped_bits_are_found_and_mended(pico_study: Pico, tmp_path: Path) -> None:
    flip_often(pico_study, tmp_path, flips=20, seed=4)
