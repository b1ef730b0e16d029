"""The contract that every system keeps, and the type of its arrays."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class System(ABC):
    """A controlled ODE x' = f(t, x, u) with running cost w(t, x, u) and terminal cost J(x).

    A system of your own defines `flow` and `sample_x0`, and says how many controls it has and how
    long it runs; everything else has a default. `gradpareto.derived` makes `pullback`, and finds
    the other numbers, where a system does not have them. What tells two systems of one class apart
    is in the fields of a frozen dataclass.

    Every method works on R rows at once: times t (R,), states x (R, state_dim), controls u
    (R, control_dim), observations (R, observation_dim). Methods are pure. They are analytic
    wherever they are smooth, so that a complex step goes through `flow`, `observe` and `terminal`.
    They do not validate their input: a state that is out of bounds gives numbers that are not
    finite, and no exception, unless a simulator warns.
    """

    state_dim: int
    """The number of states."""
    control_dim: int
    """The number of controls."""
    observation_dim: int
    """The number of values that the policy observes."""
    horizon: float
    """The horizon T, in the system's unit of time."""
    breakpoints: ClassVar[tuple[float, ...]] = ()
    """The times inside (0, T) at which f or w jumps; every solver steps onto them exactly."""
    context_dim: int = 0
    """The length of a context: numbers that tell one sample's task from another's, at any time."""
    velocity_of: ClassVar[Mapping[int, int]] = MappingProxyType({})
    """The index of each position, mapped to the index of the velocity that is its derivative."""
    pullback_flows: ClassVar[int] = 0
    """The simulator calls in one row of `pullback`, if it differences a simulator (else 0)."""
    truth: "System | None" = None
    """The system whose references judge this one, if its own derivatives are not exact."""
    data_files: ClassVar[tuple[str | Path, ...]] = ()
    """Files and folders that the code reads, relative to the module's folder.

    A reference is kept until one of them or the code changes. A file that a string constant of the
    code names is found without being declared (`systems/code_digest.py` says how).
    """

    @abstractmethod
    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        """Return x' (R, state_dim) and the running cost w (R,)."""

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        """Multiply cotangents a (R, state_dim) of x' and c (R,) of w by the Jacobian of `flow`.

        This vector-Jacobian product returns the cotangents of x (R, state_dim) and of u
        (R, control_dim). Where a system does not define it, `gradpareto.derived` makes it.
        """
        raise NotImplementedError(f"{type(self).__name__} has no pullback: gradpareto.derived")

    @abstractmethod
    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        """Draw initial states (samples, state_dim)."""

    def sample_context(self, rng: np.random.Generator, x0: Array) -> Array:
        """Draw a context for each x0 (samples, state_dim): (samples, context_dim)."""
        return np.empty((len(x0), self.context_dim))

    def within(self, context: Array) -> Self:
        """Return this system for rows in the given contexts (R, context_dim)."""
        return self

    def observe(self, t: Array, x: Array) -> Array:
        """Return what the policy sees (R, observation_dim): the state itself unless overridden."""
        return x

    def observe_pullback(self, t: Array, x: Array, o: Array) -> Array:
        """Multiply a cotangent o (R, observation_dim) by the Jacobian of `observe`."""
        return o

    def terminal(self, x: Array) -> Array:
        """Return the terminal cost J (R,): zero unless overridden."""
        return np.zeros(len(x), dtype=x.dtype)

    def terminal_gradient(self, x: Array) -> Array:
        """Return dJ/dx (R, state_dim)."""
        return np.zeros_like(x)
