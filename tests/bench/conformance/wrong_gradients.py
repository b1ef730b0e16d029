"""Estimators each of which gets one thing wrong, made from right ones."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from gradpareto.estimators import ESTIMATORS, Declaration, Estimate, Estimator
from gradpareto.systems import Array, Problem, System

Wrong = Callable[[Estimator, Problem, Array, float], Estimate]


@dataclass(frozen=True)
class Wrapped(Estimator):
    """A right estimator, and the function that calls it and spoils what it gives."""

    own: str
    wrong: Wrong
    declared: Declaration
    seed: int = 0

    @property
    def declares(self) -> Declaration:
        return self.declared

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        own: Any = ESTIMATORS[self.own]
        return self.wrong(replace(own, seed=self.seed) if self.seed else own, problem, x0, setting)


def scaled(
    own: Estimator, problem: Problem, x0: Array, setting: float, x0_by: float, theta_by: float
) -> Estimate:
    good = own(problem, x0, setting)
    return replace(good, grad_x0=x0_by * good.grad_x0, grad_theta=theta_by * good.grad_theta)


def wrong_loss(own: Estimator, problem: Problem, x0: Array, setting: float) -> Estimate:
    good = own(problem, x0, setting)
    return replace(good, loss=1.01 * good.loss)


def shifted(own: Estimator, problem: Problem, x0: Array, setting: float) -> Estimate:
    """Add to the gradient an error of 1e-4 of its size, whatever the setting."""
    good = own(problem, x0, setting)
    size = np.linalg.norm(good.grad_theta, axis=1, keepdims=True)
    off = np.where(np.arange(good.grad_theta.shape[1]) % 2, 1.0, -1.0)
    return replace(good, grad_theta=good.grad_theta + 1e-4 * size * off / np.sqrt(off.size))


def without_terminal_gradient(
    own: Estimator, problem: Problem, x0: Array, setting: float
) -> Estimate:
    return own(replace(problem, system=Blind(problem.system)), x0, setting)


class Blind(System):
    """A system of which some parts are hidden or changed."""

    def __init__(self, system: System, **changed: Any) -> None:
        self._own, self._changed = system, changed
        for name in ("state_dim", "control_dim", "observation_dim", "horizon", "context_dim"):
            setattr(self, name, getattr(system, name))
        self.breakpoints = changed.get("breakpoints", system.breakpoints)  # type: ignore[misc]
        self.velocity_of = system.velocity_of  # type: ignore[misc]

    def within(self, context: Array) -> "Blind":
        return Blind(self._own.within(context), **self._changed)

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        return self._own.flow(t, x, u)

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        return self._own.pullback(self._changed.get("at", lambda t: t)(t), x, u, a, c)

    def observe(self, t: Array, x: Array) -> Array:
        return self._own.observe(t, x)

    def observe_pullback(self, t: Array, x: Array, o: Array) -> Array:
        return self._own.observe_pullback(t, x, o)

    def terminal(self, x: Array) -> Array:
        return self._own.terminal(x)

    def terminal_gradient(self, x: Array) -> Array:
        if self._changed.get("terminal"):
            return self._own.terminal_gradient(x)
        return np.zeros_like(x)

    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        return self._own.sample_x0(rng, samples)


def blind_to_one_breakpoint(
    own: Estimator, problem: Problem, x0: Array, setting: float
) -> Estimate:
    """Step over the third breakpoint, where there are as many."""
    kept = tuple(t for k, t in enumerate(problem.system.breakpoints) if k != 2)
    return own(
        replace(problem, system=Blind(problem.system, breakpoints=kept, terminal=True)),
        x0,
        setting,
    )


def pullback_at_the_start(own: Estimator, problem: Problem, x0: Array, setting: float) -> Estimate:
    """Ask for the pullback at t = 0, as if the system did not depend on time."""
    frozen = Blind(problem.system, at=np.zeros_like, terminal=True)
    return own(replace(problem, system=frozen), x0, setting)


def whole_steps_alone(own: Estimator, problem: Problem, x0: Array, setting: float) -> Estimate:
    """Leave out the last step, where the horizon is no multiple of the step."""
    whole = setting * max(1, int(problem.horizon / setting + 1e-9))
    return own(replace(problem, horizon=whole), x0, setting)


def transposed(own: Estimator, problem: Problem, x0: Array, setting: float) -> Estimate:
    good = own(problem, x0, setting)
    turned = good.grad_theta.copy()
    for weight, _ in problem.policy.layers(turned):
        weight[...] = weight.transpose(0, 2, 1).reshape(weight.shape).copy()
    return replace(good, grad_theta=turned)


def without_running_cost(own: Estimator, problem: Problem, x0: Array, setting: float) -> Estimate:
    """Give the gradient of the terminal cost alone wherever there is one."""
    good = own(problem, x0, setting)
    if not np.any(problem.terminal_gradient(x0)):
        return good
    return replace(good, grad_x0=problem.terminal_gradient(x0))


def mean_of_batch(own: Estimator, problem: Problem, x0: Array, setting: float) -> Estimate:
    good = own(problem, x0, setting)
    mean = np.broadcast_to(good.grad_theta.mean(axis=0), good.grad_theta.shape).copy()
    return replace(good, grad_theta=mean)


def first_lane_alone(own: Estimator, problem: Problem, x0: Array, setting: float) -> Estimate:
    good = own(problem, x0, setting)
    right = np.arange(len(x0))[:, None] == 0
    return replace(good, grad_theta=np.where(right, 1.0, 1.01) * good.grad_theta)


def context_of_the_first(own: Estimator, problem: Problem, x0: Array, setting: float) -> Estimate:
    if problem.context is None:
        return own(problem, x0, setting)
    shared = np.broadcast_to(problem.context[:1], problem.context.shape).copy()
    return own(replace(problem, context=shared), x0, setting)


def in_float32(own: Estimator, problem: Problem, x0: Array, setting: float) -> Estimate:
    """Compute everything in float32, and return it as float64."""
    small = problem.with_theta(problem.theta.astype(np.float32))
    good = own(small, x0.astype(np.float32), setting)
    return replace(
        good,
        loss=good.loss.astype(x0.dtype),
        grad_x0=good.grad_x0.astype(x0.dtype),
        grad_theta=good.grad_theta.astype(x0.dtype),
    )


@dataclass
class Remembering:
    """A wrong gradient that depends on the calls before it."""

    after: int = 0
    """The number of calls that give zero."""
    cached: dict[bytes, Estimate] | None = None
    """The results so far, by x0 and theta, if they are given again at any other setting."""
    calls: int = field(default=0, init=False)

    def __call__(self, own: Estimator, problem: Problem, x0: Array, setting: float) -> Estimate:
        self.calls += 1
        good = own(problem, x0, setting)
        if self.cached is not None:
            return self.cached.setdefault(x0.tobytes() + problem.theta.tobytes(), good)
        if self.calls <= self.after:
            return replace(good, grad_theta=0 * good.grad_theta)
        return good


def one_stage_negated(own: Estimator, problem: Problem, x0: Array, setting: float) -> Estimate:
    """Take a Runge-Kutta method's second stage with the wrong sign, in the backward pass alone."""
    bad = own.tableau  # type: ignore[attr-defined]
    b = bad.b * np.where(np.arange(len(bad.b)) == 1, -1, 1)
    good, back = own(problem, x0, setting), replace(own, tableau=replace(bad, b=b))  # type: ignore[type-var]
    spoiled = back(problem, x0, setting)
    return replace(good, grad_x0=spoiled.grad_x0, grad_theta=spoiled.grad_theta)


WRONG: dict[str, Wrong] = {
    "negated": partial(scaled, x0_by=-1, theta_by=-1),
    "theta negated": partial(scaled, x0_by=1, theta_by=-1),
    "x0 negated": partial(scaled, x0_by=-1, theta_by=1),
    "1 % off": partial(scaled, x0_by=1.01, theta_by=1.01),
    "theta 1 % off": partial(scaled, x0_by=1, theta_by=1.01),
    "x0 1 % off": partial(scaled, x0_by=1.01, theta_by=1),
    "half": partial(scaled, x0_by=0.5, theta_by=0.5),
    "zero": partial(scaled, x0_by=0, theta_by=0),
    "loss 1 % off": wrong_loss,
    "off by 1e-4": shifted,
    "no terminal gradient": without_terminal_gradient,
    "no running cost": without_running_cost,
    "last step left out": whole_steps_alone,
    "transposed weights": transposed,
    "time frozen": pullback_at_the_start,
    "mean of the batch": mean_of_batch,
    "first lane alone": first_lane_alone,
    "context of the first": context_of_the_first,
    "float32 inside": in_float32,
}
"""Gradients that are wrong with any estimator."""
