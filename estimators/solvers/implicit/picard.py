"""Picard's iteration on Gauss nodes, whose number grows from sweep to sweep.

    X = x + h A F,  F = f(X),  x+ = x + h b'F

Few nodes carry an iterate that is still poor; a sweep evaluates all nodes of all lanes in one call
(Micalizzi and Torlo 2023; Bai and Junkins 2011).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gradpareto.estimators.solvers.explicit.step_control import Adaptive, root_mean_square
from gradpareto.estimators.solvers.implicit.tableaus import CollocationTableau, gauss
from gradpareto.systems import Array, Factors

ROUNDING = 16
"""A change of this number of roundings of a lane's largest component is none."""

Evaluate = Callable[[Array, CollocationTableau, Array], tuple[Array, Factors]]
"""Returns the slopes (R, m, d) at a rule's nodes in the windows at some positions (R,), of which it
gets the values (R, m, d), and arrays (R, m, ...) that come with them."""


@dataclass(frozen=True)
class Polynomial:
    """The slopes (R, q, d) at the q Gauss nodes of windows of lengths h (R,)."""

    slopes: Array
    h: Array

    def onward(self, y: Array, h: Array, rule: CollocationTableau) -> Array:
        """Integrate beyond the windows' ends, y (R, d), to a rule's nodes in windows h (R,)."""
        own = gauss(self.slopes.shape[1])
        points = 1 + rule.c * (h / self.h)[:, None]
        weights = own.integrals(points.ravel()).reshape(*points.shape, -1) - own.b
        return moved(y, self.h, weights, self.slopes)

    def take(self, rows: Array) -> "Polynomial":
        """Return those of the windows at some positions."""
        return Polynomial(self.slopes[rows], self.h[rows])

    def put(self, rows: Array, latest: "Polynomial") -> None:
        """Replace those of the windows at some positions."""
        self.slopes[rows], self.h[rows] = latest.slopes, latest.h


@dataclass(frozen=True)
class Iterated:
    """Windows (R,) of lengths h (R,) from y (R, d), after their last sweep.

    It holds the values and slopes (R, s, d) at the nodes and the arrays that came with the slopes,
    the number of sweeps (R,), and the scaled error that the last one leaves (R,), which is at most
    1 where they converged.
    """

    y: Array
    h: Array
    values: Array
    slopes: Array
    parts: Factors
    sweeps: Array
    error: Array

    @property
    def end(self) -> Array:
        """The values (R, d) at the windows' ends."""
        return moved(self.y, self.h, gauss(self.slopes.shape[1]).b[None], self.slopes)[:, 0]

    @property
    def last_term(self) -> Array:
        """The last term (R, d) of the values' expansion in Legendre's polynomials, or nearly."""
        nodes = self.slopes.shape[1]
        highest = gauss(nodes).expansion[-1:] / (2 * nodes - 1)
        return moved(0 * self.y, self.h, highest, self.slopes)[:, 0]

    def coarsened(self, nodes: int) -> Polynomial:
        """Return the slope's polynomial through fewer nodes."""
        weights = gauss(self.slopes.shape[1]).values_at(gauss(nodes).c)
        return Polynomial(weights.astype(self.slopes.dtype) @ self.slopes, self.h)


def iterate(
    evaluate: Evaluate,
    y: Array,
    h: Array,
    past: Polynomial,
    ladder: tuple[int, ...],
    most: int,
    control: Adaptive,
    growth: float = np.inf,
) -> Iterated:
    """Sweep over windows h (R,) from y (R, d): once for each node count of the ladder, and then on.

    The `past` slopes make the first guess. A window is done when what its last change leaves is
    within the tolerance, when a change is not below `growth` times the one before, or after `most`
    sweeps. Changes shrink faster and faster, so that the error left is at most the last change
    times the last rate.
    """
    values, slopes, parts = _climb(evaluate, y, h, past, ladder)
    rule, active = gauss(ladder[-1]), np.arange(len(y))
    sweeps = np.full(len(y), len(ladder))
    changes, error = np.full((2, len(y)), np.inf)
    while len(active):
        values[active] = moved(y[active], h[active], rule.a, slopes[active])
        found, latest = evaluate(active, rule, values[active])
        difference = np.abs(found - slopes[active]).max(axis=1) * np.abs(h[active, None])
        scale = allowance(control, y[active], np.abs(values[active]).max(axis=1))
        change, before = root_mean_square(difference / scale), changes[active]
        changes[active] = change
        if len(active) == len(y):
            slopes, parts = found, latest
        else:
            slopes[active] = found
            for part, new in zip(parts, latest, strict=True):
                part[active] = new
        rate = np.where(np.isfinite(before), change / np.maximum(before, change), 1)
        error[active] = change * np.where(change > 0, rate, 0)
        sweeps[active] += 1
        given_up = ~(change < growth * before) | (sweeps[active] >= most)
        active = active[~(judge(error[active]) | given_up)]
    return Iterated(y, h, values, slopes, parts, sweeps, error)


def _climb(
    evaluate: Evaluate, y: Array, h: Array, past: Polynomial, ladder: tuple[int, ...]
) -> tuple[Array, Array, Factors]:
    """Sweep once for each node count; return the values, the slopes, and what came with them."""
    rule, every = gauss(ladder[0]), np.arange(len(y))
    values = past.onward(y, h, rule)
    slopes, parts = evaluate(every, rule, values)
    for finer in map(gauss, ladder[1:]):
        values, rule = moved(y, h, rule.integrals_at(finer.c), slopes), finer
        slopes, parts = evaluate(every, rule, values)
    return values, slopes, parts


def judge(errors: Array) -> Array:
    """Tell which windows, in which the last sweep left these scaled errors (R,), have converged."""
    return np.asarray(errors <= 1)


def allowance(control: Adaptive, old: Array, new: Array) -> Array:
    """Return how far values (R, d) may be off: the tolerance, and rounding in any case."""
    largest = np.maximum(np.abs(old), np.abs(new)).max(axis=1, keepdims=True)
    return np.asarray(control.scale(old, new) + ROUNDING * np.finfo(old.dtype).eps * largest)


def moved(y: Array, h: Array, weights: Array, slopes: Array) -> Array:
    """Return y (R, d) + h (R,) weights (m, s) or (R, m, s) times slopes (R, s, d): (R, m, d)."""
    steps = h.astype(slopes.dtype)[:, None, None]
    return np.asarray(y[:, None] + steps * (weights.astype(slopes.dtype, copy=False) @ slopes))
