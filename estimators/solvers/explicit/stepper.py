"""The lanes of a batched explicit Runge-Kutta solve: each has its own time, step and acceptance.

A step is tried in all lanes that have not arrived; each lane accepts it if its scaled error is at
most 1, and tries a shorter one otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gradpareto.estimators.solvers.explicit.dense_output import Piece
from gradpareto.estimators.solvers.explicit.quadrature_variables import (
    HeldIntegral,
    JudgedIntegral,
    JudgedProbe,
    QuadratureVariables,
)
from gradpareto.estimators.solvers.explicit.stages import as_column, increment, stage_states
from gradpareto.estimators.solvers.explicit.step_control import (
    SMALLEST_PAST_ERROR,
    Control,
    Probe,
    StateProbe,
    given_up,
    root_mean_square,
    scaled_error,
    squares,
)
from gradpareto.estimators.solvers.explicit.tableaus import Tableau
from gradpareto.estimators.solvers.mesh import inside
from gradpareto.estimators.solvers.right_hand_side import Path, RightHandSide
from gradpareto.estimators.solvers.row_blocks import neighbours
from gradpareto.systems import Array, Factors

StepCallback = Callable[[Array, Array, Array, Array, Array], None]
"""A function that is called with the accepted steps of R lanes.

Its arguments are lane (R,), t (R,), h (R,), y (R, m) before the step, and slopes (s + 1, R, m),
whose last is f(t + h, y+) only where that was evaluated.
"""


@dataclass
class _Attempt:
    """A step that R lanes try; slopes (s + 1, R, m) end in f(t + h, y+), if that is needed."""

    lane: Array
    rows: Array | slice
    t: Array
    h: Array
    landing: Array
    y: Array
    slopes: Array
    nodes: list[Factors]
    y_new: Array
    error: Array


class RungeKuttaStepper:
    """All lanes between two attempts: their time, state, proposed step, slope and integrand."""

    def __init__(
        self,
        rhs: RightHandSide,
        y0: Array,
        tableau: Tableau,
        control: Control,
        quadrature: QuadratureVariables,
        path: Path | None = None,
        keep: bool = False,
        on_step: StepCallback = lambda lane, t, h, y, slopes: None,
    ) -> None:
        if control.adaptive and tableau.error is None:
            raise ValueError(f"{tableau.name} has no error estimate to adapt its steps by")
        tableau = tableau.astype(y0.dtype)
        self.rhs, self.tableau, self.control = rhs, tableau, control
        self.path, self.keep, self.on_step = path, keep, on_step
        self.pieces: list[Piece] = []
        self.paces: list[Array] = []
        lanes = len(y0)
        self.t, self.y, self.h = np.zeros(lanes), y0.copy(), np.zeros(lanes)
        self.needs_last = tableau.error_needs_last
        self.times = np.append(tableau.c[1:], [1.0] * self.needs_last)[:, None]
        judged = quadrature.judged if control.adaptive else None
        self.judged = None if judged is None else JudgedIntegral(judged, lanes, tableau)
        self.held = None if judged is quadrature else HeldIntegral(quadrature, lanes, tableau.b)
        self.past_error = np.full(lanes, SMALLEST_PAST_ERROR)
        self.steps, self.attempts = np.zeros(lanes, dtype=int), np.zeros(lanes, dtype=int)
        self.failed: dict[int, str] = {}
        self.slope: Array = np.empty_like(self.y)
        self.node: Factors = ()

    def integral(self) -> Array:
        """Return the value (B, size) of the quadrature variables."""
        if self.held is not None:
            return self.held.value()
        assert self.judged is not None
        return self.judged.value

    def cross(self, left: float, right: float) -> None:
        """Bring every lane from time `left` to time `right`."""
        active = np.array([k for k in range(len(self.t)) if k not in self.failed], dtype=int)
        self.left, self.right = left, right
        self.t[:] = left
        if len(active):
            self._carry(active, *self._evaluate(active, self.t[active], self.y[active]))
            if not self.control.adaptive or not self.h.any():
                self.h[active] = self._first_step(active)
        self.paces.append(np.stack([self.h, self.past_error]))
        while len(active):
            active = self._settle(self._attempt(active))

    def _at(self, lane: Array, t: Array) -> Callable[[int, Array], tuple[Array, Factors]]:
        """Return the right-hand side at times t (S, R), called with a time's index and y (R, m)."""
        t = inside(t, self.left, self.right)
        paths = () if self.path is None else (self.path(lane, t),)
        return lambda i, y: self.rhs(lane, t[i], y, *(values[i] for values in paths))

    def _evaluate(self, lane: Array, t: Array, y: Array) -> tuple[Array, Factors]:
        return self._at(lane, t[None])(0, y)

    def _carry(self, lanes: Array | slice, slope: Array, node: Factors) -> None:
        """Keep the slope and integrand at the current time as the first stage of the next step."""
        if not self.node:
            self.node = tuple(np.empty((len(self.t), *part.shape[1:]), part.dtype) for part in node)
        self.slope[lanes] = slope
        for store, part in zip(self.node, node, strict=True):
            store[lanes] = part

    def _first_step(self, active: Array) -> Array:
        """Guess a first step from the state, and from the integral where that is judged."""
        t, y, slope = self.t[active], self.y[active], self.slope[active]

        def after(h: Array) -> tuple[Array, Factors]:
            return self._evaluate(active, t + h, y + as_column(h, y) * slope)

        probe: Probe
        if self.judged is None:
            scale = self.control.scale(y, y)
            probe = StateProbe(y, slope, lambda h: after(h)[0], scale, root_mean_square)
        else:
            node = tuple(part[active] for part in self.node)
            probe = JudgedProbe(self.judged, self.control, active, y, (slope, node), after)
        return self.control.first_step(self.right - self.left, self.tableau, probe)

    def _attempt(self, active: Array) -> _Attempt:
        rows = neighbours(active)
        t, y, proposed = self.t[active], self.y[active], self.h[rows]
        remaining = self.right - t
        landing = np.abs(proposed) >= np.abs(remaining) * (1 - 1e-9)
        h = np.where(landing, remaining, proposed)
        column = as_column(h, y)
        slopes = np.empty((self.tableau.stages + 1, *y.shape), y.dtype)
        slopes[0] = self.slope[rows]
        # A copy, because the integral may hold it longer than it is carried.
        nodes: list[Factors] = [tuple(part[active] for part in self.node)]
        evaluate = self._at(active, t + self.times * h)
        for i, stage in stage_states(self.tableau, y, column, slopes, first=1):
            slopes[i], node = evaluate(i - 1, stage)
            nodes.append(node)
        y_new = y + increment(column, self.tableau.b, slopes[:-1])
        if self.needs_last:
            slopes[-1], node = evaluate(-1, y_new)
            nodes.append(node)
        error = self._error(active, column, y, y_new, slopes, nodes)
        return _Attempt(active, rows, t, h, landing, y, slopes, nodes, y_new, error)

    def _error(
        self,
        lane: Array,
        column: Array,
        y: Array,
        y_new: Array,
        slopes: Array,
        nodes: list[Factors],
    ) -> Array:
        """Try the step on the integral as well, and return the scaled error (R,) of both."""
        if not self.control.adaptive or self.tableau.error is None:
            return np.where(np.isfinite(y_new).all(axis=1), 0.0, np.nan)
        used = len(nodes)  # f(t + h, y+) among them or not
        flat = self.tableau.error[:, :used].dot(slopes[:used].reshape(used, -1))
        own = flat.reshape(-1, *y.shape) * column
        sums, components = squares(self.control, y, y_new, own), y.shape[1]
        if self.judged is not None:
            sums += self.judged.squares(lane, column[:, 0], nodes, self.control)
            components += self.judged.size
        return scaled_error(sums, components)

    def _settle(self, tried: _Attempt) -> Array:
        """Advance the lanes whose step is accepted; return those that have not arrived yet."""
        lane, rows, landing = tried.lane, tried.rows, tried.landing
        accepted = tried.error <= 1
        proposed = self.h[rows]
        wanted = tried.h * self.control.factor(self.tableau, tried.error, self.past_error[rows])
        # A step cut short to land says nothing against the longer one that was proposed.
        cut = accepted & landing & (np.abs(proposed) > np.abs(wanted))
        self.h[rows] = np.where(cut, proposed, wanted)
        self.attempts[rows] += 1
        where = accepted.nonzero()[0]
        if len(where):
            self._advance(tried, where)
        going = ~(accepted & landing)
        self._give_up(lane[going], lane[np.isnan(tried.error)])
        if self.failed:
            going &= [k not in self.failed for k in lane.tolist()]
        return lane if np.count_nonzero(going) == len(lane) else lane[going]

    def _advance(self, tried: _Attempt, accepted: Array) -> None:
        """Accept the attempt in the lanes at positions `accepted` of it."""
        where = neighbours(accepted)
        lane, landing = tried.lane[where], tried.landing[where]
        t, h, y, slopes = tried.t[where], tried.h[where], tried.y[where], tried.slopes[:, where]
        rows = neighbours(lane)
        if self.held is not None:
            self.held.add(tried.lane, tried.h, tried.nodes, tried.error)
        if self.needs_last:
            self._carry(rows, slopes[-1], tuple(part[where] for part in tried.nodes[-1]))
        else:
            # On arrival, only the dense output asks for f(t + h, y+).
            needed = ~landing | (self.keep and self.tableau.dense_needs_last)
            if needed.any():
                at = accepted[needed]
                slope, node = self._evaluate(lane[needed], (t + h)[needed], tried.y_new[at])
                tried.slopes[-1, at] = slope
                self._carry(lane[needed], slope, node)
                slopes = tried.slopes[:, where]
        if self.keep:
            self._store(lane, t, h, y, slopes)
        self.on_step(lane, t, h, y, slopes)
        self.past_error[rows] = np.maximum(tried.error[where], SMALLEST_PAST_ERROR)
        self.t[rows] = np.where(landing, self.right, t + h)
        self.y[rows] = tried.y_new[where]
        if self.judged is not None:
            self.judged.accept(lane, accepted)
        self.steps[rows] += 1

    def _store(self, lane: Array, t: Array, h: Array, y: Array, slopes: Array) -> None:
        """Keep the step's dense output, paying for the stages that only it needs."""
        for c, row in self.tableau.extra:
            stage = y + increment(as_column(h, y), row, slopes)
            slope, _ = self._evaluate(lane, t + c * h, stage)
            slopes = np.concatenate([slopes, slope[None]])
        flat = self.tableau.dense.dot(slopes.reshape(len(slopes), -1))
        coefficients = np.concatenate([y[None], as_column(h, y) * flat.reshape(-1, *y.shape)])
        self.pieces.append((lane, t, h, coefficients.transpose(1, 0, 2)))

    def _give_up(self, lanes: Array, undefined: Array) -> None:
        """Fail lanes whose step underflows, cannot be repeated shorter, or that never arrive."""
        ends = self.left, self.right
        self.failed |= given_up(lanes, self.t, self.h, self.attempts, ends)
        if not self.control.adaptive:
            for lane in undefined.tolist():
                self.failed[lane] = f"state not finite after t = {self.t[lane]:.6g}"
