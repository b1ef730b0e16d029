"""Pairs whose coefficients SciPy holds: orders 3(2), 5(4) and 8(5,3)."""

import numpy as np
from scipy.integrate import DOP853 as SCIPY_DOP853
from scipy.integrate import RK23, RK45

from gradpareto.estimators.solvers.explicit.tableaus.tableau import Tableau, hermite, nested_basis


def _pair(name: str, order: int, method: type[RK23] | type[RK45]) -> Tableau:
    """A pair whose error estimate reads f(t + h, x+), with SciPy's interpolant."""
    return Tableau(
        name=name,
        order=order,
        a=np.pad(method.A, ((0, 0), (0, len(method.B) - method.A.shape[1]))),
        b=np.array(method.B),
        c=np.array(method.C),
        error=np.array([method.E]),
        error_order=order - 1,
        dense=nested_basis(method.P.T),
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


BS3 = _pair("BS3", 3, RK23)
"""Bogacki and Shampine (1989), 3(2); its interpolant is the cubic Hermite one."""
DOPRI5 = _pair("Dopri5", 5, RK45)
"""Dormand and Prince (1980), 5(4), and the interpolant of order 4 by Shampine (1986)."""
DOP853 = _dop853()
