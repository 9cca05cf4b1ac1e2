"""How well a model foresees a text, as lm-eval's rolling log-likelihood measures it.

A text that no attack trains on shows general damage: it rises where a model unlearns language.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from lox_bench.data.user_file import read_user_file, read_user_text
from lox_bench.errors import DataError
from lox_bench.registry import packaged_file
from lox_bench.stats.intervals import ratio_interval
from lox_bench.types import Rate
from lox_bench.utility.benchmark import PERPLEXITY, BenchmarkSpec

_OURS: Final = "perplexity/benign.jsonl"
_COLUMNS: Final = ("text", "completion", "response", "answer")
_BITS: Final = "bits_per_byte"
_METRICS: Final = ("word_perplexity", "byte_perplexity", _BITS)


def texts_of(file: str) -> list[str]:
    """The texts of a file of the user's; of ours, if there is none.

    Raises:
        DataError: it cannot be read, or holds no texts.
    """
    if not file:
        lines = packaged_file(_OURS).read_text(encoding="utf-8").splitlines()
        return [json.loads(line)["text"] for line in lines]
    path = Path(file)
    if path.suffix == ".txt":
        parts = read_user_text(path, what="text").split("\n\n")
        texts: list[Any] = [part.strip() for part in parts if part.strip()]
    else:
        rows = read_user_file(path, what="text").rows
        column = next((name for name in _COLUMNS if rows and name in rows[0]), "text")
        texts = [row.get(column) for row in rows]
    wrong = next((i for i, text in enumerate(texts, 1) if not str(text or "").strip()), None)
    if wrong or not texts:
        raise DataError(
            f"{path}: {f'row {wrong} has no text' if wrong else 'it holds no texts'}; texts were "
            f"wanted, under one of {', '.join(_COLUMNS)}, or of a .txt its paragraphs"
        )
    return [str(text) for text in texts]


def perplexity_task(spec: BenchmarkSpec) -> dict[str, Any]:
    """The task in lm-eval's terms: every text by itself, from its first token on."""
    from datasets import Dataset

    texts = texts_of(spec.file)
    return {
        "task": PERPLEXITY,
        "custom_dataset": lambda **_: {"test": Dataset.from_list([{"text": t} for t in texts])},
        "test_split": "test",
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": lambda document: document["text"],
        "metric_list": [{"metric": name} for name in _METRICS],
    }


def corpus_rate(metric: str, sums: Sequence[tuple[float, ...]]) -> Rate:
    """A metric over all documents, as lm-eval takes it: lengths count, not documents.

    The 95 % interval is that of a ratio of sums over documents (linearised, Student's), carried
    through the logarithm; with one document there is none (NaN).

    Args:
        metric: its name; ``bits_per_byte``, or a perplexity.
        sums: of each document its log-likelihood and its length.
    """
    losses, lengths = [-likelihood for likelihood, _ in sums], [length for _, length in sums]
    value, low, high = (_told(metric, x) for x in ratio_interval(losses, lengths))
    return Rate(value, low, high, n=len(sums))


def _told(metric: str, nats: float) -> float:
    """Nats per word or byte as bits, or as a perplexity."""
    return nats / math.log(2) if metric.startswith(_BITS) else math.exp(nats)
