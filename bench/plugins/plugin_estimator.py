"""An estimator that came as a plug-in, in a form that any process can be sent."""

from copy import copy
from dataclasses import replace
from functools import cache
from typing import Any

from gradpareto.bench.plugins.kinds import estimators_of
from gradpareto.bench.plugins.source import Source, Unusable, digest, load, quiet
from gradpareto.estimators import Declaration, Estimate, Estimator
from gradpareto.systems import Array, Problem


class Plugged(Estimator):
    """Its source and its declarations; whoever calls it loads the code, once a process.

    A class from a file, or a function without a name, cannot be pickled: this can.
    """

    def __init__(self, source: Source, name: str, form: str, code: str, made: Estimator) -> None:
        self.plugin, self.name, self.form, self.code = source, name, form, code
        self.shift = 0
        self.declared = made.declares

    @property
    def declares(self) -> Declaration:
        return self.declared

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        made = made_of(self.plugin, self.name)
        if code_of(self.plugin) != self.code:
            raise Unusable(f"{self.plugin} was changed while it was being measured")
        own: Any = made[self.form]
        if self.shift:
            own = replace(own, seed=own.seed + self.shift)
        with quiet():
            estimate: Estimate = own(problem, x0, setting)
        return estimate

    def reseeded(self, by: int) -> "Plugged":
        """The same, its seed shifted, for a stochastic estimator (a dataclass with a `seed`)."""
        other = copy(self)
        other.shift = by
        return other

    def __repr__(self) -> str:
        return f"Plugged({self.plugin}{'-' * bool(self.form)}{self.form})"

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Plugged) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


@cache
def made_of(source: Source, name: str) -> dict[str, Estimator]:
    """{form: estimator} of the source's object. Raises Unusable."""
    return estimators_of(load(source), name)


@cache
def code_of(source: Source) -> str:
    """The digest of the code as this process has loaded it."""
    load(source)
    return digest(source)
