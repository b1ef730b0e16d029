"""A problem: system + policy + theta + horizon, composed into closed-loop oracles."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from systems.policy import Factors, Layers, Policy
from systems.system import Array, System


@dataclass(frozen=True)
class Problem:
    """The gradient of L(x0, theta) = int_0^T w dt + J(x(T)) is what is asked for.

    Its oracles, `flow` and `pullback`, take R rows: `lane` (R,) says which sample of the batch a
    row belongs to (several rows may share one), `t` (R,) its time, `x` (R, state_dim) its state.

    theta is (P,), or (R, P) with one parameter vector for each row (for finite differences).
    """

    system: System
    policy: Policy
    theta: Array
    horizon: float
    _layers: Layers = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.theta.shape[-1] != self.policy.size:
            raise ValueError(
                f"theta has {self.theta.shape[-1]} entries, the policy {self.policy.size}"
            )
        if not np.isfinite(self.horizon) or self.horizon <= 0:
            raise ValueError(f"horizon must be positive, not {self.horizon}")
        object.__setattr__(self, "_layers", self.policy.layers(self.theta))

    @property
    def segments(self) -> tuple[float, ...]:
        """0, the breakpoints inside the horizon, T: between two of them the flow is smooth."""
        inside = (t for t in self.system.breakpoints if 0 < t < self.horizon)
        return (0.0, *sorted(inside), float(self.horizon))

    def with_theta(self, theta: Array) -> Self:
        """The same problem at other parameters."""
        return replace(self, theta=theta)

    def flow(self, lane: Array, t: Array, x: Array) -> tuple[Array, Array]:
        """Closed-loop dynamics x' (R, state_dim) and running cost w (R,)."""
        values = self.policy.forward(self._layers, self.system.observe(t, x))
        return self.system.flow(t, x, values[-1])

    def pullback(
        self, lane: Array, t: Array, x: Array, a: Array, c: Array
    ) -> tuple[Array, Factors]:
        """Vector-Jacobian product of `flow`, for cotangents a (R, state_dim) of x', c (R,) of w.

        Return the cotangent of x (R, state_dim) and the factors of theta's (see `contract`).
        """
        values = self.policy.forward(self._layers, self.system.observe(t, x))
        gx, gu = self.system.pullback(t, x, values[-1], a, c)
        go, factors = self.policy.pullback(self._layers, values, gu)
        return gx + self.system.observe_pullback(t, x, go), factors

    def terminal(self, x: Array) -> Array:
        """J (R,)."""
        return self.system.terminal(x)

    def terminal_gradient(self, x: Array) -> Array:
        """dJ/dx (R, state_dim)."""
        return self.system.terminal_gradient(x)

    def contract(self, nodes: Sequence[Factors], weights: Array, out: Array | None = None) -> Array:
        """Weighted sums of S nodes' theta-cotangents: weights (K, S) or (K, S, R) -> (K, R, P)."""
        return self.policy.contract(nodes, weights, out)

    def check_x0(self, x0: Array) -> Array:
        """x0 (B, state_dim), float64 unless it is float32.

        Raises ValueError on another shape or what is not finite.
        """
        x0 = np.asarray(x0)
        x0 = x0 if x0.dtype == np.float32 else x0.astype(float)
        if x0.ndim != 2 or x0.shape[1] != self.system.state_dim or not len(x0):
            expected = f"(samples, {self.system.state_dim})"
            raise ValueError(f"x0 has shape {x0.shape}, expected {expected}")
        if not np.isfinite(x0).all():
            bad = int(np.flatnonzero(~np.isfinite(x0).all(axis=1))[0])
            raise ValueError(f"x0 of sample {bad} holds a number that is not finite")
        return x0
