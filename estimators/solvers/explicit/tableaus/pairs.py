"""Embedded pairs of orders 3(2) and 5(4), whose error estimates read f(t + h, x+)."""

import numpy as np

from gradpareto.estimators.solvers.explicit.tableaus.tableau import Tableau, lower, nested_basis

BS3 = Tableau(
    name="BS3",
    order=3,
    a=lower([[], [1 / 2], [0, 3 / 4]]),
    b=np.array([2 / 9, 1 / 3, 4 / 9]),
    c=np.array([0, 1 / 2, 3 / 4]),
    error=np.array([[5 / 72, -1 / 12, -1 / 9, 1 / 8]]),
    error_order=2,
    dense=nested_basis(
        np.array([[1, 0, 0, 0], [-4 / 3, 1, 4 / 3, -1], [5 / 9, -2 / 3, -8 / 9, 1]])
    ),
)
"""Bogacki and Shampine (1989), 3(2); its interpolant is the cubic Hermite one."""

POWERS = [
    [1, -8048581381 / 2820520608, 8663915743 / 2820520608, -12715105075 / 11282082432],
    [0, 0, 0, 0],
    [
        0,
        131558114200 / 32700410799,
        -68118460800 / 10900136933,
        87487479700 / 32700410799,
    ],
    [0, -1754552775 / 470086768, 14199869525 / 1410260304, -10690763975 / 1880347072],
    [
        0,
        127303824393 / 49829197408,
        -318862633887 / 49829197408,
        701980252875 / 199316789632,
    ],
    [0, -282668133 / 205662961, 2019193451 / 616988883, -1453857185 / 822651844],
    [0, 40617522 / 29380423, -110615467 / 29380423, 69997945 / 29380423],
]
"""The coefficient of s^(j + 1) in Dopri5's b_i(s) is POWERS[i][j]."""
DOPRI5 = Tableau(
    name="Dopri5",
    order=5,
    a=lower(
        [
            [],
            [1 / 5],
            [3 / 40, 9 / 40],
            [44 / 45, -56 / 15, 32 / 9],
            [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
            [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
        ]
    ),
    b=np.array([35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84]),
    c=np.array([0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1]),
    error=np.array([[-71 / 57600, 0, 71 / 16695, -71 / 1920, 17253 / 339200, -22 / 525, 1 / 40]]),
    error_order=4,
    dense=nested_basis(np.array(POWERS).T),
)
"""Dormand and Prince (1980), 5(4), and the interpolant of order 4 by Shampine (1986)."""
