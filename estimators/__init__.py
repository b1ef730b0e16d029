"""How a gradient is estimated. Register an estimator in ESTIMATORS."""

from estimators.bptt import Bptt
from estimators.ctpg import Ctpg
from estimators.estimate import Estimate, Estimator
from estimators.finite_difference import FiniteDifference
from estimators.neural_ode import NeuralOde
from estimators.over_solver import CtpgOver
from estimators.solvers.scipy_solver import ScipySolver
from estimators.solvers.tableaus import (
    BS3,
    DOP853,
    DOPRI5,
    EULER,
    HEUN,
    MIDPOINT,
    RK4,
    TSIT5,
    VERN9,
)

ESTIMATORS: dict[str, Estimator] = {
    "bptt": Bptt(EULER, tight=1e-3),
    "bptt-semi-implicit": Bptt(EULER, tight=1e-3, semi_implicit=True),
    "bptt-heun": Bptt(HEUN, tight=1e-3),
    "bptt-midpoint": Bptt(MIDPOINT, tight=1e-3),
    "bptt-bs3": Bptt(BS3, tight=3e-3),
    "bptt-rk4": Bptt(RK4, tight=0.01),
    "bptt-dopri5": Bptt(DOPRI5, tight=0.02),
    "bptt-tsit5": Bptt(TSIT5, tight=0.02),
    "bptt-dop853": Bptt(DOP853, tight=0.05),
    "bptt-vern9": Bptt(VERN9.without_estimate(), tight=0.05),
    "ctpg": Ctpg(TSIT5),
    "ctpg-seminorm": Ctpg(TSIT5, seminorm=True),
    "ctpg-bs3": Ctpg(BS3, tight=1e-7),
    "ctpg-dopri5": Ctpg(DOPRI5),
    "ctpg-dop853": Ctpg(DOP853),
    "ctpg-vern9": Ctpg(VERN9),
    "ctpg-rk4": Ctpg(RK4, tight=0.01),
    "ctpg-scipy": CtpgOver(ScipySolver("RK45")),
    "ctpg-scipy-dop853": CtpgOver(ScipySolver("DOP853")),
    "ctpg-scipy-radau": CtpgOver(ScipySolver("Radau"), tight=1e-7),
    "ctpg-scipy-bdf": CtpgOver(ScipySolver("BDF"), tight=1e-7),
    "ctpg-scipy-lsoda": CtpgOver(ScipySolver("LSODA")),
    "neural_ode": NeuralOde(TSIT5),
    "neural_ode-checkpointed": NeuralOde(TSIT5, checkpoints=10),
    "finite_difference": FiniteDifference(RK4, tight=0.05),
}

__all__ = ["ESTIMATORS", "Estimate", "Estimator"]
