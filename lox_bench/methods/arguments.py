"""A method's arguments: read from text, shown in help, written back; driven by its dataclass.

    alpha: Annotated[float, Range(0, 1)] = 0.5
    k: Annotated[int | None, Range(1, inf), NoneIs("full")] = 6
    form: Literal["paper", "reference"] = "paper"

Types are ``int``, ``float``, ``bool``, ``str``, ``Literal`` of texts, and any of them ``| None``.
A field may end in ``_`` where its name alone is a word of Python's: ``lambda_`` is ``lambda``.
"""

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from keyword import iskeyword
from math import isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin
from typing import get_type_hints as hints_of

from lox_bench.errors import UsageError
from lox_bench.grammar import Call
from lox_bench.methods.method import Method, NoneIs
from lox_bench.ranges import Range

M = TypeVar("M", bound=Method)
T = TypeVar("T")

_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_WHOLE: Final = re.compile(r"[+-]?[0-9]+")
_LARGEST: Final = 2**63 - 1  # of a whole number, where no range says less
_HUGE: Final = 1e9  # of any other
_BOOLS: Final = {"true": True, "yes": True, "false": False, "no": False}
_SEED: Final = "seed"


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument; ``choices`` are the texts it may be, empty if it is no choice.

    ``none`` is how ``None`` is written, empty if it may not be ``None``. ``default`` is
    ``MISSING`` where one must be given.
    """

    name: str
    type: type
    range: Range | None
    choices: tuple[str, ...]
    none: str
    default: Any

    @property
    def allowed(self) -> str:
        """What may be given: ``a whole number of at least 1, or 'full'``."""
        if self.type is bool:
            said = "true or false"
        elif self.choices:
            said = " or ".join(self.choices)
        elif self.type is str:
            said = "a text"
        else:
            said = "a whole number" if self.type is int else "a finite number"
            said += f" of {self.range}" if self.range else ""
        return f"{said}, or {self.none!r}" if self.none else said

    @property
    def shown(self) -> str:
        """``k=6`` with the default, or ``r=...`` where one must be given."""
        value = "..." if self.default is MISSING else self.write(self.default)
        return f"{self.name}={value}"

    def read(self, text: str) -> Any:
        """The value that ``text`` means.

        Raises:
            UsageError: none that is allowed.
        """
        if self.none and text == self.none:
            return None
        value = self._value(text)
        if value is None or not self.holds(value):
            raise UsageError(f"{self.name} must be {self.allowed}, not {text!r}")
        return value

    def holds(self, value: Any) -> bool:
        """Whether a value of the right type is allowed."""
        if self.choices:
            return value in self.choices
        if self.type not in {int, float}:
            return True
        most = _LARGEST if self.type is int else _HUGE
        return (
            isfinite(value) and abs(value) <= most and (not self.range or self.range.holds(value))
        )

    def write(self, value: Any) -> str:
        """The text that ``read`` turns into ``value``."""
        if value is None:
            return self.none
        return str(value).lower() if self.type is bool else str(value)

    def _value(self, text: str) -> Any:
        if self.type is bool:
            return _BOOLS.get(text.lower())
        if self.type is str:
            return text
        pattern = _WHOLE if self.type is int else _NUMBER
        if len(text) > len(str(_LARGEST)) + 8 or not pattern.fullmatch(text):
            return None
        return self.type(text)


def describe_arguments(cls: type) -> tuple[Argument, ...]:
    """The arguments of a method's class, in order.

    Raises:
        UsageError: the class is no dataclass, or a field has a type that no text can give.
    """
    if not is_dataclass(cls):
        raise UsageError(f"{cls.__qualname__} is no dataclass, so that it has no arguments")
    hints = hints_of(cls, include_extras=True)
    return tuple(
        _argument(f"{cls.__qualname__}.{slot.name}", hints[slot.name], slot.default)
        for slot in fields(cls)
    )


def build_method(
    cls: type[T], call: Call, defaults: Mapping[str, Any] | None = None, *, what: str = "model"
) -> T:
    """The method that a call means.

    Args:
        cls: the method's class.
        call: whose arguments count; its name only stands in messages.
        defaults: of the family: values, not texts, that replace the class's own defaults; those
            that the class has no field for are left out.
        what: has such arguments, for messages; any frozen dataclass will do.

    Raises:
        UsageError: an argument is unknown, missing, or not allowed; the message says what is.
    """
    known = {argument.name: argument for argument in describe_arguments(cls)}
    for key in call.args:
        if key not in known:
            takes = f"it takes {', '.join(known)}" if known else "it takes no arguments"
            raise UsageError(f"{what} {str(call)!r}: unknown argument {key!r}; {takes}")
    values = {key: value for key, value in (defaults or {}).items() if key in known}
    values |= {key: known[key].read(text) for key, text in call.args.items()}
    for argument in known.values():
        if argument.name not in values and argument.default is MISSING:
            raise UsageError(
                f"{what} {call.name!r} needs {argument.name}, {argument.allowed}: "
                f"{call.name}({argument.name}=...)"
            )
    return cls(**{_field(key): value for key, value in values.items()})


def describe(name: str, method: Method) -> Call:
    """The call that makes ``method``, every argument said; ``build_method`` reads it back."""
    return Call(
        name,
        {
            argument.name: argument.write(getattr(method, _field(argument.name)))
            for argument in describe_arguments(type(method))
        },
    )


def seeded(method: M, seed: int) -> M:
    """The method with the study's seed, if it has a ``seed`` that is left to the study."""
    if getattr(method, _SEED, 0) is not None:
        return method
    changed: M = replace(method, seed=seed)  # type: ignore[type-var]
    return changed


def _field(name: str) -> str:
    return f"{name}_" if iskeyword(name) else name


def _argument(where: str, hint: Any, default: Any) -> Argument:
    marks: tuple[Any, ...] = ()
    if get_origin(hint) is Annotated:
        hint, *extras = get_args(hint)
        marks = tuple(extras)
    word = next((mark.word for mark in marks if isinstance(mark, NoneIs)), "none")
    arms = get_args(hint) if get_origin(hint) in {Union, UnionType} else (hint,)
    plain = [arm for arm in arms if arm is not NoneType]
    choices = get_args(plain[0]) if get_origin(plain[0]) is Literal else ()
    kind = str if choices else plain[0]
    if len(plain) != 1 or kind not in {int, float, bool, str} or not _all_text(choices):
        raise UsageError(
            f"{where} is {hint}; an argument is int, float, bool, str or Literal of texts, "
            "perhaps | None"
        )
    name = where.rpartition(".")[2]
    bare = name.removesuffix("_")
    return Argument(
        name=bare if iskeyword(bare) else name,
        type=kind,
        range=next((mark for mark in marks if isinstance(mark, Range)), None),
        choices=choices,
        none=word if len(arms) > 1 else "",
        default=default,
    )


def _all_text(choices: tuple[Any, ...]) -> bool:
    return all(isinstance(choice, str) for choice in choices)
