"""The linear-quadratic regulator, with any matrices and horizon, and the paper's instance."""

from dataclasses import dataclass

import numpy as np

from gradpareto.systems.policy import Policy
from gradpareto.systems.system import Array, System
from gradpareto.systems.task import Task, trained


def _times(rows: Array, matrix: Array) -> Array:
    """Return rows @ matrix in the precision of the rows."""
    return np.asarray(rows @ matrix.astype(rows.dtype, copy=False))


@dataclass(frozen=True, eq=False)
class LQR(System):
    """x' = A x + B u, w = x'Qx + u'Ru, J = x'Q_T x (no factor 1/2); x0 ~ N(0, I).

    Raises ValueError on matrices that do not fit each other, or costs that are not symmetric.
    """

    A: Array
    B: Array
    Q: Array
    R: Array
    Q_T: Array
    horizon: float

    def __post_init__(self) -> None:
        n, k = self.B.shape
        expected = {"A": (n, n), "Q": (n, n), "R": (k, k), "Q_T": (n, n)}
        for name, shape in expected.items():
            matrix = getattr(self, name)
            if matrix.shape != shape:
                raise ValueError(f"{name} is {matrix.shape}, expected {shape} beside B {(n, k)}")
            if name != "A" and not np.array_equal(matrix, matrix.T):
                raise ValueError(f"{name} must be symmetric")

    @property
    def state_dim(self) -> int:  # type: ignore[override]
        return len(self.A)

    @property
    def control_dim(self) -> int:  # type: ignore[override]
        return len(self.R)

    @property
    def observation_dim(self) -> int:  # type: ignore[override]
        return len(self.A)

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        cost = (_times(x, self.Q) * x).sum(axis=1) + (_times(u, self.R) * u).sum(axis=1)
        return _times(x, self.A.T) + _times(u, self.B.T), cost

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        twice = 2 * c[:, None]
        return _times(a, self.A) + twice * _times(x, self.Q), _times(a, self.B) + twice * (
            _times(u, self.R)
        )

    def terminal(self, x: Array) -> Array:
        return np.asarray((_times(x, self.Q_T) * x).sum(axis=1))

    def terminal_gradient(self, x: Array) -> Array:
        return 2 * _times(x, self.Q_T)

    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        return rng.standard_normal((samples, self.state_dim))


_I = np.eye(2)

TASK = Task(
    system=LQR(A=0 * _I, B=_I, Q=_I, R=_I, Q_T=0 * _I, horizon=10.0),
    policy=Policy(sizes=(2, 2), activations=("identity",)),
    presets={
        # W = -K, K = I solving the Riccati equation, and b = 0: the paper's figure 2.
        "optimal": lambda policy: np.array([-1.0, 0.0, 0.0, -1.0, 0.0, 0.0]),
        # Closed-loop eigenvalues -1.75 +- 0.37i: stable, faster than optimal, x(T) off the origin.
        "perturbed": lambda policy: np.array([-2.0, 0.5, -0.4, -1.5, 0.3, -0.2]),
        "trained": trained("lqr"),
    },
)
