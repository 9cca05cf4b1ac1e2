"""The packaged prompt files as they are."""

import json
from importlib import resources

Row = dict[str, str]

COUNTS = {
    "harmful-align": 160,
    "harmful-dev": 40,
    "harmful-eval": 100,
    "benign-align": 160,
    "lookalike-dev": 40,
    "lookalike-eval": 60,
}
HARMFUL = ("harmful-align", "harmful-dev", "harmful-eval")


def rows(name: str) -> list[Row]:
    file = resources.files("lox_bench.assets.tasks") / "prompts" / f"{name}.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
