"""Labelled sets by name: the one that ships with lox-bench, and those that others have published.

Published ones are fetched at a pinned commit when asked for, and never stored in this project:
they hold real harmful answers.
"""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.request import urlopen

from lox_bench.engine.context import Context, Inputs
from lox_bench.engine.stage import Facts, Stage
from lox_bench.engine.store import Store, default_root
from lox_bench.errors import DataError, SourceError
from lox_bench.judges.labelled import LabelledSet, labelled_set, parse_labels, read_labels
from lox_bench.sources.hub import snapshot

BUILTIN: Final = "builtin"
_TIMEOUT_S = 15.0
_JBB: Final = ("JailbreakBench/JBB-Behaviors", "886acc352a31533ffbcf4ef22c744658688086fc")
_JBB_FILE: Final = "data/judge-comparison.csv"
_HARMBENCH: Final = (
    "https://raw.githubusercontent.com/centerforaisafety/HarmBench/"
    "8e1604d1171fe8a48d8febecd22f600e462bdcdd/data/"
)
_HARMBENCH_LABELS: Final = "classifier_val_sets/text_behaviors_val_set.json"
_HARMBENCH_BEHAVIOURS: Final = "behavior_datasets/harmbench_behaviors_text_all.csv"


@dataclass(frozen=True, eq=False)
class HarmBenchLabels(Stage):
    """The files of HarmBench's classifier validation set, fetched from ``source``."""

    kind: ClassVar[str] = "labels"

    source: str
    files: tuple[str, ...]

    def build(self, inputs: Inputs, out: Path, context: Context) -> Facts:
        """Fetch them."""
        del inputs, context
        return self.fetch(out)

    def fetch(self, out: Path) -> Facts:
        """Download the files into a folder.

        Raises:
            DataError: GitHub is out of reach.
        """
        for name in self.files:
            try:
                with urlopen(self.source + name, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - https
                    (out / Path(name).name).write_bytes(answer.read())
            except (OSError, HTTPException) as error:
                raise _out_of_reach(
                    "harmbench", self.source + name, type(error).__name__
                ) from error
        return {}


def load_labels(name: str) -> LabelledSet:
    """Load a labelled set by name (``LABEL_SETS``), or a file of the user's.

    Raises:
        DataError: the set is out of reach, the file is missing, or its form is unknown.
    """
    if name in LABEL_SETS:
        return LABEL_SETS[name]()
    path = Path(name).expanduser()
    if not path.is_file():
        raise DataError(
            f"--labels {name} is neither a file nor a set we know ({', '.join(LABEL_SETS)})"
        )
    return read_labels(path)


def load_builtin() -> LabelledSet:
    """The stress set of harmless answers written for this project (docs/calibration.md)."""
    file = resources.files("lox_bench.assets.judges") / "labelled" / "pairs.jsonl"
    return parse_labels(file.read_text(encoding="utf-8"), ".jsonl", name=BUILTIN)


def load_jailbreakbench() -> LabelledSet:
    """JailbreakBench's judge comparison (arXiv 2404.01318): 300 answers, three annotators.

    Raises:
        DataError: neither the hub nor its cache has it.
    """
    repo, revision = _JBB
    try:
        folder = snapshot(repo, revision, patterns=[_JBB_FILE], dataset=True)
    except SourceError as error:
        raise _out_of_reach(
            "jailbreakbench", f"{repo} ({_JBB_FILE}) on the hub", str(error)
        ) from error
    text = (folder / _JBB_FILE).read_text(encoding="utf-8")
    return parse_labels(text, ".csv", name=f"jailbreakbench@{revision[:8]}")


def load_harmbench() -> LabelledSet:
    """HarmBench's classifier validation set (arXiv 2402.04249): 602 answers, three annotators.

    The file names behaviours by id; what they ask for stands in a second one, and is joined.

    Raises:
        DataError: GitHub is out of reach and the cache does not hold it.
    """
    stage = HarmBenchLabels(_HARMBENCH, _harmbench_files())
    folder = Store(default_root()).build(stage, stage.fetch).path
    labels, behaviours = ((folder / Path(name).name) for name in _harmbench_files())
    text = labels.read_text(encoding="utf-8")
    rows = join_harmbench(json.loads(text), behaviours.read_text(encoding="utf-8"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return labelled_set(rows, f"harmbench@{_HARMBENCH.split('/')[-3][:8]}", digest)


def join_harmbench(labels: Mapping[str, Any], behaviours: str) -> list[dict[str, Any]]:
    """HarmBench's labelled answers with what each was asked for: behaviour, then its context.

    Args:
        labels: lists of answers by behaviour id (``generation``, ``human_0`` to ``human_2``).
        behaviours: CSV text with ``BehaviorID``, ``Behavior`` and, for some, ``ContextString``.

    Raises:
        DataError: a behaviour is unknown.
    """
    asked = {
        row["BehaviorID"]: "\n\n".join(filter(None, (row["Behavior"], row.get("ContextString"))))
        for row in csv.DictReader(io.StringIO(behaviours))
    }
    rows = []
    for key, items in labels.items():
        for item in items:
            behaviour = item.get("behavior_id", key)
            if behaviour not in asked:
                raise DataError(f"harmbench: no behaviour is called {behaviour!r}")
            rows.append({**item, "behavior": asked[behaviour]})
    return rows


LABEL_SETS: Final[Mapping[str, Callable[[], LabelledSet]]] = {
    BUILTIN: load_builtin,
    "jailbreakbench": load_jailbreakbench,
    "harmbench": load_harmbench,
}


def _harmbench_files() -> tuple[str, str]:
    return _HARMBENCH_LABELS, _HARMBENCH_BEHAVIOURS


def _out_of_reach(name: str, what: str, reason: str) -> DataError:
    return DataError(
        f"labels {name}: {what} is out of reach ({reason}); fetch it on a machine "
        "with access and give --labels FILE, or use the shipped set with --labels builtin"
    )
