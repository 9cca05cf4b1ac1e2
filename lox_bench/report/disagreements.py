"""The disputed answers of a run as a page for people, model text folded away behind a warning."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from lox_bench.harmless import visible
from lox_bench.results.agreement import Disagreement
from lox_bench.results.run import Run

_MOST = 2000  # characters of an answer shown; the whole of it is in completions/
_WARNING = """\
> **Careful: model output.** The folded boxes hold what models wrote in answer to these requests,
> unedited. Some of it may be harmful, wrong or offensive. Open them to settle a dispute between
> judges, and pass none of it on.
"""


@dataclass(frozen=True, slots=True)
class Disputed:
    """A disagreement with all one needs to settle it: the request, the answer, the evidence."""

    disagreement: Disagreement
    evidence: Mapping[str, str]
    prompt: str
    response: str

    @property
    def record(self) -> Mapping[str, Any]:
        """All of it as one flat record."""
        plain = asdict(self)
        return {**plain.pop("disagreement"), **plain}


def disputed(run: Run, found: Sequence[Disagreement]) -> list[Disputed]:
    """Look up the answers and the evidence behind disagreements, in their order."""
    texts, evidence = {}, {}
    for name, task in dict.fromkeys((item.name, item.task) for item in found):
        for answer in run.completions(name, task):
            texts[name, answer.prompt_id] = answer
        for judge in run.judges:
            for verdict in run.verdicts(name, task, judge):
                evidence[name, verdict.prompt_id, judge] = verdict.evidence
    return [
        Disputed(
            disagreement=item,
            evidence={judge: evidence[item.name, item.prompt_id, judge] for judge in item.labels},
            prompt=visible(texts[item.name, item.prompt_id].prompt),
            response=visible(texts[item.name, item.prompt_id].text),
        )
        for item in found
    ]


def page(run: Run, found: Sequence[Disputed]) -> str:
    """A Markdown page: how many and of which pattern, then prompt by prompt."""
    return "\n".join([*_head(run, found), *_body(found)]) + "\n"


def _head(run: Run, found: Sequence[Disputed]) -> Iterator[str]:
    yield "# Where the judges disagree\n"
    yield _WARNING
    judges = list(run.judges)
    yield f"Run `{run.path.name}`, judges {', '.join(judges)}: {len(found)} disputed answers.\n"
    if found:
        yield f"| task | {' | '.join(judges)} | answers |"
        yield f"|---|{'---|' * len(judges)}--:|"
    held = [item.disagreement for item in found]
    patterns = Counter((item.task, *(item.labels.get(j, "-") for j in judges)) for item in held)
    for pattern, count in patterns.most_common():
        yield f"| {' | '.join(pattern)} | {count} |"


def _body(found: Sequence[Disputed]) -> Iterator[str]:
    for task, of_task in groupby(found, key=lambda item: item.disagreement.task):
        yield f"\n## {task}"
        for prompt_id, of_prompt in groupby(of_task, key=lambda item: item.disagreement.prompt_id):
            items = list(of_prompt)
            yield f"\n### {prompt_id}: {_code(items[0].prompt)}"
            for item in items:
                yield from _item(item)


def _item(item: Disputed) -> Iterator[str]:
    yield f"\n**{item.disagreement.name.stem}**\n"
    for judge, label in item.disagreement.labels.items():
        why = f" ({_code(item.evidence[judge])})" if item.evidence[judge] else ""
        yield f"- {judge}: **{label}**{why}"
    text = _printable(item.response)
    cut = f"\n[cut after {_MOST} characters; whole in completions/]" if len(text) > _MOST else ""
    fence = _fence(text)
    yield "\n<details><summary>model output, may be harmful</summary>\n"
    yield f"{fence}text\n{text[:_MOST]}{cut}\n{fence}\n\n</details>"


def _printable(text: str) -> str:
    """Control and bidirectional characters made visible, so that text cannot disguise itself."""
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text
    )


def _fence(text: str) -> str:
    """A code fence that the text cannot close."""
    return "`" * max(3, 1 + max(map(len, re.findall(r"`+", text)), default=0))


def _code(text: str) -> str:
    """Text of one line as a code span that it cannot leave."""
    line = " ".join(_printable(text).split())
    ticks = "`" * (1 + max(map(len, re.findall(r"`+", line)), default=0))
    return f"{ticks} {line} {ticks}" if "`" in line else f"`{line}`"
