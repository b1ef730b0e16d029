"""A system whose derivatives are made from its own methods."""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from gradpareto.systems.derive.choice import SLOW, Derivative, derivative
from gradpareto.systems.derive.filled_arrays import filled_like
from gradpareto.systems.derive.row_function import RowFunction, Rows
from gradpareto.systems.derive.steps import flows_a_row
from gradpareto.systems.faults import Unsound, method_of, raised
from gradpareto.systems.system import Array, System

HORIZON = 5.0
"""The horizon of a system that has none of its own."""
PULLBACKS = {"flow": "pullback", "observe": "observe_pullback", "terminal": "terminal_gradient"}
"""The methods that have derivatives, each with the method that is its derivative."""
ROWS, SPREAD, SEED = 8, 0.1, 20217
KEPT = ("context_dim", "breakpoints", "velocity_of", "data_files", "truth")


@dataclass(frozen=True)
class Derived(System):
    """The system `written` by a person, with the derivatives that it does not define.

    `derivatives` has them by the names of the methods that they are derivatives of. What the
    object says of itself is kept; a number of states, controls or observations that it does not
    say is found, or 1 control, and a horizon that it does not say is HORIZON.
    """

    written: Any
    derivatives: Mapping[str, Derivative] = field(default_factory=dict)
    context: Array | None = None

    def __post_init__(self) -> None:
        own = self.written
        given = {
            "state_dim": getattr(own, "state_dim", None) or _drawn(own, 1).shape[1],
            "control_dim": getattr(own, "control_dim", 1),
            "horizon": getattr(own, "horizon", HORIZON),
        }
        said = {name: getattr(own, name, None) for name in KEPT}
        given |= {
            name: one for name, one in said.items() if one not in (None, getattr(System, name))
        }
        for name, value in given.items():
            object.__setattr__(self, name, value)
        if not (np.isfinite(self.horizon) and self.horizon > 0):
            raise Unsound(f"{type(own).__name__} has a horizon of {self.horizon}, not above 0")
        object.__setattr__(self, "observation_dim", self._observation_dim())
        flow = self.derivatives.get("flow")
        if flow is not None and flow.maker == "differences":
            flows = flows_a_row(self.state_dim + self.control_dim)
            object.__setattr__(self, "pullback_flows", flows)

    @property
    def compares_in_time(self) -> bool:
        """Tell whether times are comparable with those of a system derived by hand."""
        return not any(one.maker in SLOW for one in self.derivatives.values())

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        with filled_like(self.written, x, u):
            x_dot, cost = self._own.flow(t, x, u)
        dtype = np.result_type(x, u)
        return np.asarray(x_dot, dtype), np.asarray(cost, dtype)

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        if "flow" not in self.derivatives:
            pulled: tuple[Array, Array] = self._own.pullback(t, x, u, a, c)
            return pulled
        z, cotangent = np.concatenate([x, u], axis=1), np.concatenate([a, c[:, None]], axis=1)
        product = self.derivatives["flow"].product(self.context, t, z, cotangent)
        return product[:, : x.shape[1]], product[:, x.shape[1] :]

    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        return np.asarray(self.written.sample_x0(rng, samples))

    def sample_context(self, rng: np.random.Generator, x0: Array) -> Array:
        return np.asarray(_method(self.written, "sample_context")(rng, x0))

    def within(self, context: Array) -> Self:
        inside = copy(self)  # nothing is found out anew
        object.__setattr__(inside, "context", context)
        return inside

    def observe(self, t: Array, x: Array) -> Array:
        with filled_like(self.written, x):
            return np.asarray(_method(self._own, "observe")(t, x), x.dtype)

    def observe_pullback(self, t: Array, x: Array, o: Array) -> Array:
        if "observe" not in self.derivatives:
            return np.asarray(_method(self._own, "observe_pullback")(t, x, o))
        return self.derivatives["observe"].product(self.context, t, x, o)

    def terminal(self, x: Array) -> Array:
        with filled_like(self.written, x):
            return np.asarray(_method(self._own, "terminal")(x), x.dtype)

    def terminal_gradient(self, x: Array) -> Array:
        if "terminal" not in self.derivatives:
            return np.asarray(_method(self._own, "terminal_gradient")(x))
        t, one = np.zeros(len(x), x.dtype), np.ones((len(x), 1), x.dtype)
        return self.derivatives["terminal"].product(self.context, t, x, one)

    @property
    def _own(self) -> Any:
        return self.written if self.context is None else self.written.within(self.context)

    def _observation_dim(self) -> int:
        if not _defines(self.written, "observe"):
            return int(self.state_dim)
        if hasattr(self.written, "observation_dim"):
            return int(self.written.observation_dim)
        x0 = _drawn(self.written, 1)
        return int(np.shape(self.written.observe(np.zeros(1), x0))[1])


def derived(written: Any) -> System:
    """Return a system with the derivatives that the given one does not define.

    It is an object with `flow(t, x, u)` and `sample_x0(rng, samples)`, and with whatever else of
    `System` it defines. A system that defines every derivative is returned as it is. One whose
    attribute `simulator` is true is differenced, and its calls are counted.

    Raises Unsound if a method is missing or returns something else than it should, or if no
    derivative can be made of it.
    """
    for name, what in (("flow", "x' and the cost"), ("sample_x0", "initial states")):
        if not _defines(written, name):
            raise Unsound(f"{type(written).__name__} has no {name}, which returns {what}")
    missing = [
        name
        for name, pullback in PULLBACKS.items()
        if _defines(written, name) and not _defines(written, pullback)
    ]
    if isinstance(written, System) and not missing:
        return written
    bare = Derived(written)
    at = _check_flow(bare, _rows(bare))
    simulator = bool(getattr(written, "simulator", False))
    return replace(
        bare, derivatives={name: _derivative(bare, name, at, simulator) for name in missing}
    )


def _derivative(system: Derived, name: str, at: Rows, simulator: bool) -> Derivative:
    n = system.state_dim + system.control_dim * (name == "flow")
    function = RowFunction(system.written, name, system.state_dim)
    return derivative(function, Rows(at.context, at.t, at.z[:, :n]), simulator and name == "flow")


def _rows(system: Derived) -> Rows:
    """Draw rows near initial states, at any time, with controls of about 1."""
    rng = np.random.default_rng(SEED)
    x = _drawn(system.written, ROWS, system.state_dim)
    context = system.sample_context(rng, x) if system.context_dim else None
    scale = np.where(np.abs(x).max(axis=0) > 0, np.abs(x).max(axis=0), 1.0)
    x = x + SPREAD * scale * rng.standard_normal(x.shape)
    u = rng.standard_normal((ROWS, system.control_dim))
    return Rows(context, system.horizon * rng.random(ROWS), np.concatenate([x, u], axis=1))


def _check_flow(system: Derived, at: Rows) -> Rows:
    """Return the rows at which `flow` is finite.

    Raises Unsound unless it returns x' (R, state_dim) and the cost (R,) in float64, of each row
    alone, alike at each call, and leaves its arguments as they are.
    """
    told, d, given = (
        method_of(system, "flow"),
        system.state_dim,
        Rows(at.context, at.t, at.z.copy()),
    )
    first = _flow(system, given)
    for part, what, shape in zip(first, ("x'", "the cost"), ((ROWS, d), (ROWS,)), strict=True):
        if part.shape != shape:
            raise Unsound(
                f"{told} returned {what} of shape {part.shape}, not {shape} ({_given(system, at)})"
            )
        if part.dtype != np.float64:
            raise Unsound(f"{told} returned {what} of dtype {part.dtype}, not float64")
    if not np.array_equal(given.z, at.z):
        raise Unsound(f"{told} changed its arguments, which are not its own: copy them first")
    value = np.concatenate([first[0], first[1][:, None]], axis=1)
    for rows in (np.arange(ROWS), np.arange(1), np.arange(ROWS - 1, ROWS)):
        found = _flow(system, _of(at, rows))
        same = np.concatenate([found[0], found[1][:, None]], axis=1)
        if not np.allclose(same, value[rows], rtol=1e-9, atol=0, equal_nan=True):
            fault = "at the second call" if len(rows) > 1 else "for a row alone"
            raise Unsound(f"{told} returned other numbers {fault}: a row's are its own, always")
    finite = np.isfinite(value).all(axis=1)
    if not finite.any():
        raise Unsound(f"{told} returned nothing finite near the initial states")
    return _of(at, finite)


def _given(system: Derived, at: Rows) -> str:
    rows = len(at.t)
    states, controls = f"({rows}, {system.state_dim})", f"({rows}, {system.control_dim})"
    return f"it was given states {states} and controls {controls}, as state_dim and control_dim say"


def _of(at: Rows, kept: Array) -> Rows:
    return Rows(None if at.context is None else at.context[kept], at.t[kept], at.z[kept])


def _flow(system: Derived, at: Rows) -> tuple[Array, Array]:
    """Call the flow as it was written. Raises Unsound if it raises, or returns no two arrays."""
    own = system.written if at.context is None else system.written.within(at.context)
    d = system.state_dim
    try:
        with np.errstate(all="ignore"):
            found = own.flow(at.t.copy(), at.z[:, :d], at.z[:, d:])
    except Exception as error:
        raise Unsound(f"{raised(system, 'flow', error)} ({_given(system, at)})") from error
    if not isinstance(found, (tuple, list)) or len(found) != 2:
        told = f"{method_of(system, 'flow')} returned one {type(found).__name__}"
        raise Unsound(f"{told}, not 2 arrays: x' and the cost")
    return np.array(found[0]), np.array(found[1])


def _drawn(written: Any, samples: int, state_dim: int | None = None) -> Array:
    """Draw initial states. Raises Unsound if they are no finite (samples, state_dim)."""
    try:
        found = np.asarray(written.sample_x0(np.random.default_rng(SEED), samples))
    except Exception as error:
        raise raised(written, "sample_x0", error) from error
    if found.ndim != 2 or len(found) != samples or state_dim not in (None, found.shape[1]):
        expected = f"({samples}, {'states' if state_dim is None else state_dim})"
        told = method_of(written, "sample_x0")
        raise Unsound(f"{told} returned an array of shape {found.shape}, not {expected}")
    return found.astype(float)


def _method(written: Any, name: str) -> Any:
    """Return a method of the object, or of `System` where the object has none."""
    own = getattr(written, name, None)
    return own if own is not None else getattr(System, name).__get__(written)


def _defines(written: Any, name: str) -> bool:
    """Tell whether an object has a method of its own, and not the one that `System` has."""
    own = getattr(written, name, None)
    return own is not None and getattr(own, "__func__", own) is not getattr(System, name)
