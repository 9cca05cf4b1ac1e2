"""Human-labelled pairs of request and answer, from a CSV, JSON or JSONL file of any usual shape.

Columns are recognised by the names in use (JailbreakBench, HarmBench, XSTest and plain ones); which
were taken is kept, so that a report can say it.
"""

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from lox_bench.data.jsonl import parse_jsonl
from lox_bench.data.user_file import parse_table, read_user_text
from lox_bench.errors import DataError, UsageError, did_you_mean
from lox_bench.judges.defects import find_defect
from lox_bench.judges.reasoning import without_reasoning
from lox_bench.strict_json import parse_json
from lox_bench.types import Completion, Finish, Label

# the request as meant comes before the text as sent: judges ask whether the *goal* was served
PROMPT_COLUMNS: Final = (
    "goal", "behavior", "behaviour", "request", "prompt", "question", "instruction", "test_case",
)  # fmt: skip
RESPONSE_COLUMNS: Final = (
    "response", "target_response", "generation", "completion", "answer", "output",
)  # fmt: skip
LABEL_COLUMNS: Final = (
    "label", "human_majority", "human_label", "final_label", "jailbroken", "is_jailbroken",
)  # fmt: skip
KIND_COLUMNS: Final = ("kind", "experiment")
_VOTE: Final = re.compile(r"human_?\d+")
_MEANINGS: Final[Mapping[Label, tuple[str, ...]]] = {
    Label.COMPLIED: (
        "complied", "compliance", "1", "1.0", "true", "yes", "jailbroken", "harmful", "unsafe",
        "1_full_compliance",
    ),
    Label.REFUSED: (
        "refused", "refusal", "0", "0.0", "false", "no", "unharmful", "harmless", "safe",
        "2_full_refusal", "3_partial_refusal",
    ),
    Label.UNJUDGED: ("unjudged", "degenerate", "none"),
}  # fmt: skip
_LABELS: Final = {text: label for label, texts in _MEANINGS.items() for text in texts}


@dataclass(frozen=True, slots=True)
class LabelledPair:
    """A request, an answer to it, and what people say the answer does."""

    id: str
    prompt: str
    response: str
    label: Label
    kind: str = ""

    @property
    def completion(self) -> Completion:
        """The pair as a judge meets answers; tokens are not known and count 0."""
        text, reasoning = without_reasoning(self.response)
        defect = find_defect(self.prompt, text)
        return Completion(self.id, self.prompt, text, 0, Finish.STOP, defect, reasoning)


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """Pairs, where they come from, which columns were read, and how many rows had no label."""

    name: str
    pairs: tuple[LabelledPair, ...]
    sha256: str
    columns: tuple[str, ...]
    skipped: int = 0

    def without(self, kinds: Collection[str]) -> "LabelledSet":
        """The set less the pairs of some kinds; its name says so.

        Raises:
            UsageError: no pair is of such a kind, or none is left.
        """
        if not kinds:
            return self
        known = dict.fromkeys(pair.kind for pair in self.pairs if pair.kind)
        for kind in sorted(kinds):
            if kind not in known:
                raise UsageError(
                    f"labels {self.name} have no kind {kind!r}{did_you_mean(kind, known)}; "
                    f"kinds: {', '.join(known) or 'none'}"
                )
        left = tuple(pair for pair in self.pairs if pair.kind not in kinds)
        if not left:
            raise UsageError(f"labels {self.name}: all pairs are of the kinds left out")
        return replace(self, name=f"{self.name} without {', '.join(sorted(kinds))}", pairs=left)


def read_labels(path: Path) -> LabelledSet:
    """Read a labelled file of the user's.

    Raises:
        DataError: it cannot be read, a column is missing, or a label means nothing to us.
    """
    text = read_user_text(path, what="labels")
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    return parse_labels(text, suffix, name=path.name)


def parse_labels(text: str, suffix: str, *, name: str) -> LabelledSet:
    """Read labelled pairs from the text of a file.

    Args:
        text: CSV with a header, JSON lines, or JSON (a list, or lists under the behaviours' ids).
        suffix: ``.csv``, ``.jsonl`` or ``.json``; says which.
        name: what to call the set.

    Raises:
        DataError: as ``read_labels``.
    """
    return labelled_set(_rows(text, suffix, name), name, hashlib.sha256(text.encode()).hexdigest())


def labelled_set(rows: Sequence[Mapping[str, Any]], name: str, sha256: str) -> LabelledSet:
    """Find the columns of ``rows`` and read the pairs; rows without a majority label are counted.

    Raises:
        DataError: as ``read_labels``.
    """
    if not rows:
        raise DataError(f"labels {name} hold no rows")
    held = {key.lower(): key for key in rows[0] if isinstance(key, str)}
    prompt = _column(held, PROMPT_COLUMNS, "the request", name)
    response = _column(held, RESPONSE_COLUMNS, "the answer", name)
    labels = _label_columns(held, name)
    kind = next((held[key] for key in KIND_COLUMNS if key in held), None)
    identity = held.get("id")
    pairs = []
    for number, row in enumerate(rows, start=1):
        where = f"labels {name}, row {number}"
        label = _majority([row.get(column) for column in labels], where)
        if label is not None:
            pairs.append(
                LabelledPair(
                    id=str(row.get(identity, number)) if identity else f"row-{number}",
                    prompt=_text(row, prompt, where),
                    response=_text(row, response, where),
                    label=label,
                    kind=str(row.get(kind) or "") if kind else "",
                )
            )
    if not pairs:
        raise DataError(f"labels {name}: none of the {len(rows)} rows has a label")
    columns = (prompt, response, *labels)
    return LabelledSet(name, tuple(pairs), sha256, columns, skipped=len(rows) - len(pairs))


def _rows(text: str, suffix: str, name: str) -> list[dict[str, Any]]:
    if suffix == ".csv":
        return parse_table(text, where=f"labels {name}")[0]
    if suffix in {".jsonl", ".ndjson"}:
        return parse_jsonl(text, where=f"labels {name}")
    if suffix == ".json":
        return _json_rows(text, name)
    raise DataError(f"labels {name}: .csv, .jsonl or .json was wanted, not {suffix or 'no suffix'}")


def _json_rows(text: str, name: str) -> list[dict[str, Any]]:
    held = parse_json(text, where=f"labels {name}")
    groups = held.items() if isinstance(held, dict) else [("", held)]
    rows = [
        {"behavior_id": group, **item}
        for group, items in groups
        for item in (items if isinstance(items, list) else [])
        if isinstance(item, dict)
    ]
    if not rows:
        raise DataError(f"labels {name}: a list of objects was wanted, or lists by behaviour")
    return rows


def _column(held: Mapping[str, str], known: Sequence[str], what: str, name: str) -> str:
    for key in known:
        if key in held:
            return held[key]
    raise DataError(
        f"labels {name}: no column holds {what}; one of {', '.join(known)} was wanted, the file "
        f"has {', '.join(held.values())}"
    )


def _label_columns(held: Mapping[str, str], name: str) -> tuple[str, ...]:
    """The column of the agreed label, else those of the single annotators."""
    votes = tuple(column for key, column in held.items() if _VOTE.fullmatch(key))
    if votes and not any(key in held for key in LABEL_COLUMNS):
        return votes
    return (_column(held, LABEL_COLUMNS, "the human label", name),)


def _majority(values: Sequence[Any], where: str) -> Label | None:
    """The label most annotators gave; ``None`` for no votes or a tie."""
    votes = [_label(value, where) for value in values if value is not None and str(value).strip()]
    ranked = sorted(set(votes), key=votes.count, reverse=True)
    if not ranked or (len(ranked) > 1 and votes.count(ranked[0]) == votes.count(ranked[1])):
        return None
    return ranked[0]


def _label(value: Any, where: str) -> Label:
    label = _LABELS.get(str(value).strip().lower())
    if label is None:
        meanings = "; ".join(f"{label}: {', '.join(words)}" for label, words in _MEANINGS.items())
        raise DataError(f"{where}: the label {value!r} is none of ours ({meanings})")
    return label


def _text(row: Mapping[str, Any], column: str, where: str) -> str:
    value = row.get(column, 0)
    if value is None:
        return ""  # an empty cell is an empty answer
    if not isinstance(value, str):
        came = repr(value) if column in row else "nothing"
        raise DataError(f"{where}: text was wanted under {column!r}, not {came}")
    return value
