"""The solvers and adjoints of torchdiffeq (Chen et al. 2018), as its documentation advises.

The running cost is a state. PyTorch's gradient in the parameters is summed over the lanes of a
batch, and each lane's own is compared here, so lanes are solved one after the other.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torchdiffeq

from gradpareto.bench.peers.closed_loop import ClosedLoop
from gradpareto.bench.peers.peer import Oracles, Peer, Ready
from gradpareto.bench.peers.ports import Library
from gradpareto.estimators import Declaration, Estimate
from gradpareto.systems import Array, Problem

torch.set_num_threads(1)

TORCH = Library.like_numpy(torch, torch.as_tensor)


class _OwnDynamics(torch.nn.Module):  # type: ignore[misc, unused-ignore]
    """The closed loop in PyTorch, of a state (d + 1,) that ends with the cost so far.

    Each layer's weight and bias are parameters, because the derivative of a cut of theta (P,) has
    P entries.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.loop, self.steps = ClosedLoop(problem, TORCH), 0
        layers = self.loop.layers(torch.tensor(problem.theta))
        self.cuts = torch.nn.ParameterList([part.clone() for layer in layers for part in layer])
        self.layers = tuple(zip(self.cuts[::2], self.cuts[1::2], strict=True))

    def forward(self, t: Any, y: Any) -> Any:
        return torch.hstack(self.loop.flow(self.layers, y[:-1]))

    def callback_accept_step(self, t: Any, y: Any, step: Any) -> None:
        self.steps += 1


class _CalledBack(torch.autograd.Function):  # type: ignore[misc, unused-ignore]
    """The closed loop as a function (oracles, theta, y) that calls back the oracles."""

    @staticmethod
    def forward(context: Any, oracles: Oracles, theta: Any, y: Any) -> Any:
        context.oracles = oracles
        context.save_for_backward(y)
        return torch.tensor(np.hstack(oracles.flow(y[:-1].numpy())))

    @staticmethod
    def backward(context: Any, cotangent: Any) -> Any:
        (y,), given = context.saved_tensors, cotangent.numpy()
        found = context.oracles.pullback(y[:-1].numpy(), given[:-1], given[-1])
        grad_theta, grad_x = map(torch.tensor, found)
        return None, grad_theta, torch.nn.functional.pad(grad_x, (0, 1))


class _OracleDynamics(_OwnDynamics):
    """The closed loop, called back: theta (P,) is one parameter."""

    def __init__(self, problem: Problem, oracles: Oracles) -> None:
        super().__init__(problem)
        self.cuts = torch.nn.ParameterList([torch.tensor(problem.theta)])
        self.oracles = oracles

    def forward(self, t: Any, y: Any) -> Any:
        return _CalledBack.apply(self.oracles, self.cuts[0], y)


@dataclass(frozen=True)
class Torchdiffeq(Peer):
    """A Runge-Kutta pair of torchdiffeq, differentiated through its steps or by its adjoint."""

    method: Literal["dopri5", "dopri8"]
    adjoint: bool = False

    @property
    def declares(self) -> Declaration:
        return Declaration(
            knob="tolerance",
            tight=1e-10,
            per_lane=True,
            exact=not self.adjoint,
            reconstructs=self.adjoint,
            source="Chen et al. 2018, appendix C; https://github.com/rtqichen/torchdiffeq",
        )

    def ready(self, problem: Problem, samples: int, oracles: Oracles | None = None) -> Ready:
        dynamics = _OwnDynamics(problem) if oracles is None else _OracleDynamics(problem, oracles)

        def estimate(x0: Array, tolerance: float) -> Estimate:
            lanes = [self._gradient(problem, dynamics, row, tolerance) for row in x0]
            loss, grad_x0, grad_theta, steps = map(np.array, zip(*lanes, strict=True))
            return Estimate(loss, grad_x0, grad_theta, steps)

        return Ready(self.declares, estimate, 0.0, np.nan, oracles)

    def _gradient(
        self, problem: Problem, dynamics: _OwnDynamics, x0: Array, tolerance: float
    ) -> tuple[Any, ...]:
        """Return the loss of one sample, its gradients in x0 (d,) and theta (P,), and its steps."""
        dynamics.zero_grad()
        dynamics.steps = 0
        start = torch.tensor(np.append(x0, 0.0), requires_grad=True)
        times = torch.tensor([0.0, problem.horizon], dtype=torch.float64)
        given: dict[str, Any] = {"rtol": tolerance, "atol": tolerance, "method": self.method}
        if self.adjoint:
            # The parameters' cotangents have no part in the steps: Kidger, Chen and Lyons (2021).
            given["adjoint_options"] = {"norm": "seminorm"}
        solve = torchdiffeq.odeint_adjoint if self.adjoint else torchdiffeq.odeint
        end, steps = solve(dynamics, start, times, **given)[-1], dynamics.steps
        loss = end[-1] + dynamics.loop.terminal(end[:-1])
        loss.backward()
        grad_theta = torch.cat([cut.grad.ravel() for cut in dynamics.cuts])
        return loss.item(), start.grad[:-1].numpy(), grad_theta.numpy(), steps


torchdiffeq_dopri5 = Torchdiffeq("dopri5")
torchdiffeq_dopri8 = Torchdiffeq("dopri8")
torchdiffeq_adjoint_dopri5 = Torchdiffeq("dopri5", adjoint=True)
