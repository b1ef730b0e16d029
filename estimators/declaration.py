"""The record of what an estimator declares about itself."""

from dataclasses import dataclass, fields
from functools import cache
from math import inf
from numbers import Real
from typing import Literal, get_args

Knob = Literal["step", "tolerance", "rollouts"]

Types = tuple[type, ...]
KINDS: dict[type, tuple[Types, str]] = {bool: ((bool,), "True or False"), str: ((str,), "a text")}
"""{type of a field's default: (types that its value may have, and they in words)}; a type that is
not listed stands for a number."""
NUMBER: tuple[Types, str] = ((float, int, Real), "a number")  # the plain ones are told at once


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """The properties that an estimator promises to have; `gradpareto traits` measures them.

    Raises ValueError if a value makes no sense.
    """

    knob: Knob
    """The meaning of the setting: the largest fixed step, in units of time, a relative tolerance,
    or the number of rollouts (solves of the loss) that a sample may take."""
    tight: float
    """A setting at which the estimator is as accurate as it gets at a bearable price."""
    follows_dtype: bool = True
    """Whether it works in the precision of x0 and theta, its calls of the oracles included; one
    that does not works in float64."""
    per_lane: bool = False
    """Whether it solves the samples of a batch one after the other, so that a batch saves no
    time."""
    batch_decides: bool = False
    """Whether the number of samples in a batch decides how they are solved: a sample's gradient is
    then the same only within the tolerance in batches of two sizes, and its counts differ. It never
    depends on which the other samples are."""
    calls_per_step: int = 2
    """The oracle calls that a fixed step costs a sample, if the knob is the step."""
    order: int | None = None
    """The power of the step with which the gradient's error falls, if there is a nominal one."""
    tolerance_exponent: float = 1.0
    """The power of the tolerance with which the gradient's error falls: below 1 if part of the
    error is seen by no step control."""
    exact: bool = False
    """Whether the gradient is, to rounding, that of the loss of its own discretisation."""
    floor: float = 0.0
    """The relative error that finite differences leave, whatever the step; 0 means rounding."""
    memory: float = 1.0
    """The power of the number of steps with which the bytes stored between the passes grow."""
    reconstructs: bool = False
    """Whether the backward pass computes the states again from x(T), back to `reconstructed`."""
    forward_only: bool = False
    """Whether there is no backward pass."""
    iterative: bool = False
    """Whether it iterates, so that the cost of a step depends on the problem; `calls_per_step` is
    then only a rough figure."""
    stochastic: bool = False
    """Whether it draws random numbers. It then is a dataclass with a field `seed`, and the noise of
    a lane depends only on the seed and on the lane's x0."""
    cost_grows_with_parameters: bool = False
    """Whether the number of oracle calls grows with the number of parameters."""
    stiff: bool = False
    """Whether accuracy alone limits its steps where the system has a fast decaying mode."""
    source: str = ""
    """The paper, and the equation or algorithm in it, that describes the method."""

    def __post_init__(self) -> None:
        if self.knob not in get_args(Knob):
            known = " or ".join(map(repr, get_args(Knob)))
            raise ValueError(f"its knob is {self.knob!r}, not {known}")
        for name, (wanted, told) in _kinds().items():
            value = getattr(self, name)
            if not isinstance(value, wanted) and not (name == "order" and value is None):
                raise ValueError(f"its {name} is {value!r}, not {told}")
        if not 0 < self.tight < inf:
            raise ValueError(f"its tight setting is {self.tight!r}, not a positive number")


@cache
def _kinds() -> dict[str, tuple[Types, str]]:
    """Return the types that the fields beside the knob may have: they are checked very often."""
    others = (field for field in fields(Declaration) if field.name != "knob")
    return {field.name: KINDS.get(type(field.default), NUMBER) for field in others}
