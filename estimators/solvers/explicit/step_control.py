"""Step control: how long a lane's next step is, and whether the one it tried is accepted.

    h+ = h min(10, max(0.2, 0.9 e_n^(-0.7 / k) e_{n-1}^(0.4 / k))),  k = error order + 1

This is the proportional-integral controller of Hairer and Wanner (1996), IV.2.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

from gradpareto.estimators.solvers.explicit.tableaus import Tableau
from gradpareto.estimators.solvers.mesh import step_count
from gradpareto.systems import Array

SAFETY, SHRINK_MOST, GROW_MOST = 0.9, 0.2, 10.0
SMALLEST_PAST_ERROR = 1e-4
SMALL = 1e-300
"""Divisors are not allowed to be smaller than this."""
MAX_ATTEMPTS = 20_000
"""A lane that has tried this many steps in one solve is given up."""
ATOL_OVER_RTOL = 1e-3
"""The absolute tolerance beside a relative one (paper, figure 2)."""


class Control(Protocol):
    """The interface of a step control, which decides for R lanes at once."""

    @property
    def adaptive(self) -> bool:
        """Whether the control needs error estimates."""

    def first_step(self, span: float, tableau: Tableau, probe: "Probe") -> Array:
        """Return the signed first step (R,) of R lanes that set out to cover `span`."""

    def scale(self, old: Array, new: Array) -> Array:
        """Return the error that is tolerated in each component, (R, m) like old and new."""

    def factor(self, tableau: Tableau, error: Array, past_error: Array) -> Array:
        """Return the factor (R,) by which the step changes; errors (R,) above 1 are rejections."""


class Probe(Protocol):
    """The interface of the data for guessing a first step of R lanes: scaled norms, (R,) each."""

    def sizes(self) -> tuple[Array, Array]:
        """Return the norms of y and y'."""

    def change(self, h: Array) -> Array:
        """Return the norm of the change of y' along a trial step h (R,) of Euler's method."""


@dataclass(frozen=True)
class StateProbe:
    """A probe of y and y' (R, m), of which `slope_after` returns y' after a trial step h (R,).

    `norm` is the method's own norm of errors divided by `scale` (R, m).
    """

    y: Array
    slope: Array
    slope_after: Callable[[Array], Array]
    scale: Array
    norm: Callable[[Array], Array]

    def sizes(self) -> tuple[Array, Array]:
        return self.norm(self.y / self.scale), self.norm(self.slope / self.scale)

    def change(self, h: Array) -> Array:
        return self.norm((self.slope_after(h) - self.slope) / self.scale)


@dataclass(frozen=True)
class Fixed:
    """Equal steps, none longer than `step`. Raises ValueError if that is not positive."""

    step: float
    adaptive = False

    def first_step(self, span: float, tableau: Tableau, probe: Probe) -> Array:
        return np.full(len(probe.sizes()[0]), span / step_count(abs(span), self.step))

    def scale(self, old: Array, new: Array) -> Array:
        return np.ones_like(old)

    def factor(self, tableau: Tableau, error: Array, past_error: Array) -> Array:
        return np.ones_like(error)


@dataclass(frozen=True)
class Adaptive:
    """Proportional-integral control of the error estimate's root mean square over components.

    Each component may err by atol + rtol |y| (Hairer, Norsett, Wanner 1993, II.4). Raises
    ValueError if a tolerance is not positive.
    """

    rtol: float
    atol: float
    adaptive = True

    def __post_init__(self) -> None:
        if not (0 < self.rtol < np.inf and 0 < self.atol < np.inf):
            raise ValueError(f"a tolerance must be positive and finite, not {self.rtol}")

    @classmethod
    def from_tolerance(cls, tolerance: float) -> Self:
        """Return the control for a relative tolerance, with an absolute one beside it."""
        return cls(rtol=tolerance, atol=ATOL_OVER_RTOL * tolerance)

    def scale(self, old: Array, new: Array) -> Array:
        scale = np.abs(old)
        np.maximum(scale, np.abs(new), out=scale)
        scale *= self.rtol
        scale += self.atol
        return scale

    def factor(self, tableau: Tableau, error: Array, past_error: Array) -> Array:
        order = tableau.error_order + 1
        safe = np.maximum(np.where(np.isfinite(error), error, np.inf), 1e-10)
        wanted = SAFETY * safe ** (-0.7 / order)
        accepted = error <= 1
        wanted = np.where(accepted, wanted * past_error ** (0.4 / order), wanted)
        most = np.where(accepted, GROW_MOST, SAFETY)
        return np.asarray(np.minimum(np.maximum(wanted, SHRINK_MOST), most))

    def first_step(self, span: float, tableau: Tableau, probe: Probe) -> Array:
        def length(speed: Array, bend: Array, trial: Array) -> Array:
            steepest = np.maximum(speed, bend)
            flat = np.maximum(1e-6 * abs(span), 1e-3 * trial)
            wanted = (0.01 / np.maximum(steepest, SMALL)) ** (1 / (tableau.error_order + 1))
            return np.where(steepest <= 1e-15, flat, wanted)

        return first_step(span, probe, length)


def root_mean_square(values: Array) -> Array:
    """Return the root mean square (R,) over the components of values (R, m), as float64."""
    return np.asarray(np.sqrt(np.einsum("rm,rm->r", values, values) / values.shape[1]), float)


def first_step(span: float, probe: Probe, length: Callable[[Array, Array, Array], Array]) -> Array:
    """Guess a signed first step (R,) from the slope and a trial step of Euler's method.

    Hairer, Norsett, Wanner (1993), II.4; starting from rest, the trial step is 1e-4 of the `span`.
    `length` returns how long the method's first step should be, given |y'|, |y''| along the trial
    step, and the length of the trial step, (R,) each. The result is at most 100 times the trial
    step.
    """
    size, speed = probe.sizes()
    at_rest = (size < 1e-5) | (speed < 1e-5)
    trial = np.where(at_rest, 1e-4 * abs(span), 0.01 * size / np.maximum(speed, SMALL))
    trial = np.minimum(trial, abs(span))
    bend = probe.change(np.copysign(trial, span)) / trial
    wanted = np.minimum(100 * trial, length(speed, bend, trial))
    finite = np.nan_to_num(wanted, nan=1e-6 * abs(span))
    return np.asarray(np.copysign(np.minimum(finite, abs(span)), span))


def squares(control: Control, old: Array, new: Array, errors: Array) -> Array:
    """Scale errors (E, R, m) in place, and return the sums of their squares (E, R), as float64."""
    errors /= control.scale(old, new)
    # A product of a row and a column is a dot product of BLAS, faster than `einsum`'s sum.
    return (errors[..., None, :] @ errors[..., None])[..., 0, 0].astype(float, copy=False)


def scaled_error(squares: Array, components: int) -> Array:
    """Return the error (R,), accepted up to 1, from the `squares` (E, R) of all components."""
    mean = squares / components
    if len(mean) == 1:
        return np.asarray(np.sqrt(mean[0]))
    # Hairer, Norsett, Wanner (1993), II.10: DOP853's two estimates.
    both = np.sqrt(mean[0] + 0.01 * mean[1])
    return np.asarray(np.divide(mean[0], both, out=mean[0], where=both != 0))


def given_up(
    lanes: Array, t: Array, h: Array, attempts: Array, ends: tuple[float, float]
) -> dict[int, str]:
    """Find the lanes, among some, whose step underflows or that never arrive, with the reason.

    `t`, `h` and `attempts` (B,) are those of all lanes, `ends` those of the segment.
    """
    smallest = 16 * math.ulp(max(map(abs, ends)))
    short = lanes[~(np.abs(h[lanes]) >= smallest)].tolist()
    late = lanes[attempts[lanes] >= MAX_ATTEMPTS].tolist()
    return {k: f"step size fell to {abs(h[k]):.0e} at t = {t[k]:.6g}" for k in short} | {
        k: f"still at t = {t[k]:.6g} after {MAX_ATTEMPTS} steps" for k in late
    }
