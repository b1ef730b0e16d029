"""Explicit Runge-Kutta tableaus, their embedded error estimates and their interpolants."""

from gradpareto.estimators.solvers.explicit.tableaus.dop853 import DOP853
from gradpareto.estimators.solvers.explicit.tableaus.low_order import EULER, HEUN, MIDPOINT, RK4
from gradpareto.estimators.solvers.explicit.tableaus.pairs import BS3, DOPRI5
from gradpareto.estimators.solvers.explicit.tableaus.tableau import Tableau, hermite
from gradpareto.estimators.solvers.explicit.tableaus.tsit5 import TSIT5
from gradpareto.estimators.solvers.explicit.tableaus.verner import VERN9

TABLEAUS = {
    tableau.name: tableau
    for tableau in (EULER, MIDPOINT, HEUN, BS3, RK4, DOPRI5, TSIT5, DOP853, VERN9)
}

__all__ = [
    "BS3",
    "DOP853",
    "DOPRI5",
    "EULER",
    "HEUN",
    "MIDPOINT",
    "RK4",
    "TABLEAUS",
    "TSIT5",
    "VERN9",
    "Tableau",
    "hermite",
]
