"""SciPy's `solve_ivp` as a solver of one lane, with its methods or an `OdeSolver` of one's own."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from gradpareto.estimators.solvers.explicit.step_control import ATOL_OVER_RTOL
from gradpareto.estimators.solvers.per_lane.solver import (
    LaneRightHandSide,
    SegmentSolution,
    SolveFailed,
)
from gradpareto.systems import Array
from gradpareto.systems.faults import Unsound

SMALLEST_RTOL = 100 * np.finfo(float).eps
"""solve_ivp raises smaller tolerances to this one, with a warning."""
IMPLICIT_WITH_SPARSITY = ("Radau", "BDF")
STIFF = ("Radau", "BDF", "LSODA")


@dataclass(frozen=True)
class ScipySolver:
    """SciPy's solver of a `method`: a name that `solve_ivp` knows, or a subclass of `OdeSolver`.

    Radau and BDF are told which entries the right-hand side reads. SciPy differences their
    Jacobians, and each call that this takes is paid for like any other.
    """

    method: "str | type[scipy.integrate.OdeSolver]"

    @property
    def name(self) -> str:
        """The name of the method."""
        return self.method if isinstance(self.method, str) else str(self.method.__name__)

    @property
    def stiff(self) -> bool:
        """Whether accuracy alone bounds the method's steps."""
        return self.name in STIFF

    def __call__(
        self,
        rhs: LaneRightHandSide,
        left: float,
        right: float,
        y0: Array,
        tolerance: float,
        dense: bool,
    ) -> SegmentSolution:
        options: dict[str, Any] = {}
        if self.name in IMPLICIT_WITH_SPARSITY:
            options["jac_sparsity"] = _reads_first(rhs.reads, len(y0))
        try:
            result = scipy.integrate.solve_ivp(
                rhs,
                (left, right),
                y0,
                method=self.method,
                rtol=max(tolerance, SMALLEST_RTOL),
                atol=ATOL_OVER_RTOL * tolerance,
                dense_output=dense,
                **options,
            )
        except Unsound:
            raise
        except (ValueError, RuntimeError) as error:  # a Jacobian that is not finite, or singular
            raise SolveFailed(f"{self.name}: {error}") from error
        if not result.success:
            raise SolveFailed(str(result.message))
        times = result.t if result.sol is None else result.sol.ts
        return SegmentSolution(result.y[:, -1].copy(), result.sol, times)


def _reads_first(width: int, size: int) -> "scipy.sparse.csr_array":
    """Return the Jacobian sparsity of `size` slopes that read the state's first `width` entries."""
    read = scipy.sparse.csr_array(np.ones((size, width)))
    unread = scipy.sparse.csr_array((size, size - width))
    return scipy.sparse.csr_array(scipy.sparse.hstack([read, unread]))
