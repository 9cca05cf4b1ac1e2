"""Which judges a command means: names or TOML files, and another model or endpoint for them."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from lox_bench.codec import parse, read_toml
from lox_bench.errors import SpecError, UsageError
from lox_bench.grammar import split_list
from lox_bench.judges.kinds import (
    HF,
    KEYWORD,
    KINDS,
    OPENAI,
    ClassifierSpec,
    JudgeSpec,
    KeywordSpec,
    PromptedSpec,
)
from lox_bench.registry import packaged


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
    if elsewhere and all(isinstance(judge, KeywordSpec) for judge in judges):
        raise UsageError(f"no judge in {names!r} asks a model: nothing to run elsewhere")
    return judges


def _moved(spec: JudgeSpec, to: Elsewhere) -> JudgeSpec:
    """A judge with another model is another judge: its name says so."""
    if isinstance(spec, KeywordSpec) or not to:
        return spec
    name = f"{spec.name}@{_slug(to.model)}" if to.model else spec.name
    if isinstance(spec, ClassifierSpec):
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
    """Read a judge by name, or from a TOML file of the user's; its ``kind`` says what it is."""
    if name.endswith(".toml"):
        raw, where = read_toml(Path(name).expanduser()), name
    else:
        raw, where = packaged("judges", "judge", name), f"judges/{name}.toml"
    kind = str(raw.get("kind", KEYWORD))
    if kind not in KINDS:
        raise SpecError(where, f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    if kind == KEYWORD:
        raw.pop("kind", None)
    return parse(KINDS[kind], raw, where=where)
