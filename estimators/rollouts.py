"""Zeroth-order gradients: the losses of randomly perturbed rollouts, and nothing else."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from gradpareto.estimators.declaration import Declaration
from gradpareto.estimators.differences import ROWS_AT_ONCE, losses_at, point_of
from gradpareto.estimators.estimate import Estimate, Estimator
from gradpareto.estimators.solvers.explicit.tableaus import Tableau
from gradpareto.estimators.solvers.mesh import fixed_mesh
from gradpareto.systems import Array, Problem

Draw = Callable[[np.random.Generator, tuple[int, int]], Array]
"""A function that draws directions of mean zero and covariance one."""


def gaussian(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    return rng.standard_normal(shape)


def signs(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Draw Rademacher's random signs, which are their own inverses."""
    return 2.0 * rng.integers(0, 2, shape) - 1.0


@dataclass(frozen=True)
class Rollouts(Estimator):
    """Estimate g = sum_k (L(z + r e_k) - b_k) e_k / (n r) from n rollouts, where z = (x0, theta).

    With `paired` directions, e and -e, it is the mean of (L(z + r e) - L(z - r e)) e / (2 r). With
    random signs this is SPSA (Spall 1992); with Gaussian noise it is an evolution strategy with
    antithetic pairs (Salimans et al. 2017, section 2.1). Without pairs, it is the score function
    (REINFORCE, Williams 1992, section 6) of a Gaussian exploration not of actions but of the
    parameters (Sehnke et al. 2010, section 2) and of x0, which needs no discretisation of noise in
    time and no derivative of the policy. The baseline b_k is the mean of the other losses, which
    adds no bias.

    Gaussian directions are unbiased for the gradient of E L(z + r e), the loss smoothed over the
    radius r; signs are unbiased up to r^2 times third derivatives. This bias, and the error of a
    solve in `steps` fixed steps, remain whatever the number of rollouts. The variance falls as
    1 / n. It hardly depends on r, since the perturbation is the only noise, so r is chosen small.
    The loss returned is the mean of the rollouts'.

    Directions come from `seed` and the bytes of the lane's x0. Everything is computed in float64.
    Where directions are paired, an odd last rollout is left out. Raises ValueError if there are
    fewer than two rollouts.
    """

    tableau: Tableau
    draw: Draw
    paired: bool
    source: str
    radius: float = 1e-3
    steps: int = 64
    seed: int = 0
    tight: float = 1024.0

    @property
    def declares(self) -> Declaration:
        return Declaration(
            knob="rollouts",
            tight=self.tight,
            follows_dtype=False,
            per_lane=True,
            memory=0.0,
            stochastic=True,
            source=self.source,
        )

    def calls(self, problem: Problem, setting: float) -> float:
        return setting * self.tableau.stages * self.steps

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        count, width = self._count(setting), x0.shape[1]
        step = problem.horizon / self.steps
        found = [self._of(problem, lane, x, count, step) for lane, x in enumerate(x0.astype(float))]
        loss, gradient = (np.array(part) for part in zip(*found, strict=True))
        steps = np.full(len(x0), len(fixed_mesh(problem.segments, step)[0]))
        return Estimate(loss, gradient[:, :width], gradient[:, width:], steps)

    def _count(self, setting: float) -> int:
        if not 0 < setting < np.inf:
            raise ValueError(f"rollouts must be positive and finite, not {setting}")
        count = int(setting)
        if count < 2:
            raise ValueError(f"it takes two rollouts at least, not {setting:g}")
        return count - count % 2 if self.paired else count

    def _of(
        self, problem: Problem, lane: int, x: Array, count: int, step: float
    ) -> tuple[float, Array]:
        """Return the loss and its gradient (d + P,) of one sample."""
        at = point_of(problem, lane, x)
        rng = np.random.default_rng([self.seed, int.from_bytes(sha256(x.tobytes()).digest())])
        directions = self.draw(rng, (count // 2 if self.paired else count, len(at)))
        if self.paired:
            directions = np.concatenate([directions, -directions])
        losses = np.concatenate(
            [
                losses_at(problem, self.tableau, lane, at + self.radius * some, step)
                for some in np.split(directions, range(ROWS_AT_ONCE, count, ROWS_AT_ONCE))
            ]
        )
        # The mean of the others is n / (n - 1) as far away as the mean of all; pairs cancel it.
        independent = count if self.paired else count - 1
        mean = losses.mean()
        return float(mean), (losses - mean) @ directions / (independent * self.radius)
