"""One of two equally accurate methods, chosen by a model of the time that each takes for a batch.

A call of an oracle costs a constant and a part for each of its rows. Few lanes are served best by
few calls of many rows, all nodes of a stretch of time in each; many lanes by few rows in all.
"""

from dataclasses import dataclass, field

from gradpareto.estimators.declaration import Declaration
from gradpareto.estimators.estimate import Estimate, Estimator
from gradpareto.estimators.gauss_adjoint import GaussAdjoint
from gradpareto.estimators.picard_ladder import PicardLadder
from gradpareto.estimators.solvers.explicit.step_control import Adaptive
from gradpareto.estimators.solvers.explicit.tableaus import DOPRI5
from gradpareto.systems import Array, Problem

CALL_A_PARAMETER = 0.009
ROW, ROW_A_PARAMETER = 0.15, 0.25e-3
"""Microseconds of a call for each parameter, and of a row.

These and the numbers below are near fits to counts and times on one core, of 15 presets at
tolerances from 1e-2 to 1e-10 in batches of 1 to 256 lanes, and are moved so that the choice loses
little time on these."""


@dataclass(frozen=True)
class Work:
    """The work of a method on a problem, in units of the ladder's rows for a lane.

    A lane takes `rows` tolerance^-`power` rows, of which each costs the batch `calls` calls. A call
    takes `call` microseconds with the method's own arithmetic, besides its rows and parameters.
    """

    calls: float
    call: float
    rows: float = 1.0
    power: float = 0.0

    def time(self, lanes: int, parameters: int, tolerance: float) -> float:
        """Return the modelled time for a batch, in microseconds for each row of the ladder."""
        call = self.call + CALL_A_PARAMETER * parameters
        row = ROW + ROW_A_PARAMETER * parameters
        rows: float = self.rows * tolerance**-self.power
        return rows * (self.calls * call + lanes * row)


FEW = Work(calls=0.14, call=90.0)
MANY = Work(calls=0.87, call=31.0, rows=0.27, power=0.08)


@dataclass(frozen=True)
class LanesOrTime(Estimator):
    """`picard_ladder` for few lanes and `gauss_adjoint` for many, the faster by the model.

    The numbers of lanes and parameters and the tolerance decide, and never a clock. Both methods
    control the error of state and adjoint, so that they are about as accurate at one tolerance. A
    lane's gradient in a batch of another size may differ by that error, and its counts by more.

    Nothing is known of the system. Where Picard's iteration converges over short windows alone, as
    on `heat`, the ladder takes more rows than the model has, and is chosen too often.
    """

    few: PicardLadder = field(default_factory=PicardLadder)
    many: GaussAdjoint = field(default_factory=lambda: GaussAdjoint(DOPRI5))
    tight: float = 1e-10

    @property
    def declares(self) -> Declaration:
        return Declaration(
            knob="tolerance",
            tight=self.tight,
            iterative=True,
            batch_decides=True,
            source="Micalizzi and Torlo 2023; Norcliffe and Deisenroth 2023",
        )

    def chosen(self, problem: Problem, lanes: int, tolerance: float) -> Estimator:
        """Return the method for a batch of `lanes`. Raises ValueError on a bad tolerance."""
        given = lanes, problem.policy.size, Adaptive.from_tolerance(tolerance).rtol
        return self.few if FEW.time(*given) <= MANY.time(*given) else self.many

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        return self.chosen(problem, len(x0), setting)(problem, x0, setting)
