"""Files that a study names, with the folder before them in which they lie."""

from dataclasses import replace
from pathlib import Path

from lox_bench.attacks.arguments import FILE, HARMFUL
from lox_bench.data.own_sets import is_prompt_file
from lox_bench.grammar import parse_call, parse_sum

_LOCATED = {".toml", ".py", ".yaml", ".yml"}


def located_file(text: str, folder: Path) -> str:
    """``FILE.toml`` or ``FILE.py:NAME`` in the folder; any other name stays as it is."""
    file, colon, name = text.rpartition(":") if ".py:" in text else (text, "", "")
    path = folder / file
    if not (path.suffix in _LOCATED or is_prompt_file(file)) or not path.is_file():
        return text
    return f"{path}{colon}{name}"


def located_attack(item: str, folder: Path) -> str:
    """An item of ``--attack``: ``FILE.toml(lr=1e-5)`` and ``sft(file=FILE)`` may lie in the folder.

    Raises:
        UsageError: the item is malformed.
    """
    call = parse_call(item)
    args = {
        name: _located_folder(text, folder) if name in {FILE, HARMFUL} else text
        for name, text in call.args.items()
    }
    return str(replace(call, name=located_file(call.name, folder), args=args))


def located_task(item: str, folder: Path) -> str:
    """An item of ``--utility``: ``FILE.yaml(num_fewshot=5)`` may lie in the folder.

    Raises:
        UsageError: the item is malformed.
    """
    call = parse_call(item)
    args = {
        name: _located_folder(text, folder) if name == FILE else text
        for name, text in call.args.items()
    }
    return str(replace(call, name=located_file(call.name, folder), args=args))


def located_model(item: str, folder: Path) -> str:
    """An item of ``--models``: ``NAME=FOLDER`` and ``FILE.py:NAME(...)`` may lie in the folder.

    Raises:
        UsageError: the item is malformed.
    """
    return "+".join(
        str(replace(call, name=located_file(call.name, folder)))
        if call.target is None
        else str(replace(call, target=_located_folder(call.target, folder)))
        for call in parse_sum(item)
    )


def located_weights(text: str, folder: Path) -> str:
    """``--base`` or ``--aligned``: ``./FOLDER`` may lie in the folder; a word names a rung."""
    return _located_folder(text, folder) if "/" in text else text


def _located_folder(target: str, folder: Path) -> str:
    path = folder / target
    return str(path) if "://" not in target and path.exists() else target
