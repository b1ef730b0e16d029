"""The integrators of CasADi (Andersson et al. 2019): CVODES of SUNDIALS, RK4 and collocation.

They solve one sample at a time. The running cost is a quadrature of CVODES, so CasADi evaluates it
apart from the dynamics.
"""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import casadi
import numpy as np

from gradpareto.bench.peers.closed_loop import ClosedLoop
from gradpareto.bench.peers.peer import Oracles, Peer, Ready
from gradpareto.bench.peers.ports import Library
from gradpareto.estimators import Declaration, Estimate
from gradpareto.estimators.solvers.mesh import step_count
from gradpareto.systems import Array, Problem

CASADI = Library(
    sin=casadi.sin,
    cos=casadi.cos,
    tanh=casadi.tanh,
    dot=casadi.dot,
    join=lambda parts: casadi.vertcat(*parts),
    matrix=lambda vector, rows, columns: casadi.reshape(vector, columns, rows).T,
    constant=casadi.DM,
)

SCHEMES: dict[str, Callable[[float, Problem], dict[str, Any]]] = {
    "cvodes": lambda tolerance, problem: {
        "reltol": tolerance,
        "abstol": tolerance,
        "linear_multistep_method": "adams",
        "max_multistep_order": 12,
        "nonlinear_solver_iteration": "functional",
        "interpolation_type": "polynomial",  # cubic ones end at an error of 1e-9
        "max_num_steps": 100_000,
    },
    "rk": lambda step, problem: {
        "number_of_finite_elements": step_count(problem.horizon, step),
        "simplify": True,  # one step is a function, which is faster than a solver of its own
    },
    "collocation": lambda step, problem: {
        "number_of_finite_elements": step_count(problem.horizon, step),
        "interpolation_order": 5,
        "rootfinder": "fast_newton",
    },
}
"""The options of each of CasADi's integrators, as functions of the setting and the problem."""


class _CalledBack(casadi.Callback):  # type: ignore[misc, unused-ignore]
    """A function of vectors that Python evaluates, and its reverse if there is a `pullback`."""

    def __init__(
        self,
        name: str,
        sizes: tuple[list[int], list[int]],
        value: Callable[..., Any],
        pullback: Callable[..., Any] | None = None,
    ) -> None:
        casadi.Callback.__init__(self)
        self.sizes, self.value, self.pullback = sizes, value, pullback
        self.reverse: _CalledBack | None = None
        self.construct(name, {})

    def get_n_in(self) -> int:
        return len(self.sizes[0])

    def get_n_out(self) -> int:
        return len(self.sizes[1])

    def get_sparsity_in(self, place: int) -> Any:
        return casadi.Sparsity.dense(self.sizes[0][place])

    def get_sparsity_out(self, place: int) -> Any:
        return casadi.Sparsity.dense(self.sizes[1][place])

    def eval(self, arguments: list[Any]) -> list[Any]:
        return list(self.value(*(np.array(part).ravel() for part in arguments)))

    def has_reverse(self, directions: int) -> bool:
        return directions == 1 and self.pullback is not None

    def get_reverse(self, directions: int, name: str, *_: Any) -> Any:
        """Its inputs are those of the function, the outputs, which it ignores, and cotangents."""
        assert self.pullback is not None
        ins, outs = self.sizes
        self.reverse = _CalledBack(name, ([*ins, *outs, *outs], ins), self.pullback)
        return self.reverse


def _called_back(problem: Problem, oracles: Oracles) -> Any:
    """Return the closed loop as a function (theta, x) that calls back `oracles`."""

    def value(theta: Array, x: Array) -> Any:
        return oracles.flow(x)

    def pullback(theta: Array, x: Array, dx: Array, w: Array, a: Array, c: Array) -> Any:
        return oracles.pullback(x, a, c)

    width = problem.system.state_dim
    return _CalledBack("flow", ([problem.policy.size, width], [width, 1]), value, pullback)


@dataclass(frozen=True)
class Casadi(Peer):
    """An integrator of CasADi with its own adjoint: CVODES' backward solve, or the discrete one."""

    scheme: Literal["cvodes", "rk", "collocation"]

    @property
    def declares(self) -> Declaration:
        adaptive = self.scheme == "cvodes"
        return Declaration(
            knob="tolerance" if adaptive else "step",
            tight=1e-10 if adaptive else 0.02,
            per_lane=True,
            exact=not adaptive,
            iterative=self.scheme == "collocation",
            source="Andersson et al. 2019, section 5.3",
        )

    def ready(self, problem: Problem, samples: int, oracles: Oracles | None = None) -> Ready:
        started = time.perf_counter()
        loop = ClosedLoop(problem, CASADI)

        def own(theta: Any, x: Any) -> Any:
            return loop.flow(loop.layers(theta), x)

        flow = own if oracles is None else _called_back(problem, oracles)
        parameters = casadi.DM(problem.theta)

        @functools.cache  # the setting is part of what CasADi builds
        def gradient(setting: float) -> Any:
            x, theta = (casadi.MX.sym(*one) for one in _sizes(problem))
            dx, w = flow(theta, x)
            equations = {"x": x, "p": theta, "ode": dx, "quad": w}
            options = SCHEMES[self.scheme](setting, problem)
            solve = casadi.integrator("solve", self.scheme, equations, 0, problem.horizon, options)
            start, at = (casadi.MX.sym(*one) for one in _sizes(problem))
            end = solve(x0=start, p=at)
            loss = end["qf"] + loop.terminal(end["xf"])
            ((grad_x0, grad_theta),) = casadi.reverse([loss], [start, at], [[casadi.MX(1)]])
            return casadi.Function("gradient", [start, at], [loss, grad_x0, grad_theta])

        def estimate(x0: Array, setting: float) -> Estimate:
            call = gradient(setting)
            lanes = [[np.array(part).ravel() for part in call(row, parameters)] for row in x0]
            loss, grad_x0, grad_theta = map(np.stack, zip(*lanes, strict=True))
            return Estimate(loss[:, 0], grad_x0, grad_theta, np.zeros(len(x0), dtype=int))

        gradient(self.declares.tight)
        return Ready(self.declares, estimate, time.perf_counter() - started, np.nan, oracles)


def _sizes(problem: Problem) -> tuple[tuple[str, int], tuple[str, int]]:
    return ("x", problem.system.state_dim), ("theta", problem.policy.size)


casadi_cvodes = Casadi("cvodes")
casadi_rk4 = Casadi("rk")
casadi_collocation = Casadi("collocation")
