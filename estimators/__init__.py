"""The estimators of gradients, registered by name in ESTIMATORS."""

from gradpareto.estimators.bptt import Bptt
from gradpareto.estimators.bptt_adams import AdamsBptt
from gradpareto.estimators.bptt_adaptive import AdaptiveBptt
from gradpareto.estimators.checkpointing import Checkpointed
from gradpareto.estimators.collocation import Collocation
from gradpareto.estimators.ctpg import Ctpg
from gradpareto.estimators.ctpg_checkpointed import CheckpointedCtpg
from gradpareto.estimators.declaration import Declaration
from gradpareto.estimators.differences import (
    CENTRAL,
    COMPLEX_STEP,
    EXTRAPOLATED,
    FORWARD,
    Differences,
)
from gradpareto.estimators.estimate import Estimate, Estimator
from gradpareto.estimators.forward_backward_sweep import ForwardBackwardSweep
from gradpareto.estimators.gauss_adjoint import GaussAdjoint, QuadratureAdjoint
from gradpareto.estimators.lanes_or_time import LanesOrTime
from gradpareto.estimators.mali import Mali
from gradpareto.estimators.mccallum_foster import McCallumFoster
from gradpareto.estimators.multistep import Multistep
from gradpareto.estimators.neural_ode import NeuralOde
from gradpareto.estimators.newton_picard import NewtonPicard
from gradpareto.estimators.per_lane import PerLaneCtpg
from gradpareto.estimators.picard_ladder import PicardLadder
from gradpareto.estimators.reversible_heun import ReversibleHeun
from gradpareto.estimators.richardson import Richardson
from gradpareto.estimators.rollouts import Rollouts, gaussian, signs
from gradpareto.estimators.sensitivity import Sensitivity
from gradpareto.estimators.solve_bvp import SolveBvp
from gradpareto.estimators.solvers.explicit.tableaus import (
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
from gradpareto.estimators.solvers.implicit.tableaus import gauss, radau
from gradpareto.estimators.solvers.per_lane.scipy_solver import ScipySolver

SNODE = "Quaglino et al. 2020"

ESTIMATORS: dict[str, Estimator] = {
    "bptt": Bptt(EULER, tight=1e-3),
    "bptt-semi-implicit": Bptt(EULER, tight=1e-3, semi_implicit=True),
    "bptt-heun": Bptt(HEUN, tight=1e-3),
    "bptt-midpoint": Bptt(MIDPOINT, tight=3e-3),
    "bptt-bs3": Bptt(BS3, tight=0.01),
    "bptt-rk4": Bptt(RK4, tight=0.01),
    "bptt-dopri5": Bptt(DOPRI5, tight=0.02),
    "bptt-tsit5": Bptt(TSIT5, tight=0.02),
    "bptt-dop853": Bptt(DOP853, tight=0.05),
    "bptt-vern9": Bptt(VERN9.without_estimate(), tight=0.05),
    "richardson-euler": Richardson(Bptt(EULER), levels=3, tight=0.01),
    "richardson-rk4": Richardson(Bptt(RK4), tight=0.02),
    "bptt-adaptive-bs3": AdaptiveBptt(BS3, tight=1e-6),
    "bptt-adaptive-dopri5": AdaptiveBptt(DOPRI5),
    "bptt-adaptive-tsit5": AdaptiveBptt(TSIT5),
    "bptt-adaptive-dop853": AdaptiveBptt(DOP853),
    "bptt-adaptive-vern9": AdaptiveBptt(VERN9, tight=1e-10),
    "bptt-adams": AdamsBptt(),
    "aca-tsit5": AdaptiveBptt(TSIT5, replay=True),
    "aca-dop853": AdaptiveBptt(DOP853, replay=True),
    "symplectic-tsit5": AdaptiveBptt(TSIT5, replay=True, partner=True),
    "symplectic-dop853": AdaptiveBptt(DOP853, replay=True, partner=True),
    "revolve-rk4": Checkpointed(RK4, tight=0.01),
    "revolve-dop853": Checkpointed(DOP853, tight=0.05),
    "online-tsit5": Checkpointed(TSIT5, online=True, tight=1e-9),
    "online-dop853": Checkpointed(DOP853, online=True, tight=1e-9),
    "ctpg": Ctpg(TSIT5),
    "ctpg-seminorm": Ctpg(TSIT5, seminorm=True),
    "ctpg-sketched": Ctpg(TSIT5, sketched=True),
    "ctpg-bs3": Ctpg(BS3, tight=1e-6),
    "ctpg-checkpointed": CheckpointedCtpg(TSIT5),
    "ctpg-dopri5": Ctpg(DOPRI5),
    "ctpg-linear": Ctpg(TSIT5, interpolant="linear"),
    "ctpg-spline": Ctpg(TSIT5, interpolant="spline"),
    "ctpg-hermite": Ctpg(TSIT5, interpolant="hermite"),
    "ctpg-dop853": Ctpg(DOP853),
    "ctpg-vern9": Ctpg(VERN9),
    "ctpg-rk4": Ctpg(RK4, tight=0.01),
    "ctpg-scipy": PerLaneCtpg(ScipySolver("RK45")),
    "ctpg-scipy-dop853": PerLaneCtpg(ScipySolver("DOP853")),
    "ctpg-scipy-radau": PerLaneCtpg(ScipySolver("Radau"), tight=1e-7),
    "ctpg-scipy-bdf": PerLaneCtpg(ScipySolver("BDF"), tight=1e-7),
    "ctpg-scipy-lsoda": PerLaneCtpg(ScipySolver("LSODA")),
    "gauss_adjoint": GaussAdjoint(DOPRI5),
    "gauss_adjoint-dop853": GaussAdjoint(DOP853),
    "gauss_adjoint-5": GaussAdjoint(DOPRI5, nodes=5),
    "gauss_adjoint-uneven": GaussAdjoint(DOPRI5, nodes=5, forward=0.1),
    "gauss_adjoint-rk4": GaussAdjoint(RK4, tight=0.01),
    "quadrature_adjoint": QuadratureAdjoint(DOPRI5),
    "ctpg-adams": Multistep(corrected=True),
    "multistep_adjoint": Multistep(refined=True),
    "multistep_adjoint-corrected": Multistep(refined=True, corrected=True),
    "neural_ode": NeuralOde(TSIT5),
    "neural_ode-checkpointed": NeuralOde(TSIT5, checkpoints=10),
    "mali": Mali(tight=3e-3),
    "reversible_heun": ReversibleHeun(tight=3e-3),
    "reversible-rk4": McCallumFoster(RK4, tight=0.01),
    "reversible-dop853": McCallumFoster(DOP853, tight=0.05),
    "sensitivity-rk4": Sensitivity(RK4, tight=0.01),
    "sensitivity-tsit5": Sensitivity(TSIT5, tight=0.02),
    "finite_difference": Differences(RK4, CENTRAL, tight=0.05),
    "finite_difference-extrapolated": Differences(RK4, EXTRAPOLATED, tight=0.05),
    "forward_difference": Differences(RK4, FORWARD, tight=0.05),
    "complex_step": Differences(RK4, COMPLEX_STEP, tight=0.05),
    "spsa": Rollouts(RK4, signs, paired=True, source="Spall 1992"),
    "evolution_strategies": Rollouts(RK4, gaussian, paired=True, source="Salimans et al. 2017"),
    "score_function": Rollouts(
        RK4,
        gaussian,
        paired=False,
        source="Williams 1992; Sehnke et al. 2010",
    ),
    "gauss_legendre-2": Collocation(gauss, stages=2, tight=0.01),
    "gauss_legendre-4": Collocation(gauss, stages=4, tight=0.05),
    "radau-3": Collocation(radau, stages=3, tight=0.02),
    "spectral": Collocation(gauss, tight=0.01, source=SNODE),
    "spectral-segments": Collocation(gauss, pieces=4, tight=0.01, source=SNODE),
    "picard_ladder": PicardLadder(),
    "newton_picard": NewtonPicard(),
    "lanes_or_time": LanesOrTime(),
    "solve_bvp": SolveBvp(),
    "forward_backward_sweep": ForwardBackwardSweep(),
}

__all__ = ["ESTIMATORS", "Declaration", "Estimate", "Estimator"]
