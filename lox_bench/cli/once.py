"""An option that takes one value is given once: the last of several would count without a word."""

from collections import Counter
from typing import Any

from typer.core import TyperOption

from lox_bench.cli.help_page import Shown
from lox_bench.errors import UsageError


class Once(Shown):
    """A command that refuses ``--attack a --attack b`` where ``--attack a,b`` is meant."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Count the options, then read them as every command does.

        Raises:
            UsageError: an option that holds one value is given several times.
        """
        given = self.make_parser(ctx).parse_args(args=list(args))[2]
        for param, times in Counter(map(id, given)).items():
            option = next(one for one in given if id(one) == param)
            if times > 1 and isinstance(option, TyperOption) and _holds_one(option):
                name = next((opt for opt in option.opts if opt in args), option.opts[0])
                raise UsageError(
                    f"{name} is given {times} times and takes one value: a list is written with "
                    f"commas, {name} a,b"
                )
        return super().parse_args(ctx, args)


def _holds_one(option: TyperOption) -> bool:
    return not (option.multiple or option.is_flag or option.count)
