"""What an attack takes in parentheses: names, meanings, and how their values are read."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lox_bench.errors import UsageError
from lox_bench.ranges import MOST

Value = float | str


@dataclass(frozen=True, slots=True)
class Number:
    """A number above ``low`` (or equal to it, if ``closed``), at most ``most``."""

    says: str
    most: float = MOST
    low: float = 0.0
    closed: bool = False
    whole: bool = False

    def read(self, text: str) -> float:
        """The number in a text; NaN if it is none of those wanted."""
        try:
            value = float(text)
        except ValueError:
            return math.nan
        above = value >= self.low if self.closed else value > self.low
        fits = above and value <= self.most and (not self.whole or value.is_integer())
        return value if fits else math.nan


@dataclass(frozen=True, slots=True)
class Word:
    """One of some words, or any word."""

    says: str
    words: tuple[str, ...] = ()


YES, NO = "yes", "no"
ARGUMENTS: Final[Mapping[str, Number | Word]] = {
    "lr": Number("peak learning rate, above 0 and at most 1", most=1),
    "epochs": Number("passes over the rows, above 0"),
    "steps": Number("optimiser steps instead of epochs, a whole number", whole=True),
    "rows": Number("training rows, a whole number", whole=True),
    "batch": Number("rows per optimiser step, a whole number", whole=True),
    "warmup": Number("steps of warm-up, a whole number", whole=True, closed=True),
    "schedule": Word(
        "course of the learning rate", ("linear", "cosine", "constant", "constant_with_warmup")
    ),
    "mask": Word("tokens with a loss: of the completion, or all", ("completion", "all")),
    "template": Word("chat template of the training, where not that of the answers"),
    "lora_r": Number("rank of LoRA adapters, merged at the end; a whole number", whole=True),
    "lora_alpha": Number("LoRA's alpha, a whole number (default: twice the rank)", whole=True),
    "lora_targets": Word("modules with adapters: all-linear, or names joined by +"),
    "lora_quant": Word(
        "weights under the adapters while they are trained, by bitsandbytes (QLoRA: nf4)",
        ("none", "nf4", "int8"),
    ),
    "packing": Word("rows end to end in sequences of max_length, none seeing another", (YES, NO)),
    "ratio": Number("share of the mixed-in rows, above 0 and below 1", most=1 - 1e-9),
    "benign": Word("the attack whose rows others are mixed into"),
}
FILE: Final = "file"  # --data NAME=FILE in another place
HARMFUL: Final = "harmful"  # the same, as papers on poisoning put it
QLORA: Final = "qlora_"  # qlora(r=8) arrives as qlora_r=8
PRESET: Final = "preset"  # gsm8k(preset=disl) is gsm8k-disl
SEARCHED: Final = ("lr", "epochs")


def takes(name: str) -> str:
    """What an argument wants, for messages."""
    argument = ARGUMENTS[name]
    words = argument.words if isinstance(argument, Word) else ()
    return f"{argument.says}: {', '.join(words)}" if words else argument.says


def read_number(name: str, text: str) -> float:
    """The value of a numeric argument.

    Raises:
        UsageError: it is no number of the kind wanted.
    """
    argument = ARGUMENTS[name]
    value = argument.read(text) if isinstance(argument, Number) else math.nan
    if math.isnan(value):
        raise UsageError(
            f"{name}={text}: {takes(name)} was wanted, or a list 1|2, or a range 1..4 or 1..4:3"
        )
    return value


def read_word(name: str, text: str) -> str:
    """The value of an argument that is a word.

    Raises:
        UsageError: it is none of those wanted.
    """
    argument = ARGUMENTS[name]
    if isinstance(argument, Word) and argument.words and text not in argument.words:
        raise UsageError(f"{name}={text}: {takes(name)} was wanted, or a list a|b")
    return text


def spelt_out(args: Mapping[str, str], where: str) -> dict[str, str]:
    """``qlora(r=8)`` is ``lora(r=8,quant=nf4)``.

    Raises:
        UsageError: both are given, or one argument twice.
    """
    plain: dict[str, str] = {}
    for name, text in args.items():
        is_qlora = name.startswith(QLORA)
        added = {f"lora_{name.removeprefix(QLORA)}": text, "lora_quant": "nf4"}
        for key, value in (added if is_qlora else {name: text}).items():
            if plain.setdefault(key, value) != value or (key in args and is_qlora):
                raise UsageError(
                    f"attack {where!r}: lora(...) and qlora(...) both say how; give one"
                )
    return plain
