"""Methods of low order, without error estimates."""

import numpy as np

from gradpareto.estimators.solvers.explicit.tableaus.tableau import Tableau, lower

EULER = Tableau("Euler", order=1, a=lower([[]]), b=np.array([1.0]), c=np.array([0.0]))
MIDPOINT = Tableau(
    "Midpoint", order=2, a=lower([[], [0.5]]), b=np.array([0.0, 1]), c=np.array([0, 0.5])
)
HEUN = Tableau("Heun", order=2, a=lower([[], [1.0]]), b=np.array([0.5, 0.5]), c=np.array([0.0, 1]))
RK4 = Tableau(
    "RK4",
    order=4,
    a=lower([[], [0.5], [0, 0.5], [0, 0, 1.0]]),
    b=np.array([1, 2, 2, 1]) / 6,
    c=np.array([0, 0.5, 0.5, 1]),
)
