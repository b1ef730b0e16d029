"""Problems: a system under a policy, composed into the closed-loop oracles that estimators call."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from gradpareto.systems.breakpoints import Cluster, beside, clusters
from gradpareto.systems.faults import Unsound, method_of
from gradpareto.systems.linearisation import Assembled, Linearisation, MatrixFree
from gradpareto.systems.policy import Factors, Layers, Policy, ThetaJacobian, WeightedSums
from gradpareto.systems.system import Array, System
from gradpareto.systems.user_calls import blaming, drawn

LEAST_STAGES, MOST_ENTRIES, CHUNK_ENTRIES = 4, 2000, 30_000
"""`linearise` evaluates Jacobians of that many stages or more, if those of one stage have at most
MOST_ENTRIES, where they take as long as calls of `pullback`; in one call they have CHUNK_ENTRIES,
0.24 MB, beyond which they leave the cache."""
ROW_ENTRIES = 12
"""The time of a row beside its Jacobian's, in entries."""


def real_numbers(given: npt.ArrayLike) -> Array:
    """Return initial states as an array. Raises ValueError unless it is of floats or integers.

    Booleans, complex numbers, dates, texts and objects have another meaning, which a conversion
    would hide.
    """
    found = np.asarray(given)
    if found.dtype.kind not in "fiu":
        raise ValueError(f"x0 is of dtype {found.dtype}, expected real numbers")
    return found


def _copied(system: System, method: str, returned: object) -> tuple[Array, Array]:
    """Copy the two arrays that a method returned: a buffer of its own, perhaps, or its input.

    Raises Unsound if it returned something else.
    """
    if not isinstance(returned, (tuple, list)) or len(returned) != 2:
        kind = type(returned).__name__
        raise Unsound(f"{method_of(system, method)} returned one {kind}, not 2 arrays")
    return np.array(returned[0]), np.array(returned[1])


@dataclass(frozen=True)
class Problem:
    """A system, its policy, parameters theta, and the horizon T.

    It asks for the gradient of L(x0, theta) = int_0^T w dt + J(x(T)), where x' = f(t, x, u) starts
    at x0 and u = pi_theta(x).

    The oracles `flow`, `pullback` and `jacobian` take R rows: `lane` (R,) says which sample of the
    batch a row belongs to (several rows may share one), `t` (R,) is its time, and `x`
    (R, state_dim) its state.

    theta is (P,); or (R, P), with one parameter vector for each row, for finite differences; or
    (N, P), if `trial` (B,) says which of the N vectors controls each lane. `context`
    (B, context_dim) holds each lane's context, for systems that have one. `stops` are further times
    onto which every solver steps, as it does onto the system's breakpoints.

    Raises ValueError if theta does not fit the policy, or the horizon is not positive.
    """

    system: System
    policy: Policy
    theta: Array
    horizon: float
    context: Array | None = None
    trial: Array | None = None
    stops: tuple[float, ...] = ()
    _layers: Layers = field(init=False, repr=False, compare=False)
    _clusters: tuple[Cluster, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.theta.shape[-1] != self.policy.size:
            raise ValueError(
                f"theta has {self.theta.shape[-1]} entries, the policy {self.policy.size}"
            )
        if not np.isfinite(self.horizon) or self.horizon <= 0:
            raise ValueError(f"horizon must be positive, not {self.horizon}")
        theta = self.theta if self.trial is None else self.theta[self.trial]
        object.__setattr__(self, "_layers", self.policy.layers(theta))
        given = (*self.system.breakpoints, *self.stops)
        object.__setattr__(self, "_clusters", clusters(given, float(self.horizon)))

    @property
    def segments(self) -> tuple[float, ...]:
        """The times 0, the breakpoints inside (0, T), and T; between them the flow is smooth.

        Breakpoints within 4 roundings of T of each other, of 0 or of T are one.
        """
        return tuple(cluster.time for cluster in self._clusters)

    @property
    def exact(self) -> Self:
        """The problem whose gradient judges this one's: over the system's `truth`, if any."""
        truth = self.system.truth
        return self if truth is None else replace(self, system=truth)

    def with_theta(self, theta: Array) -> Self:
        """Return this problem at other parameters."""
        return replace(self, theta=theta)

    def sample(self, rng: np.random.Generator, samples: int) -> tuple[Self, Array]:
        """Draw x0 (samples, state_dim); return this problem with their contexts, and x0."""
        shape = samples, self.system.state_dim
        x0 = drawn(self.system, "sample_x0", rng, samples, shape=shape)
        return self.with_context_of(rng, x0), x0

    def with_context_of(self, rng: np.random.Generator, x0: Array) -> Self:
        """Return this problem with a context drawn for each row of x0 (B, state_dim)."""
        if not self.system.context_dim:
            return self
        shape = len(x0), self.system.context_dim
        context = drawn(self.system, "sample_context", rng, x0, shape=shape)
        return replace(self, context=context)

    def take(self, lanes: Array) -> Self:
        """Return the problem of these lanes alone, numbered from 0 in the order given."""
        context = None if self.context is None else self.context[lanes]
        return replace(
            self, context=context, trial=None if self.trial is None else self.trial[lanes]
        )

    @blaming
    def flow(self, lane: Array, t: Array, x: Array) -> tuple[Array, Array]:
        """Return the closed-loop dynamics x' (R, state_dim) and the running cost w (R,)."""
        system, layers = self._of(lane)
        t = beside(self._clusters, t)
        values = self.policy.forward(layers, system.observe(t, x))
        return _copied(system, "flow", system.flow(t, x, values[-1]))

    @blaming
    def pullback(
        self,
        lane: Array,
        t: Array,
        x: Array,
        a: Array,
        c: Array,
        values: Sequence[Array] | None = None,
    ) -> tuple[Array, Factors]:
        """Multiply cotangents a (R, state_dim) of x' and c (R,) of w by the Jacobian of `flow`.

        This vector-Jacobian product returns the cotangent of x (R, state_dim), and that of theta in
        factors (see `Factors` in policy.py), which `contract` multiplies and sums. Who pulls other
        cotangents back in the same rows may give the `policy_values` of these, and makes them once.
        """
        system, layers = self._of(lane)
        t = beside(self._clusters, t)
        if values is None:
            values = self.policy.forward(layers, system.observe(t, x))
        pulled = system.pullback(t, x, values[-1], a, c)
        gx, gu = _copied(system, "pullback", pulled)
        go, factors = self.policy.pullback(layers, values, gu)
        return gx + system.observe_pullback(t, x, go), factors

    @blaming
    def policy_values(self, lane: Array, t: Array, x: Array) -> tuple[Array, ...]:
        """Return the values of the policy's layers, from observation to control: (R, m) each.

        They are a part of what each `pullback` evaluates, and count as none.
        """
        system, layers = self._of(lane)
        return tuple(self.policy.forward(layers, system.observe(beside(self._clusters, t), x)))

    def jacobian(self, lane: Array, t: Array, x: Array) -> tuple[Array, ThetaJacobian]:
        """Return the Jacobian of x' (R, state_dim, state_dim): [r, i, j] is dx'_i / dx_j.

        The derivative of x' by theta comes with it. Both count as one vector-Jacobian product for
        each state, though the policy is pulled back for each control only.
        """
        unit = np.eye(x.shape[1], dtype=x.dtype)
        derivative, by_theta, _ = self._derivatives(lane, t, x, unit, np.zeros(len(unit), x.dtype))
        return derivative, by_theta

    def linearise(self, lane: Array, t: Array, x: Array, c: Array) -> Linearisation:
        """Return the products that pull cotangents back through S stages of R rows, in turn.

        `lane` is (R,), and t (S, R), x (S, R, state_dim) and the cotangents c (S, R) of the running
        cost are known beforehand; those of x' are given to the result, stage by stage. This stands
        for S calls of `pullback`, and counts as one vector-Jacobian product for each stage and row,
        however it is realised. With few rows, the Jacobians of all stages are evaluated in one
        call, if `stages_at_once` says so; the products then differ from those of `pullback` by
        rounding, and so may a lane's from batch to batch: by less than 1e-13 of themselves.
        Otherwise each product is a call of `pullback`.
        """
        if self.stages_at_once(len(lane)) and len(t) >= LEAST_STAGES:
            return self.assembled(lane, t, x, c)
        return MatrixFree(self.pullback, lane, t, x, c)

    def stages_at_once(self, rows: int) -> int:
        """Return for how many stages of R rows `linearise` should be asked at once; 0: for any.

        It is 0 where Jacobians are not worth their arithmetic, by a rule of the numbers of rows,
        states and controls alone, and where they cannot be had at the price of one product: if the
        system differences a simulator, or each row has a theta of its own.
        """
        states, controls = self.system.state_dim, self.system.control_dim
        entries = rows * ((states + 1) * (states + controls) + ROW_ENTRIES)
        if self.theta.ndim > 1 or self.system.pullback_flows or entries > MOST_ENTRIES:
            return 0
        return CHUNK_ENTRIES // entries

    def assembled(self, lane: Array, t: Array, x: Array, c: Array) -> Linearisation:
        """Return what `linearise` does, with the Jacobians of all stages evaluated."""
        stages, rows, states = x.shape
        unit = np.eye(states + 1, dtype=x.dtype)
        by_x, by_theta, values = self._derivatives(
            np.tile(lane, stages), t.ravel(), x.reshape(-1, states), unit[:, :-1], unit[:, -1]
        )
        shape = stages, rows, states + 1, -1
        return Assembled(
            by_x.reshape(shape),
            by_theta.by_control.reshape(shape),
            c,
            lambda gu: self.policy.pullback(self._layers, values, gu)[1],
        )

    @blaming
    def _derivatives(
        self, lane: Array, t: Array, x: Array, a: Array, c: Array
    ) -> tuple[Array, ThetaJacobian, list[Array]]:
        """Pull each of K cotangents a (K, state_dim) of x' and c (K,) of w back through R rows.

        Return their products with the derivative in x (R, K, state_dim), with that in theta, and
        the values of the policy's layers. By the chain rule dx'/dx = f_x + f_u pi_x, in which f_x
        and f_u are the system's own, the policy is pulled back once for each control.
        """
        controls = self.system.control_dim
        system, layers = self._of(lane)
        t = beside(self._clusters, t)
        values = self.policy.forward(layers, system.observe(t, x))
        system, _ = self._of(lane.repeat(len(a)))
        times, at, u = (part.repeat(len(a), axis=0) for part in (t, x, values[-1]))
        pulled = system.pullback(times, at, u, np.tile(a, (len(x), 1)), np.tile(c, len(x)))
        by_x, by_u = (
            part.reshape(len(x), len(a), -1) for part in _copied(system, "pullback", pulled)
        )
        gu = np.tile(np.eye(controls, dtype=by_u.dtype), (len(x), 1))
        system, layers = self._of(lane.repeat(controls))
        t, x, *each = (part.repeat(controls, axis=0) for part in (t, x, *values))
        go, factors = self.policy.pullback(layers, each, gu)
        through = system.observe_pullback(t, x, go).reshape(len(by_u), controls, -1)
        return by_x + by_u @ through, ThetaJacobian(by_u, factors), values

    @blaming
    def terminal(self, x: Array) -> Array:
        """Return the terminal cost J (R,)."""
        return self.system.terminal(x)

    @blaming
    def terminal_gradient(self, x: Array) -> Array:
        """Return dJ/dx (R, state_dim)."""
        return self.system.terminal_gradient(x)

    def contract(self, nodes: Sequence[Factors], weights: Array, out: Array | None = None) -> Array:
        """Make K weighted sums (K, R, P) of S theta-cotangents; weights: (K, S) or (K, S, R)."""
        return self.policy.contract(nodes, weights, out)

    def weighted_sums(self, nodes: Sequence[Factors], weights: Array) -> WeightedSums:
        """Return a function that writes what `contract` makes, for a few rows at a time."""
        return self.policy.weighted_sums(nodes, weights)

    def check_x0(self, x0: Array) -> Array:
        """Return x0 (B, state_dim) as an array of float64, or float32 if it is that.

        Raises ValueError if x0 has another shape, or holds anything but finite real numbers.
        """
        x0 = real_numbers(x0)
        x0 = x0 if x0.dtype == np.float32 else x0.astype(float)
        if x0.ndim != 2 or x0.shape[1] != self.system.state_dim or not len(x0):
            expected = f"(samples, {self.system.state_dim})"
            raise ValueError(f"x0 has shape {x0.shape}, expected {expected}")
        if not np.isfinite(x0).all():
            bad = int(np.flatnonzero(~np.isfinite(x0).all(axis=1))[0])
            raise ValueError(f"x0 of sample {bad} holds a number that is not finite")
        return x0

    def _of(self, lane: Array) -> tuple[System, Layers]:
        """Return the system in each row's context, and the layers of the policy there."""
        system = self.system if self.context is None else self.system.within(self.context[lane])
        if self.trial is None or np.array_equal(lane, np.arange(len(self.trial))):
            return system, self._layers
        return system, tuple((weight[lane], bias[lane]) for weight, bias in self._layers)
