"""Checks of a system's methods, row by row, before anything is solved with them.

A method keeps its contract (systems/system.py) if a row's result is that row's alone, is equal at
every call and has the precision of float64, and if each pullback is the derivative of its method.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gradpareto.reference.differences import LEVELS, extrapolated, widths
from gradpareto.systems import Array, Problem, System
from gradpareto.systems.faults import Unsound, method_of, raised

ROWS = 8
"""The number of rows at which derivatives are compared."""
MOST_ENTRIES = 64
"""The most inputs, and the most outputs, whose derivatives are compared."""
ROUNDED = 1e-11
"""The largest relative change of a row's result from call to call: another number of rows may
change the order of a sum, and with it the last digits."""
PRECISION = 1e-9
"""The largest noise of a result, relative to its size."""
WRONG = 1e-6
"""The largest difference of a pullback from the differences, relative to the output's largest."""
_SEED, _SPREAD, _FIRST, _TINY = 20213, 0.1, 1e-2, 2e-6
_FOURTH = np.array([1.0, -4.0, 6.0, -4.0, 1.0])


@dataclass(frozen=True)
class Oracle:
    """A method of rows and its pullback.

    `value(rows, y)` takes the numbers (R,) of rows and their inputs side by side (R, n), and
    returns their outputs side by side (R, m). `pullback(rows, y, a)` takes cotangents a (R, m) too
    and returns those of the inputs (R, n). `at` (ROWS, n) are the inputs that are checked.
    """

    system: System
    name: str
    pullback_name: str
    value: Callable[[Array, Array], Array]
    pullback: Callable[[Array, Array, Array], Array]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    at: Array


def check_oracles(problem: Problem, lane: Array, t: Array, x: Array) -> None:
    """Check the system's methods at rows of lanes (R,), times (R,) and states x (R, state_dim).

    Rows at which a method is not finite are left out. Raises Unsound.
    """
    with np.errstate(all="ignore"):
        for oracle in oracles(problem, lane, t, x):
            _check_rows(oracle)
            _check_precision(oracle)
            _check_pullback(oracle)


def takes_complex(problem: Problem, lane: Array, t: Array, x: Array) -> bool:
    """Tell whether a complex step goes through the system's methods.

    It does not if a method raises on complex numbers, or drops the imaginary part of one, as
    NumPy's `abs` does, so that the step gives another derivative than differences do.
    """
    rng, epsilon = np.random.default_rng(_SEED), 1e-30
    with np.errstate(all="ignore"):
        for oracle in oracles(problem, lane, t, x):
            rows, scale = np.arange(len(oracle.at)), _scale(oracle.at)
            v = scale * rng.standard_normal(oracle.at.shape)
            try:
                with warnings.catch_warnings():  # of an imaginary part that is dropped
                    warnings.simplefilter("ignore")
                    stepped = oracle.value(rows, oracle.at + 1j * epsilon * v).imag / epsilon
            except Unsound:
                return False
            found, error, smooth = _along(oracle, v[:, None])
            size = _size(found[:, 0])
            tested = smooth[:, 0] & (error[:, 0] <= WRONG * size)
            off = np.abs(stepped - found[:, 0]) > np.maximum(10 * error[:, 0], WRONG * size)
            if (off & tested).any():
                return False
    return True


def near(problem: Problem, x0: Array) -> tuple[Array, Array, Array]:
    """Draw ROWS rows near the initial states x0 (B, state_dim): their lanes, times and states."""
    rng = np.random.default_rng(_SEED)
    lane = np.arange(ROWS) % len(x0)
    x = x0[lane] + _SPREAD * _scale(x0)[lane] * rng.standard_normal((ROWS, x0.shape[1]))
    return lane, problem.horizon * rng.random(ROWS), x


def oracles(problem: Problem, lane: Array, t: Array, x: Array) -> list[Oracle]:
    """Return the system's methods at the rows, at controls near the policy's."""

    def of(rows: Array) -> System:
        context = problem.context
        return problem.system if context is None else problem.system.within(context[lane[rows]])

    d, controls, observed = x.shape[1], problem.system.control_dim, problem.system.observation_dim
    everything = np.arange(len(x))

    def flow(rows: Array, y: Array) -> Array:
        return _call(of(rows), "flow", ((d,), ()), t[rows], y[:, :d], y[:, d:])

    def pullback(rows: Array, y: Array, a: Array) -> Array:
        given = t[rows], y[:, :d], y[:, d:], a[:, :d], a[:, d]
        return _call(of(rows), "pullback", ((d,), (controls,)), *given)

    def observe(rows: Array, y: Array) -> Array:
        return _call(of(rows), "observe", ((observed,),), t[rows], y)

    def observe_pullback(rows: Array, y: Array, a: Array) -> Array:
        return _call(of(rows), "observe_pullback", ((d,),), t[rows], y, a)

    def terminal(rows: Array, y: Array) -> Array:
        return _call(of(rows), "terminal", ((),), y)

    def terminal_gradient(rows: Array, y: Array, a: Array) -> Array:
        return a * _call(of(rows), "terminal_gradient", ((d,),), y)

    u = problem.policy.forward(problem.policy.layers(problem.theta), observe(everything, x))[-1]
    u = u + _SPREAD * _scale(u) * np.random.default_rng(_SEED).standard_normal(u.shape)
    states, seen, rates = _names("x", d), _names("o", observed), (*_names("x'", d), "w")
    both = *states, *_names("u", controls)
    s, end = problem.system, "terminal_gradient"
    return [
        Oracle(s, "observe", "observe_pullback", observe, observe_pullback, states, seen, x),
        Oracle(s, "flow", "pullback", flow, pullback, both, rates, np.column_stack([x, u])),
        Oracle(s, "terminal", end, terminal, terminal_gradient, states, ("J",), x),
    ]


def _names(letter: str, count: int) -> tuple[str, ...]:
    return tuple(f"{letter}[{i}]" for i in range(count))


def _call(system: System, name: str, shapes: tuple[tuple[int, ...], ...], *given: Array) -> Array:
    """Call a method, check what it returns, and return that side by side (R, ...).

    `shapes` are those of a row of each result. Raises Unsound if the method raises, writes into
    what it is given, or returns something else.
    """
    inputs = [np.array(part) for part in given]
    try:
        result = getattr(system, name)(*inputs)
    except Exception as error:
        raise raised(system, name, error) from error
    for number, (part, copy) in enumerate(zip(given, inputs, strict=True)):
        if part.tobytes() != copy.tobytes():
            raise Unsound(
                f"{method_of(system, name)} writes into its argument {number + 1}: copy it first"
            )
    results = (result,) if len(shapes) == 1 else result
    expected = [(len(inputs[-1]), *shape) for shape in shapes]
    if not isinstance(results, (tuple, list)) or len(results) != len(shapes):
        returned = f"one {type(result).__name__}, not {len(shapes)} arrays"
        raise Unsound(f"{method_of(system, name)} returned {returned}")
    for part, shape in zip(results, expected, strict=True):
        kinds = "fic" if any(np.iscomplexobj(one) for one in given) else "fi"
        if np.shape(part) != shape or np.asarray(part).dtype.kind not in kinds:
            kind = getattr(np.asarray(part), "dtype", "")
            returned = f"an array {np.shape(part)} of {kind} for {shape[0]} rows, not {shape}"
            raise Unsound(f"{method_of(system, name)} returned {returned}")
    return np.column_stack([np.array(part) for part in results])


def _check_rows(oracle: Oracle) -> None:
    """Check that a row's result depends on that row alone, and on nothing before."""
    rows = np.arange(len(oracle.at))
    backward = rows[::-1]

    def alone(f: Callable[..., Array], *given: Array) -> Array:
        return np.concatenate(
            [f(rows[k : k + 1], *(part[k : k + 1] for part in given)) for k in rows]
        )

    rng = np.random.default_rng(_SEED)
    a = rng.standard_normal((len(rows), len(oracle.outputs)))
    for name, f, given, outputs in (
        (oracle.name, oracle.value, (oracle.at,), oracle.outputs),
        (oracle.pullback_name, oracle.pullback, (oracle.at, a), oracle.inputs),
    ):
        first = f(rows, *given)
        for column in np.flatnonzero(~np.isfinite(first).any(axis=0)):
            found = f"gives no finite {outputs[column]} near x0"
            raise Unsound(f"{method_of(oracle.system, name)} {found}")
        trials = {
            "at a second call": f(rows, *given),
            "with its rows in another order": f(backward, *(p[backward] for p in given))[backward],
            "for a row alone": alone(f, *given),
        }
        for how, again in trials.items():
            moved = np.abs(again - first) / _size(first)
            if np.nanmax(moved, initial=0) > ROUNDED:
                worst = int(np.nanargmax(np.nanmax(moved, axis=0)))
                raise Unsound(
                    f"{method_of(oracle.system, name)} gives another {outputs[worst]} {how}: "
                    f"it moves by {np.nanmax(moved):.1e} of its size"
                )


def _check_precision(oracle: Oracle) -> None:
    """Check that results have the precision of float64.

    A fourth difference of a smooth function over a short step is nothing but its noise. The rows
    are moved a little first, lest they all lie at a kink.
    """
    rows, rng = np.arange(len(oracle.at)), np.random.default_rng(_SEED)
    scale = _scale(oracle.at)
    at = oracle.at + 1e-3 * scale * rng.standard_normal(oracle.at.shape)
    v = _TINY * scale * rng.standard_normal(oracle.at.shape)
    a = rng.standard_normal((len(rows), len(oracle.outputs)))
    for name, f, outputs in (
        (oracle.name, oracle.value, oracle.outputs),
        (oracle.pullback_name, lambda rows, y: oracle.pullback(rows, y, a), oracle.inputs),
    ):
        values = np.stack([f(rows, at + k * v) for k in range(-2, 3)])
        size = np.nanmax(np.abs(values), axis=(0, 1))
        noise = np.abs(np.tensordot(_FOURTH, values, 1)) / np.where(size > 0, size, 1)
        typical = np.nanmedian(noise, axis=0)
        worst = int(np.nanargmax(np.append(typical, 0)))
        if worst < len(outputs) and typical[worst] > PRECISION:
            raise Unsound(
                f"{method_of(oracle.system, name)} has noise of {typical[worst]:.1e} of its size "
                f"in {outputs[worst]}: compute in float64 throughout, and draw no random numbers"
            )


def _check_pullback(oracle: Oracle) -> None:
    """Compare the pullback's Jacobian, entry by entry, with differences of the method."""
    rng, rows = np.random.default_rng(_SEED), np.arange(len(oracle.at))
    inputs, outputs = (
        np.sort(rng.permutation(len(names))[:MOST_ENTRIES])
        for names in (oracle.inputs, oracle.outputs)
    )
    units = np.eye(len(oracle.inputs))[inputs]
    v = _scale(oracle.at)[:, inputs, None] * units
    found, error, smooth = _along(oracle, v)
    steps = _scale(oracle.at)[:, inputs, None]
    found, error = found[..., outputs] / steps, error[..., outputs] / steps
    given = np.stack(
        [
            oracle.pullback(rows, oracle.at, np.tile(unit, (len(rows), 1)))[:, inputs]
            for unit in np.eye(len(oracle.outputs))[outputs]
        ],
        axis=2,
    )
    size = np.nanmax(np.abs(np.where(np.isfinite(found), found, 0)), axis=(0, 1))
    size = np.maximum(size, np.nanmax(np.abs(np.where(np.isfinite(given), given, 0)), axis=(0, 1)))
    off = np.abs(given - found)
    wrong = smooth[..., outputs] & (off > np.maximum(10 * error, WRONG * size))
    if wrong.any():
        worst = np.unravel_index(int(np.argmax(np.where(wrong, off / size, 0))), off.shape)
        output, to = oracle.outputs[outputs[worst[2]]], oracle.inputs[inputs[worst[1]]]
        raise Unsound(
            f"{method_of(oracle.system, oracle.pullback_name)} is not the derivative of "
            f"{oracle.name}: d {output} / d {to} is {given[worst]:.6g}, and differences of "
            f"{oracle.name} give {found[worst]:.6g}"
        )


def _along(oracle: Oracle, v: Array) -> tuple[Array, Array, Array]:
    """Differentiate a method along vectors v (R, K, n).

    Return the derivatives (R, K, m), their estimated errors, and whether the method is smooth
    there: at a kink, the one-sided derivatives stay apart however short the step is.
    """
    rows, k, n = v.shape
    h = widths(np.array(_FIRST))
    numbers = np.tile(np.repeat(np.arange(rows), k), 2 * LEVELS)
    steps = np.concatenate([h, -h])[:, None, None, None] * v
    y = (oracle.at[:, None] + steps).reshape(-1, n)
    values = oracle.value(numbers, y).reshape(2, LEVELS, rows, k, -1)
    middle = oracle.value(np.arange(rows), oracle.at)[:, None]
    h = h[:, None, None, None]
    found, error = extrapolated((values[0] - values[1]) / (2 * h))
    apart = np.abs(values[0] - 2 * middle + values[1]) / (2 * h)
    kinked = (apart[-1] > 0.5 * apart[0]) & (apart[-1] > WRONG * _size(found))
    return found, error, np.isfinite(error) & ~kinked


def _scale(y: Array) -> Array:
    """Return the scale of each entry of y (R, n): its own size, or at least its column's middle."""
    middle = np.median(np.abs(y), axis=0)
    scale = np.maximum(np.maximum(np.abs(y), middle), 1e-3 * np.abs(y).max(initial=0))
    return np.where(scale > 0, scale, 1.0)


def _size(values: Array) -> Array:
    """Return the largest size (..., m) in each column of values (R, ..., m), or 1 where it is 0."""
    size = np.nanmax(np.abs(np.where(np.isfinite(values), values, 0)), axis=0)
    return np.where(size > 0, size, 1.0)
