"""The contract between an estimator and whoever calls it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from gradpareto.estimators.solvers.mesh import step_count
from gradpareto.systems import Array, Problem

Knob = Literal["step", "tolerance", "rollouts"]


@dataclass(frozen=True)
class Estimate:
    """Gradients of B samples.

    loss (B,), grad_x0 (B, state_dim), grad_theta (B, P); `steps` (B,) accepted steps, forward and
    backward together. `reconstructed` (B, state_dim) is x(0) as a backward pass that integrates the
    state again finds it. `failed` maps a lane that was given up to the reason, its numbers are NaN.
    """

    loss: Array
    grad_x0: Array
    grad_theta: Array
    steps: Array
    failed: Mapping[int, str] = field(default_factory=dict)
    reconstructed: Array | None = None

    @property
    def gradient(self) -> Array:
        """(dL/dx0, dL/dtheta) stacked, (B, state_dim + P)."""
        return np.concatenate([self.grad_x0, self.grad_theta], axis=1)


class Estimator(ABC):
    """Turns a problem and a batch of initial states into gradients; its one knob is `setting`.

    An implementation is a frozen dataclass (so that it can be sent to another process) and keeps
    no state between calls. It pays for what it calls: whoever measures counts the oracles.
    """

    knob: Knob
    """What the setting is: the largest fixed step, in units of time, a relative tolerance, or how
    many rollouts (solves of the loss) a sample may take."""
    tight: float
    """A setting at which the estimator is as accurate as it gets at a bearable price."""
    follows_dtype: bool = True
    """Whether it works in the precision of x0 and theta; one that does not works in float64."""
    calls_per_step: int = 2
    """Oracle calls that a fixed step costs a sample, for those whose knob is the step."""
    order: int | None = None
    """The order at which the gradient's error falls with the step, if there is a nominal one."""
    tolerance_exponent: float = 1.0
    """The exponent of the gradient's error in the tolerance, below 1 where no control sees it."""
    exact: bool = False
    """Whether it is, to rounding, the gradient of the loss of its own discretisation."""
    floor: float = 0.0
    """A relative error that the differences it takes leave, whatever the step; 0 is rounding's."""
    memory: float = 1.0
    """The exponent of the bytes stored between the passes, in the number of steps."""
    forward_only: bool = False
    """Whether it goes forward only: there is no backward pass."""
    iterative: bool = False
    """Whether it iterates: what a step costs then depends on the problem, `calls_per_step` is
    about what it is."""
    stochastic: bool = False
    """Whether it draws random numbers; it then is a dataclass with a field `seed`, and the noise of
    a lane comes from the seed and that lane's x0 alone."""
    cost_grows_with_parameters: bool = False
    """Whether it needs the more oracle calls the more parameters there are."""
    black_box: bool = True
    """Whether it needs nothing of a system that a simulator does not have."""
    stiff: bool = False
    """Whether accuracy alone bounds its steps where the system has a fast decaying mode."""
    source: str = ""
    """Where it comes from: paper, equation."""

    @abstractmethod
    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        """Estimate dL/dx0 and dL/dtheta for each initial state, x0 (B, state_dim)."""

    def solves(self, problem: Problem) -> int:
        """How many times over a sample pays for the steps of one solve."""
        return 1

    def calls(self, problem: Problem, setting: float) -> float:
        """Oracle calls that a sample's estimate takes, about; NaN where steps are adaptive."""
        if self.knob != "step":
            return float("nan")
        steps = step_count(problem.horizon, setting)
        return float(steps * self.calls_per_step * self.solves(problem))
