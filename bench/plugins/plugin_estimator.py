"""A plug-in's estimator in a form that can be sent to another process."""

from copy import copy
from dataclasses import replace
from functools import cache
from typing import Any

from gradpareto.bench.plugins.kinds import estimators_of
from gradpareto.bench.plugins.source import Source, Unusable, digest, load, quiet
from gradpareto.estimators import Declaration, Estimate, Estimator
from gradpareto.systems import Array, Problem


class PluginEstimator(Estimator):
    """An estimator by its source and its declarations; the first call in a process loads the code.

    A class from a file or a function without a name cannot be pickled; a PluginEstimator can.
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

    def reseeded(self, by: int) -> "PluginEstimator":
        """A copy whose seed is shifted, if it is stochastic (a dataclass with a field `seed`)."""
        other = copy(self)
        other.shift = by
        return other

    def __repr__(self) -> str:
        return f"PluginEstimator({self.plugin}{'-' * bool(self.form)}{self.form})"

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, PluginEstimator) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


@cache
def made_of(source: Source, name: str) -> dict[str, Estimator]:
    """Load the source's object and return its estimators by their forms. Raises Unusable."""
    return estimators_of(load(source), name)


@cache
def code_of(source: Source) -> str:
    """The digest of the code that this process has loaded."""
    load(source)
    return digest(source)
