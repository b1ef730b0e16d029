"""The contract between an estimator and whoever calls it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gradpareto.estimators.declaration import Declaration
from gradpareto.estimators.solvers.mesh import step_count
from gradpareto.systems import Array, Problem


@dataclass(frozen=True)
class Estimate:
    """The losses and gradients of B samples.

    `loss` is (B,), `grad_x0` (B, state_dim), and `grad_theta` (B, P). `steps` (B,) counts accepted
    steps, forward and backward together. `reconstructed` (B, state_dim) is the x(0) that a backward
    pass finds if it integrates the state again. `failed` maps a lane that was given up to the
    reason; its numbers are NaN.
    """

    loss: Array
    grad_x0: Array
    grad_theta: Array
    steps: Array
    failed: Mapping[int, str] = field(default_factory=dict)
    reconstructed: Array | None = None

    @property
    def gradient(self) -> Array:
        """The stacked gradient (dL/dx0, dL/dtheta), (B, state_dim + P)."""
        return np.concatenate([self.grad_x0, self.grad_theta], axis=1)


class Estimator(ABC):
    """A method that turns a problem and a batch of initial states into gradients.

    Its one knob is `setting`. An implementation is a frozen dataclass (so that it can be sent to
    another process) and keeps no state between calls. It does not count its own calls of the
    oracles: whoever measures it does.
    """

    @property
    @abstractmethod
    def declares(self) -> Declaration:
        """The record of what the estimator promises about itself."""

    @abstractmethod
    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        """Estimate dL/dx0 and dL/dtheta for each initial state, x0 (B, state_dim)."""

    def solves(self, problem: Problem) -> int:
        """Return the number of solves that a sample pays for."""
        return 1

    def calls(self, problem: Problem, setting: float) -> float:
        """Return about how many oracle calls a sample takes, or NaN where steps are adaptive."""
        if self.declares.knob != "step":
            return float("nan")
        steps = step_count(problem.horizon, setting)
        return float(steps * self.declares.calls_per_step * self.solves(problem))
