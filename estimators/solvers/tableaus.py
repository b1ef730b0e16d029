"""Explicit Runge-Kutta tableaus, their embedded error estimates and their interpolants."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import DTypeLike
from scipy.integrate import DOP853 as SCIPY_DOP853

from systems import Array


@dataclass(frozen=True, eq=False)
class Tableau:
    """x+ = x + h sum_i b_i k_i, k_i = f(t + c_i h, x + h sum_j a_ij k_j), s stages, order `order`.

    `error` (E, s + 1): weights of the embedded error estimates, over the s stages and f(t + h, x+);
    one row for a plain pair of orders `order` and `error_order`, two for DOP853's.

    `dense` (D, s + 1 + extra): the dense output, as coefficients of `nested`, over the same
    stages and then the `extra` ones, (c, row of a over all stages before it), that only it needs.
    """

    name: str
    order: int
    a: Array
    b: Array
    c: Array
    error: Array | None = None
    error_order: int = 0
    dense: Array = field(default_factory=lambda: np.empty((0, 0)))
    extra: tuple[tuple[float, Array], ...] = ()

    def __post_init__(self) -> None:
        if not self.dense.size:
            object.__setattr__(self, "dense", hermite(self.b))

    @property
    def stages(self) -> int:
        return len(self.b)

    @property
    def error_needs_last(self) -> bool:
        """Whether the error estimate reads f(t + h, x+), so that rejected steps pay for it too."""
        return self.error is not None and bool(self.error[:, -1].any())

    def astype(self, dtype: DTypeLike) -> "Tableau":
        """Its coefficients as dtype; the nodes c are of times, and stay float64."""
        if self.b.dtype == dtype:
            return self
        return replace(
            self,
            a=self.a.astype(dtype),
            b=self.b.astype(dtype),
            error=None if self.error is None else self.error.astype(dtype),
            dense=self.dense.astype(dtype),
            extra=tuple((c, row.astype(dtype)) for c, row in self.extra),
        )


def hermite(b: Array) -> Array:
    """The cubic Hermite interpolant of x, x+, f(x), f(x+): coefficients (3, s + 1)."""
    step = np.append(b, 0.0)
    first, last = np.zeros_like(step), np.zeros_like(step)
    first[0], last[-1] = 1.0, 1.0
    return np.stack([step, first - step, 2 * step - first - last])


def combine(weights: Array, slopes: Array) -> Array:
    """sum_j weights_j slopes_j of stages (S, R, m), as one matrix product: (R, m)."""
    return (weights @ slopes.reshape(len(slopes), -1)).reshape(slopes.shape[1:])


def _tsit5() -> Tableau:
    """Tsitouras (2011), Runge-Kutta pairs of order 5(4): its coefficients and its interpolant."""
    rows = [
        [],
        [0.161],
        [-0.008480655492356989, 0.335480655492357],
        [2.8971530571054935, -6.359448489975075, 4.3622954328695815],
        [5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525],
        [
            5.86145544294642,
            -12.92096931784711,
            8.159367898576159,
            -0.071584973281401,
            -0.028269050394068383,
        ],
    ]
    b = [
        0.09646076681806523,
        0.01,
        0.4798896504144996,
        1.379008574103742,
        -3.290069515436081,
        2.324710524099774,
    ]
    error = [
        -0.00178001105222577714,
        -0.0008164344596567469,
        0.007880878010261995,
        -0.1447110071732629,
        0.5823571654525552,
        -0.45808210592918697,
        1 / 66,
    ]
    # b_i(s) = sum_j powers[j, i] s^(j + 1), rewritten in the nested basis of the dense output.
    powers = np.array(
        [
            [1, 0, 0, 0, 0, 0, 0],
            [
                -2.763706197274826,
                0.13169999999999998,
                3.9302962368947516,
                -12.411077166933676,
                37.50931341651104,
                -27.896526289197286,
                1.5,
            ],
            [
                2.9132554618219126,
                -0.2234,
                -5.941033872131505,
                30.33818863028232,
                -88.1789048947664,
                65.09189467479366,
                -4,
            ],
            [
                -1.0530884977290216,
                0.1017,
                2.490627285651253,
                -16.548102889244902,
                47.37952196281928,
                -34.87065786149661,
                2.5,
            ],
        ]
    )
    monomials_of_basis = np.array([[1, 0, 0, 0], [1, -1, 0, 0], [0, 1, -1, 0], [0, 1, -2, 1]])
    return Tableau(
        name="Tsit5",
        order=5,
        a=_lower(rows),
        b=np.array(b),
        c=np.array([0, 0.161, 0.327, 0.9, 0.9800255409045097, 1]),
        error=np.array([error]),
        error_order=4,
        dense=np.linalg.solve(monomials_of_basis.T, powers),
    )


def _dop853() -> Tableau:
    """Dormand and Prince's 8(5,3), with SciPy's coefficients and the dense output of order 7."""
    method = SCIPY_DOP853
    last = len(method.B) + 1
    rows_and_nodes = zip(method.C_EXTRA, method.A_EXTRA, strict=True)
    total = last + len(method.C_EXTRA)
    dense = np.zeros((3 + len(method.D), total))
    dense[:3, :last] = hermite(method.B)
    dense[3:] = method.D
    return Tableau(
        name="DOP853",
        order=8,
        a=np.array(method.A),
        b=np.array(method.B),
        c=np.array(method.C),
        error=np.stack([method.E5, method.E3]),
        error_order=7,
        dense=dense,
        extra=tuple((float(c), row[: last + k]) for k, (c, row) in enumerate(rows_and_nodes)),
    )


def _lower(rows: list[list[float]]) -> Array:
    matrix = np.zeros((len(rows), len(rows)))
    for i, row in enumerate(rows):
        matrix[i, : len(row)] = row
    return matrix


EULER = Tableau("Euler", order=1, a=_lower([[]]), b=np.array([1.0]), c=np.array([0.0]))
HEUN = Tableau("Heun", order=2, a=_lower([[], [1.0]]), b=np.array([0.5, 0.5]), c=np.array([0.0, 1]))
RK4 = Tableau(
    "RK4",
    order=4,
    a=_lower([[], [0.5], [0, 0.5], [0, 0, 1.0]]),
    b=np.array([1, 2, 2, 1]) / 6,
    c=np.array([0, 0.5, 0.5, 1]),
)
TSIT5 = _tsit5()
DOP853 = _dop853()

TABLEAUS = {tableau.name: tableau for tableau in (EULER, HEUN, RK4, TSIT5, DOP853)}
