"""``--columns question=q,answer=a``: what a file of yours calls the columns that attacks read."""

from collections.abc import Mapping
from dataclasses import replace

from lox_bench.data.spec import columns_of
from lox_bench.errors import UsageError
from lox_bench.grammar import parse_call
from lox_bench.results.run import NO_ATTACK
from lox_bench.study.file import StudyFile


def with_columns(study: StudyFile, text: str) -> StudyFile:
    """The study in which every attack on a file of yours is told its columns' names.

    It is what ``gsm8k(columns(question=q,answer=a))`` says of one attack.

    Raises:
        UsageError: the text is no list of NAME=COLUMN, or no attack on a file of yours reads one.
        UnknownNameError: there is no such attack.
    """
    if not text:
        return study
    named, used = _parsed(text), set[str]()
    attacks = []
    for attack in study.attacks:
        fits = _fitting(attack, named, study.data)
        used |= fits.keys()
        said = ",".join(f"{name}={column}" for name, column in fits.items())
        attacks.append(_added(attack, f"columns({said})") if fits else attack)
    for name in named:
        if name not in used:
            raise UsageError(
                f"--columns {name}={named[name]}: no attack here reads a column {name!r} from a "
                f"file of yours (--data NAME=FILE, or file=); {_reading(study)}"
            )
    return replace(study, attacks=tuple(attacks))


def _parsed(text: str) -> dict[str, str]:
    pairs = [item.partition("=") for item in text.split(",")]
    if not all(name.strip() and column.strip() for name, _, column in pairs):
        raise UsageError(f"--columns wants NAME=COLUMN, as in question=q,answer=a, not {text!r}")
    return {name.strip(): column.strip() for name, _, column in pairs}


def _fitting(attack: str, named: Mapping[str, str], data: Mapping[str, str]) -> dict[str, str]:
    """Those of the columns that the attack reads, if it reads a file of the user's."""
    from lox_bench.attacks.points import load_call

    if attack == NO_ATTACK:
        return {}
    loaded = load_call(parse_call(attack))
    if loaded.columns or (loaded.file is None and str(loaded.spec.name) not in data):
        return {}
    known = columns_of(loaded.spec.prompt) + columns_of(loaded.spec.completion)
    return {name: column for name, column in named.items() if name in known}


def _reading(study: StudyFile) -> str:
    from lox_bench.attacks.points import load_call

    specs = [load_call(parse_call(it)).spec for it in study.attacks if it != NO_ATTACK]
    said = (
        f"{spec.name} reads {', '.join(columns_of(spec.prompt) + columns_of(spec.completion))}"
        for spec in specs
    )
    return "; ".join(said) or "there is no attack"


def _added(attack: str, argument: str) -> str:
    return f"{attack[:-1]},{argument})" if attack.endswith(")") else f"{attack}({argument})"
