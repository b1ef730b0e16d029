"""Differences of the discretised loss, real and complex: solves for each entry of x0 and theta.

dL/dz is a weighted sum of L(z + s_k e) over shifts s_k, divided by e (Nocedal and Wright 2006, 8.1;
Squire and Trapp 1998 for the complex step).
"""

from dataclasses import dataclass, replace

import numpy as np

from gradpareto.estimators.bptt import discretised_loss
from gradpareto.estimators.declaration import Declaration
from gradpareto.estimators.estimate import Estimate, Estimator
from gradpareto.estimators.solvers.explicit.tableaus import Tableau
from gradpareto.estimators.solvers.mesh import fixed_mesh
from gradpareto.systems import Array, Problem

EPS = float(np.finfo(float).eps)
ROWS_AT_ONCE = 512


@dataclass(frozen=True)
class Scheme:
    """A scheme dL/dz = Re(sum_k w_k L(z + s_k e) - L(z) sum_k w_k) / e of shifts s and weights w.

    e is `perturbation` times max(1, |z|), at which truncation and rounding are in balance. `floor`
    is the error that they leave in the gradient, relative to the loss.
    """

    shifts: tuple[complex, ...]
    weights: tuple[complex, ...]
    perturbation: float
    floor: float

    @property
    def is_complex(self) -> bool:
        return any(isinstance(shift, complex) for shift in self.shifts)


def _balanced(shifts: tuple[float, ...], weights: tuple[float, ...], order: int) -> Scheme:
    """Return a scheme of real shifts at which e^order and eps / e are in balance.

    That is so where the derivatives are of size 1.
    """
    perturbation = EPS ** (1 / (order + 1))
    return Scheme(shifts, weights, perturbation, EPS / perturbation)


FORWARD = _balanced((1.0,), (1.0,), order=1)
CENTRAL = _balanced((1.0, -1.0), (0.5, -0.5), order=2)
EXTRAPOLATED = _balanced((1.0, -1.0, 2.0, -2.0), (8 / 12, -8 / 12, -1 / 12, 1 / 12), order=3)
"""Richardson extrapolation of central differences at e and 2 e. Their truncation is of order 4; the
fifth derivative of a loss over many time constants is large, so e is shorter than that balance."""
COMPLEX_STEP = Scheme((1j,), (-1j,), 1e-30, EPS)
"""dL/dz = Im L(z + i e) / e, in which nothing is subtracted (Squire and Trapp 1998)."""


@dataclass(frozen=True)
class Differences(Estimator):
    """Differences of fixed-step losses, of which the step is the knob.

    The mesh is frozen, so that two losses differ by the perturbed entry alone. The solves of one
    sample are rows of one batch, each with its own theta, and all are paid for. Everything is
    computed in float64, for which the perturbation is chosen. Raises ValueError if the scheme is
    complex and the system a simulator, which takes real numbers only.
    """

    tableau: Tableau
    scheme: Scheme
    tight: float = 0.02
    source: str = "Nocedal and Wright 2006, 8.1"

    @property
    def declares(self) -> Declaration:
        """The declaration, in which the calls are those of one solve.

        The floor is that of a gradient no smaller than a 25th of the loss.
        """
        return Declaration(
            knob="step",
            tight=self.tight,
            follows_dtype=False,
            per_lane=True,
            calls_per_step=self.tableau.stages,
            order=self.tableau.order,
            exact=self.scheme.is_complex,
            floor=0.0 if self.scheme.is_complex else 25 * self.scheme.floor,
            memory=0.0,
            forward_only=True,
            cost_grows_with_parameters=True,
            source=self.source,
        )

    def solves(self, problem: Problem) -> int:
        return 1 + len(self.scheme.shifts) * (problem.system.state_dim + problem.policy.size)

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        if self.scheme.is_complex and problem.system.truth is not None:
            name = type(problem.system).__name__
            raise ValueError(f"a complex step does not go through a simulator, as {name} is")
        x0, width = x0.astype(float, copy=False), x0.shape[1]
        found = np.stack([self._of(problem, lane, x, setting) for lane, x in enumerate(x0)])
        loss, gradient = found[:, 0], found[:, 1:]
        steps = np.full(len(x0), len(fixed_mesh(problem.segments, setting)[0]))
        return Estimate(loss, gradient[:, :width], gradient[:, width:], steps)

    def _of(self, problem: Problem, lane: int, x: Array, step: float) -> Array:
        """Return the loss and its derivatives in x0 and theta, (1 + d + P,)."""
        at, scheme = point_of(problem, lane, x), self.scheme
        shifts, weights = np.array(scheme.shifts), np.array(scheme.weights)
        # Rows of a kind, with a theta each: the rounding of what is subtracted is of a kind too.
        loss = losses_at(problem, self.tableau, lane, at[None], step)[0]
        found, at_once = np.full(1 + len(at), loss), max(1, ROWS_AT_ONCE // len(shifts))
        for start in range(0, len(at), at_once):
            entries = np.arange(start, min(start + at_once, len(at)))
            size = scheme.perturbation * np.maximum(1, np.abs(at[entries]))
            # What the first shift moves the entry by, rounded as the sum is.
            size = ((at[entries] + shifts[0] * size - at[entries]) / shifts[0]).real
            points = np.tile(at.astype(shifts.dtype), (len(shifts), len(entries), 1))
            points[:, np.arange(len(entries)), entries] += shifts[:, None] * size
            losses = losses_at(problem, self.tableau, lane, points.reshape(-1, len(at)), step)
            total = weights @ losses.reshape(len(shifts), -1) - weights.sum() * loss
            found[1 + entries] = total.real / size
        return found


def point_of(problem: Problem, lane: int, x: Array) -> Array:
    """Return x0 and the parameters that control the lane, stacked (d + P,)."""
    theta = problem.theta if problem.trial is None else problem.theta[problem.trial[lane]]
    return np.concatenate([x, theta])


def losses_at(problem: Problem, tableau: Tableau, lane: int, points: Array, step: float) -> Array:
    """Return the discretised loss (R,) of one sample at points (R, d + P), each x0 and theta."""
    width = problem.system.state_dim
    at = replace(problem, theta=points[:, width:], trial=None)
    lanes = np.full(len(points), lane)
    return discretised_loss(at, tableau, lanes, points[:, :width], step)
