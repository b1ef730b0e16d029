"""The solvers and adjoints of diffrax (Kidger 2021), as its documentation advises to use them.

The running cost is a state. The lanes of a batch are one loop, which steps until the last lane is
done; taking them one after the other in compiled code was slower. The step control is the default:
a proportional part changed the steps at equal error by 5 % at most, in either direction.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

from gradpareto.bench.peers.closed_loop import ClosedLoop
from gradpareto.bench.peers.jax_loop import JAX, compiled, dynamics
from gradpareto.bench.peers.peer import Oracles, Peer, Ready
from gradpareto.estimators import Declaration, Estimate
from gradpareto.systems import Array, Problem

MOST_STEPS, CHECKPOINTS = 4096, 512
"""Up to CHECKPOINTS steps each state is kept, so that no step is made a third time; more cost no
time, and from MOST_STEPS on a lane is given up."""


@dataclass(frozen=True)
class Diffrax(Peer):
    """A Runge-Kutta pair of diffrax, differentiated in reverse by checkpoints or by backsolve."""

    solver: type
    backsolve: bool = False

    @property
    def declares(self) -> Declaration:
        return Declaration(
            knob="tolerance",
            tight=1e-10,
            exact=not self.backsolve,
            reconstructs=self.backsolve,
            source="Kidger 2021, sections 5.1.1 and 5.1.2",
        )

    def ready(self, problem: Problem, samples: int, oracles: Oracles | None = None) -> Ready:
        gradient = jax.value_and_grad(
            partial(self._loss, problem, oracles), argnums=(1, 2), has_aux=True
        )

        def gradients(tolerance: Any, x0: Any, theta: Any) -> Any:
            def one(x: Any) -> Any:
                return gradient(tolerance, x, theta)

            if samples == 1:
                return jax.tree.map(lambda part: part[None], one(x0[0]))
            return jax.vmap(one)(x0)

        shapes = (), (samples, problem.system.state_dim), problem.theta.shape
        call, seconds, size = compiled(gradients, *shapes)

        def estimate(x0: Array, tolerance: float) -> Estimate:
            (loss, (steps, done)), found = call(tolerance, x0, problem.theta)
            grad_x0, grad_theta = map(np.asarray, found)
            given_up = np.flatnonzero(~np.asarray(done)).tolist()
            failed = dict.fromkeys(given_up, f"it takes more than {MOST_STEPS} steps")
            return Estimate(np.asarray(loss), grad_x0, grad_theta, np.asarray(steps), failed)

        return Ready(self.declares, estimate, seconds, size, oracles)

    def _loss(
        self, problem: Problem, oracles: Oracles | None, tolerance: Any, x: Any, theta: Any
    ) -> Any:
        """Return the loss, and the number of accepted steps and whether all were made."""
        parameters, flow = dynamics(problem, oracles)
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, given: jnp.hstack(flow(given, y[:-1]))),
            self.solver(),
            t0=0.0,
            t1=problem.horizon,
            dt0=None,
            y0=jnp.hstack([x, 0.0]),
            args=parameters(theta),
            stepsize_controller=diffrax.PIDController(rtol=tolerance, atol=tolerance),
            adjoint=self._adjoint(tolerance),
            max_steps=MOST_STEPS,
            saveat=diffrax.SaveAt(t1=True),
            throw=False,
        )
        last = solution.ys[0]
        done = solution.result == diffrax.RESULTS.successful
        cost = last[-1] + ClosedLoop(problem, JAX).terminal(last[:-1])
        return cost, (solution.stats["num_accepted_steps"], done)

    def _adjoint(self, tolerance: Any) -> Any:
        if not self.backsolve:
            return diffrax.RecursiveCheckpointAdjoint(CHECKPOINTS)
        # The parameters' cotangents have no part in the steps: Kidger, Chen and Lyons (2021).
        control = diffrax.PIDController(
            rtol=tolerance, atol=tolerance, norm=diffrax.adjoint_rms_seminorm
        )
        return diffrax.BacksolveAdjoint(stepsize_controller=control)


diffrax_tsit5 = Diffrax(diffrax.Tsit5)
diffrax_dopri8 = Diffrax(diffrax.Dopri8)
diffrax_backsolve_dopri8 = Diffrax(diffrax.Dopri8, backsolve=True)
