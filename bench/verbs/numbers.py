"""The types of the command line's numbers."""

import math
from typing import Any

import click

Parameter = click.Parameter | None
Context = click.Context | None


def positive(value: Any, named: str) -> float:
    """Return a text as a number above zero and finite.

    Raises ClickException, with what the number is `named`, if it is another.
    """
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise click.ClickException(f"{named} must be a positive number, not {value!r}")
    return number


class Positive(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A number above zero and finite."""

    name = "number"

    def convert(self, value: Any, param: Parameter, ctx: Context) -> float:
        return positive(value, param.opts[0] if param else "the number")


MOST = 10**9
"""The largest number of anything that can be asked for."""


class Count(Positive):
    """A whole number from 1 to MOST."""

    name = "count"

    def convert(self, value: Any, param: Parameter, ctx: Context) -> int:
        number = super().convert(value, param, ctx)
        if number != int(number) or number > MOST:
            named = param.opts[0] if param else "it"
            raise click.ClickException(f"{named} must be a whole number of at most {MOST:,}")
        return int(number)


class Between(click.IntRange):
    """A whole number in a range that includes its ends."""

    name = "number"

    def convert(self, value: Any, param: Parameter, ctx: Context) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            end = "on" if self.max is None else f"to {self.max}"
            self.fail(f"{value!r} is not a whole number from {self.min} {end}", param, ctx)


SEED = Between(0, 2**63 - 1)
"""A seed, which a table of records can hold."""
