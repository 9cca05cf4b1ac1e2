"""``lox-bench doctor``: what is here, what is not, and what to do about it."""

import shutil
from typing import Annotated

import typer
from rich.console import Console

from lox_bench.attacks.spec import load_attack
from lox_bench.cli.jsonout import print_json
from lox_bench.cli.writing import rich_table
from lox_bench.data.spec import DataSpec
from lox_bench.engine.store import Store, default_root
from lox_bench.provenance import ABSENT, environment, versions
from lox_bench.registry import names_of
from lox_bench.results.text_table import TextTable
from lox_bench.sources.reach import reach
from lox_bench.study.family import load_family

_GIB = 1 << 30
_WANTED_GIB = 4.0  # what the default family's checkpoints take for one seed


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print JSON, nothing else.")] = False,
) -> None:
    """Check the installation: packages, devices, cache, data and models within reach."""
    rows = (*_packages(), *_machine(), *_cache(), *_reachable())
    if json:
        print_json([dict(zip(("what", "found", "to_do"), row, strict=True)) for row in rows])
        return
    Console().print(rich_table(TextTable("", ("what", "found", "what to do"), rows)))


def _packages() -> list[tuple[str, str, str]]:
    return [
        (name, held, "" if held != ABSENT else f"pip install {name}")
        for name, held in versions().items()
    ]


def _machine() -> list[tuple[str, str, str]]:
    facts = environment()
    slow = facts["compute_dtype"] == "float32"
    advice = "no fast bfloat16 here: expect runs to take several times longer" if slow else ""
    return [
        ("device", f"{facts['device']}, {facts['cores']} cores, {facts['threads']} threads", ""),
        ("arithmetic", str(facts["compute_dtype"]), advice),
    ]


def _cache() -> list[tuple[str, str, str]]:
    store = Store(default_root())
    free = shutil.disk_usage(store.root).free / _GIB
    advice = "" if free > _WANTED_GIB else f"{_WANTED_GIB:.0f} GiB are wanted: set LOX_BENCH_CACHE"
    return [("cache", f"{store.root}, {free:.0f} GiB free", advice)]


def _reachable() -> list[tuple[str, str, str]]:
    rows = []
    for name in names_of("families"):
        family = load_family(name)
        found = reach(family.base)
        advice = "" if found.startswith("yes") else "fetch it on a machine with access, or skip it"
        rows.append((f"family {name}", found, advice))
    for name in names_of("attacks"):
        spec = load_attack(name)
        found = _reach_data(spec.data)
        advice = "" if found.startswith("yes") else f"--data {name}=FILE.jsonl, else the stand-in"
        rows.append((f"data of attack {name}", found, advice))
    return rows


def _reach_data(data: DataSpec) -> str:
    """Whether an attack's real data are in the hub's cache or on the hub."""
    from huggingface_hub import HfApi

    try:
        HfApi().dataset_info(data.hub, revision=data.revision, timeout=3.0)
    except Exception as error:  # noqa: BLE001 - whatever it is, the hub is out of reach
        return f"no: {data.hub} out of reach ({type(error).__name__})"
    return f"yes, {data.hub} on the hub"
