"""Which judges a command means: names or TOML files, and another model or endpoint for them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, is_dataclass, replace
from typing import Any

from lox_bench.codec import is_frozen, parse
from lox_bench.errors import SpecError, UsageError
from lox_bench.grammar import split_list
from lox_bench.judges.kinds import (
    CONTENT,
    HF,
    KEYWORD,
    KINDS,
    OPENAI,
    REFUSAL,
    JudgeSpec,
    LocalSpec,
    ModelSpec,
    PromptedSpec,
)
from lox_bench.registry import Kind, Table, load
from lox_bench.types import Label


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A model, endpoint or backend to be used instead of the specs' own; empty: the spec's."""

    model: str = ""
    base_url: str = ""
    backend: str = ""
    key_env: str = ""

    def __bool__(self) -> bool:
        """Whether anything is changed."""
        return any((self.model, self.base_url, self.backend, self.key_env))


def choose_judges(names: str, elsewhere: Elsewhere) -> tuple[JudgeSpec, ...]:
    """Load a comma list of judges.

    Raises:
        UsageError: a judge is named twice, or there is no model that could run elsewhere.
        UnknownNameError, SpecError: a name or file that is no judge.
    """
    judges = tuple(_moved(load_judge(name), elsewhere) for name in split_list(names))
    called = [judge.name for judge in judges]
    for name in called:
        if called.count(name) > 1:
            raise UsageError(f"judge {name!r} is listed twice in {names!r}")
    if elsewhere and not any(isinstance(judge, ModelSpec) for judge in judges):
        raise UsageError(f"no judge in {names!r} asks a model: nothing to run elsewhere")
    return judges


def _moved(spec: JudgeSpec, to: Elsewhere) -> JudgeSpec:
    """A judge with another model is another judge: its name says so."""
    if not isinstance(spec, ModelSpec) or not to:
        return spec
    name = f"{spec.name}@{_slug(to.model)}" if to.model else spec.name
    if isinstance(spec, LocalSpec):
        return replace(spec, name=name, model=to.model or spec.model)
    return _moved_prompted(replace(spec, name=name), to)


def _moved_prompted(spec: PromptedSpec, to: Elsewhere) -> PromptedSpec:
    backend = to.backend or (OPENAI if to.base_url else spec.backend)
    serving = replace(spec.serving, key_env=to.key_env or spec.serving.key_env)
    if to.base_url:  # neither the key nor the prices of one endpoint are those of another
        serving = replace(
            serving, key_env=to.key_env, usd_per_million_in=None, usd_per_million_out=None
        )
    elif to.model:
        serving = replace(serving, usd_per_million_in=None, usd_per_million_out=None)
    base_url = "" if backend == HF else to.base_url or spec.base_url
    return replace(
        spec, model=to.model or spec.model, backend=backend, base_url=base_url, serving=serving
    )


def _slug(model: str) -> str:
    """The last part of a path or hub id, fit for a file name."""
    last = model.rstrip("/").rsplit("/", maxsplit=1)[-1]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", last)


def load_judge(name: str) -> JudgeSpec:
    """Read a judge by name, from a TOML file whose ``kind`` says what it is, or from code.

    Raises:
        UnknownNameError: nothing has this name.
        SpecError: the file is no judge's, or the code none.
    """
    found = load(Kind.JUDGES, name)
    if not isinstance(found, Table):
        return _code_judge(found, name)
    kind = str(found.raw.get("kind", KEYWORD))
    if kind not in KINDS:
        raise SpecError(found.where, f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    if kind == KEYWORD:
        found.raw.pop("kind", None)
    return parse(KINDS[kind], found.raw, where=found.where)


def _code_judge(found: Any, where: str) -> JudgeSpec:
    """A judge's class, or a judge; the class is called without arguments."""
    try:
        judge: Any = found() if isinstance(found, type) else found
    except TypeError as error:
        raise SpecError(where, f"a judge's fields need defaults ({error})") from error
    lacking = next(_lacking(judge), None)
    if lacking is not None:
        raise SpecError(where, f"a judge is a frozen dataclass; this one {lacking}")
    return judge  # type: ignore[no-any-return]


def _lacking(judge: Any) -> Iterator[str]:
    if not is_dataclass(judge) or not is_frozen(type(judge)):
        yield "is no frozen dataclass"
    if not re.fullmatch(r"[A-Za-z0-9._@-]+", str(getattr(judge, "name", ""))):
        yield "has no name that could be a file's"
    if not isinstance(getattr(judge, "description", None), str):
        yield "has no description"
    counts = getattr(judge, "counts", ())
    if not counts or not set(counts) <= {Label.COMPLIED, Label.REFUSED}:
        yield "does not say in counts whether it measures complied or refused"
    if getattr(judge, "reads", None) not in {REFUSAL, CONTENT}:
        yield f"does not say in reads whether it reads {REFUSAL} or {CONTENT}"
    if not callable(getattr(judge, "judge", None)):
        yield "has no method judge"
