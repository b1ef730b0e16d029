"""A loss with its gradient, which every method of this package returns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradpareto.systems import Array


class NotSolved(ArithmeticError):  # noqa: N818
    """A method cannot solve the problem to rounding, so it cannot vouch for a gradient.

    `lanes` are the samples that it cannot solve, or none if that is not known.
    """

    def __init__(self, message: str, lanes: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.lanes = tuple(lanes)


@dataclass(frozen=True)
class LossAndGradient:
    """The loss (B,), dL/dx0 (B, state_dim) and dL/dtheta (B, P) of a batch of initial states."""

    loss: Array
    grad_x0: Array
    grad_theta: Array

    @property
    def gradient(self) -> Array:
        """The stacked gradient (dL/dx0, dL/dtheta) (B, state_dim + P)."""
        return np.concatenate([self.grad_x0, self.grad_theta], axis=1)

    def take(self, lanes: Array) -> "LossAndGradient":
        """Return those of some samples."""
        return LossAndGradient(self.loss[lanes], self.grad_x0[lanes], self.grad_theta[lanes])
