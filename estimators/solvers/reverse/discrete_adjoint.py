"""The discrete adjoint of explicit Runge-Kutta steps, whether their stages are kept or recomputed.

    mu_i = (df/dX_i)^T h (b_i lambda+ + sum_{j > i} a_ji mu_j) + h b_i dw/dX_i
    lambda = lambda+ + sum_i mu_i

This is the transpose of the stages (Sandu 2006): lambda is the cotangent of x, mu_i that of X_i.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from gradpareto.estimators.solvers.explicit.stages import as_column, increment
from gradpareto.estimators.solvers.explicit.tableaus import Tableau
from gradpareto.systems import Array, Factors, Problem

CHUNK_BYTES = 4_000_000
"""theta-cotangents are held up to this size, or twice that of their sum if that is more, and then
contracted in one product."""


@dataclass(frozen=True)
class Step:
    """One step of R lanes, with stage times t (s, R), length h (R,), and stage states (s, R, d)."""

    lane: Array
    t: Array
    h: Array
    stages: Array


class ThetaSum:
    """The theta-gradient (B, P) as a sum of cotangents, contracted when many are held.

    The cotangents held together belong to the same lanes, so that one product serves all of them.
    """

    def __init__(self, problem: Problem, lanes: int, precision: np.dtype) -> None:
        self.problem = problem
        self.value = np.zeros((lanes, problem.policy.size), precision)
        # With less, a sum over many lanes would be written more often than it is worth.
        self._most = max(CHUNK_BYTES, 2 * self.value.nbytes)
        self._lane: Array = np.arange(0)
        self._held: list[Factors] = []
        self._weights: list[Array] = []

    def add(self, lane: Array, factors: Factors, weight: Array | None = None) -> None:
        """Add cotangents of one row of each lane in `lane` (R,), times weights (R,) if given."""
        if lane is not self._lane and not np.array_equal(lane, self._lane):
            self.flush()
        self._lane = lane
        self._held.append(factors)
        self._weights.append(np.ones(len(lane)) if weight is None else weight)
        if len(self._held) * sum(part.nbytes for part in factors) > self._most:
            self.flush()

    def flush(self) -> Array:
        """Contract the cotangents that are held, and return the sum so far."""
        if self._held:
            weights = np.stack(self._weights)[None]
            self.value[self._lane] += self.problem.contract(self._held, weights)[0]
            self._held.clear()
            self._weights.clear()
        return self.value


def reverse(
    problem: Problem,
    tableau: Tableau,
    steps: Iterable[Step],
    adjoint: Array,
    coupled: tuple[list[int], list[int]] = ([], []),
    pull: Callable[..., Array] | None = None,
) -> tuple[Array, Array]:
    """Sweep back from the final states' cotangent to the gradients in x0 (B, d) and theta (B, P).

    `steps` come last first; a step's lanes are a subset of the batch, each on a mesh of its own.
    `coupled` are positions and their velocities, which semi-implicit Euler's method updates first.
    `pull` is `pull_stages` or `pull_partner`.
    """
    adjoint, pull = adjoint.copy(), pull or pull_stages
    theta = ThetaSum(problem, len(adjoint), adjoint.dtype)
    positions, velocities = coupled
    for step in steps:
        own = adjoint[step.lane]
        pulled = add_columns(own, step.h, velocities, positions)
        adjoint[step.lane] = own + pull(problem, tableau, step, pulled, theta)
    return adjoint, theta.flush()


def pull_stages(
    problem: Problem,
    tableau: Tableau,
    step: Step,
    pulled: Array,
    theta: ThetaSum,
    price: float = 1.0,
) -> Array:
    """Return the part of the cotangent of a step's initial state (R, d) that its stages add.

    `pulled` (R, d) is the cotangent of x+; the running cost over the step counts `price` times.
    """
    h = step.h.astype(pulled.dtype, copy=False)
    weights = np.vstack([tableau.a, tableau.b])
    costs = price * tableau.b[:, None] * h
    cotangents = np.empty((len(weights), *pulled.shape), pulled.dtype)  # of the stages, and of x+
    cotangents[-1] = pulled
    for i in reversed(range(tableau.stages)):
        slope = increment(h[:, None], weights[i + 1 :, i], cotangents[i + 1 :])
        cotangents[i], factors = problem.pullback(
            step.lane, step.t[i], step.stages[i], slope, costs[i]
        )
        theta.add(step.lane, factors)
    return np.asarray(cotangents[:-1].sum(axis=0))


def pull_partner(
    problem: Problem, tableau: Tableau, step: Step, pulled: Array, theta: ThetaSum
) -> Array:
    """Compute the result of `pull_stages` by the partner method, which makes a symplectic pair.

    Stage i of the adjoint is its value at the end of the step and sum_j>i (b_j a_ji / b_i) times
    its slopes (Sanz-Serna 2016); where b_i = 0, any other number may divide in its place, if it
    multiplies again what is pulled back (Matsubara et al. 2021).
    """
    a, b = tableau.a, tableau.b
    h = step.h.astype(pulled.dtype, copy=False)
    divisor = np.where(b != 0, b, 1)
    slopes = np.empty((len(b), *pulled.shape), pulled.dtype)  # of the adjoint, time reversed
    for i in reversed(range(len(b))):
        stage = (b[i] / divisor[i]) * pulled
        if i + 1 < len(b):
            weights = divisor[i + 1 :] * a[i + 1 :, i] / divisor[i]
            stage = stage + increment(h[:, None], weights, slopes[i + 1 :])
        price = np.full(len(h), b[i] / divisor[i], pulled.dtype)
        slopes[i], factors = problem.pullback(step.lane, step.t[i], step.stages[i], stage, price)
        theta.add(step.lane, factors, h * divisor[i])
    return increment(h[:, None], divisor, slopes)


def add_columns(values: Array, h: Array, into: list[int], source: list[int]) -> Array:
    """Add h (R,) times the columns `source` of values (R, d) to their columns `into`."""
    if into:
        values = values.copy()
        values[:, into] += as_column(h, values) * values[:, source]
    return values
