"""A problem that gives up each sample which takes more evaluations than it is allowed."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gradpareto.bench.run.meter import Meter, MeteredProblem, parts_of
from gradpareto.systems import Array, Factors, Linearisation, Problem, ThetaJacobian


@dataclass(frozen=True)
class LimitedProblem(MeteredProblem):
    """A metered problem in which each sample may take `allowance` evaluations.

    Once a sample has taken more, its dynamics, its cost and their cotangents are NaN, so that an
    estimator loses this sample and goes on with the others.
    """

    allowance: float = field(kw_only=True, compare=False, repr=False)

    def flow(self, lane: Array, t: Array, x: Array) -> tuple[Array, Array]:
        slope, cost = super().flow(lane, t, x)
        over = self._over(lane)
        slope[over], cost[over] = np.nan, np.nan
        return slope, cost

    def pullback(
        self,
        lane: Array,
        t: Array,
        x: Array,
        a: Array,
        c: Array,
        values: Sequence[Array] | None = None,
    ) -> tuple[Array, Factors]:
        gx, factors = super().pullback(lane, t, x, a, c, values)
        gx[self._over(lane)] = np.nan
        return gx, factors

    def jacobian(self, lane: Array, t: Array, x: Array) -> tuple[Array, ThetaJacobian]:
        matrix, by_theta = super().jacobian(lane, t, x)
        matrix[self._over(lane)] = np.nan
        return matrix, by_theta

    def assembled(self, lane: Array, t: Array, x: Array, c: Array) -> Linearisation:
        """Linearise S stages, in which a sample that they take beyond its allowance is lost."""
        over = self.meter.evals[lane] + len(t) > self.allowance
        return super().assembled(lane, t, x, np.where(over, np.nan, c))

    def _over(self, lane: Array) -> Array:
        """Tell which rows (R,) are of samples that are beyond their allowance."""
        return np.asarray(self.meter.evals[lane] > self.allowance)


def limited(problem: Problem, meter: Meter, allowance: float) -> LimitedProblem:
    """Return the problem with a meter, each sample of which may take `allowance` evaluations."""
    return LimitedProblem(**parts_of(problem), meter=meter, allowance=allowance)
