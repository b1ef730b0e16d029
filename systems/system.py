"""What is controlled: the contract that every system keeps."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class System(ABC):
    """A controlled ODE x' = f(t, x, u) with running cost w(t, x, u) and terminal cost J(x).

    Every method works on R rows at once: times t (R,), states x (R, state_dim), controls u
    (R, control_dim), observations (R, observation_dim). They are pure, and analytic wherever they
    are smooth, so that a complex step goes through `flow`, `observe` and `terminal`. They do not
    validate: a state off the rails yields non-finite numbers, never an exception, unless it is a
    simulator that warns.
    """

    state_dim: int
    control_dim: int
    observation_dim: int
    horizon: float
    """T, in the system's unit of time."""
    breakpoints: ClassVar[tuple[float, ...]] = ()
    """Times inside (0, T) at which f or w jumps; every solver steps onto them exactly."""
    context_dim: int = 0
    """Numbers that tell one sample's task from another's and do not change with time."""
    velocity_of: ClassVar[Mapping[int, int]] = MappingProxyType({})
    """Where a state's derivative is another state: the index of each position to its velocity's."""
    pullback_flows: ClassVar[int] = 0
    """Simulator calls in one row of `pullback`, where it differences the simulator (else 0)."""
    truth: "System | None" = None
    """The system whose references judge this one, where its own derivatives are not exact."""

    @abstractmethod
    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        """Return x' (R, state_dim) and the running cost w (R,)."""

    @abstractmethod
    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        """Vector-Jacobian product of `flow` for cotangents a (R, state_dim) of x' and c (R,) of w.

        Return the cotangents of x (R, state_dim) and of u (R, control_dim).
        """

    @abstractmethod
    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        """Draw initial states (samples, state_dim)."""

    def sample_context(self, rng: np.random.Generator, x0: Array) -> Array:
        """Draw a context for each x0 (samples, state_dim): (samples, context_dim)."""
        return np.empty((len(x0), self.context_dim))

    def within(self, context: Array) -> Self:
        """This system for rows in the given contexts (R, context_dim); without any, itself."""
        return self

    def observe(self, t: Array, x: Array) -> Array:
        """What the policy sees (R, observation_dim); the state itself unless overridden."""
        return x

    def observe_pullback(self, t: Array, x: Array, o: Array) -> Array:
        """Vector-Jacobian product of `observe` for a cotangent o (R, observation_dim)."""
        return o

    def terminal(self, x: Array) -> Array:
        """J(x) (R,); zero unless overridden."""
        return np.zeros(len(x), dtype=x.dtype)

    def terminal_gradient(self, x: Array) -> Array:
        """dJ/dx (R, state_dim)."""
        return np.zeros_like(x)
