"""What an import shall be, and whether the files allow it."""

from collections.abc import Sequence
from dataclasses import dataclass

from lox_bench.codec import hash_of
from lox_bench.errors import UsageError
from lox_bench.interchange.foreign import Foreign
from lox_bench.interchange.rules import Rule
from lox_bench.names import is_label, is_name
from lox_bench.types import Label


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an import shall be: names, meanings of scores, and what the user vouches for.

    Attributes:
        counts: the label whose share is the metric: ``complied`` of harmful requests, ``refused``
            of look-alikes; ``None`` leaves answers out, and keeps lm-eval's metrics alone.
        rules: what scores mean, one judge each.
        by: who gave the labels (``HarmBench-Llama-2-13b-cls``); empty: not known.
        said: a name for template and decoding; imports of one name may be compared.
    """

    counts: Label | None = Label.COMPLIED
    rules: tuple[Rule, ...] = ()
    by: str = ""
    said: str = ""

    def plan(self, found: Sequence[Foreign]) -> str:
        """Key of an import: equal files under equal options make equal runs."""
        files = [[item.file[1], item.model, item.task] for item in found]
        rules = [str(rule) for rule in self.rules]
        return hash_of(
            {"import": files, "counts": self.counts, "rules": rules, "by": self.by,
             "said": self.said}
        )  # fmt: skip


def require_sound(found: Sequence[Foreign], wanted: Wanted) -> None:
    """Refuse what would make no run, before anything is written.

    Raises:
        UsageError: models or tasks have no usable names, files do not fit together, or a rule is
            about a score that they do not hold.
    """
    for item in found:
        _require_names(item)
        _require_once(item)
    for number, item in enumerate(found):
        if any((item.model, item.task) == (o.model, o.task) for o in found[:number]):
            raise UsageError(
                f"two files are about {item.model} on {item.task}; name the models: --model a,b"
            )
    if wanted.counts is None and not any(item.sampled for item in found):
        raise UsageError("without answers there is nothing to import: give --counts complied")
    _require_scores(found, wanted.rules)
    _require_same_prompts(found)


def _require_names(item: Foreign) -> None:
    file = item.file[0]
    if not item.model or not is_label(item.model):
        raise UsageError(
            f"{file}: the model is called {item.model[:60]!a}; name it: --model NAME (one for "
            "each file, joined by commas)"
        )
    if not is_name(item.task):
        raise UsageError(f"{file}: the task is called {item.task[:60]!a}; name it: --task NAME")


def _require_scores(found: Sequence[Foreign], rules: Sequence[Rule]) -> None:
    known = {name for item in found for name in item.scorers}
    for rule in rules:
        if rule.scorer not in known:
            raise UsageError(
                f"no file holds scores of {rule.scorer!r}; there are "
                f"{', '.join(sorted(known)) or 'none'}"
            )


def _require_once(item: Foreign) -> None:
    seen: set[tuple[str, int]] = set()
    for answer in item.answers:
        key = (answer.prompt_id, answer.repetition)
        if key in seen:
            raise UsageError(f"{item.file[0]} answers the prompt {answer.prompt_id[:60]!r} twice")
        seen.add(key)


def _require_same_prompts(found: Sequence[Foreign]) -> None:
    first: dict[str, tuple[str, dict[str, str]]] = {}
    for item in found:
        prompts = {answer.prompt_id: answer.prompt for answer in item.answers}
        file, held = first.setdefault(item.task, (item.file[0], prompts))
        if held != prompts:
            raise UsageError(
                f"{item.file[0]} and {file} answer different prompts on {item.task}: import them "
                "apart, or as different tasks"
            )
