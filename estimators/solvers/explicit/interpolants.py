"""Interpolants of a forward solve: cubic splines and others in place of its own dense output."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy

from gradpareto.estimators.solvers.explicit.dense_output import DenseOutput
from gradpareto.estimators.solvers.explicit.tableaus import Tableau, hermite
from gradpareto.systems import Array


@dataclass(frozen=True)
class Interpolant:
    """A choice of what stands for x(t) between the accepted points.

    `order` bounds the order of a gradient along it; it is None if the gradient keeps the order of
    the solve. `keeping` makes the tableau whose dense output holds what is needed of each step, so
    that no stage is paid for that only another interpolant reads. `joined` makes the interpolant
    from these steps and from the ends of the smooth segments, across which it must not reach.
    """

    order: int | None
    keeping: Callable[[Tableau], Tableau]
    joined: Callable[[DenseOutput, Sequence[float]], DenseOutput]


def native(tableau: Tableau) -> Tableau:
    """Keep the tableau's own dense output."""
    return tableau


def chords(tableau: Tableau) -> Tableau:
    """Keep x and x+ - x of each step."""
    return replace(tableau, dense=np.append(tableau.b, 0.0)[None], extra=(), dense_order=0)


def cubics(tableau: Tableau) -> Tableau:
    """Keep the cubic Hermite interpolant of x, x+ and the slopes there."""
    return replace(tableau, dense=hermite(tableau.b), extra=(), dense_order=0)


def as_kept(steps: DenseOutput, segments: Sequence[float]) -> DenseOutput:
    """Use the polynomials of the steps as they are."""
    return steps


def spline(steps: DenseOutput, segments: Sequence[float]) -> DenseOutput:
    """Join the accepted points of each lane in each segment by a natural cubic spline."""
    segment = np.searchsorted(segments, steps.start, side="right")
    owner = steps.lane * (len(segments) + 1) + segment
    pieces = np.split(np.arange(len(owner)), np.flatnonzero(np.diff(owner)) + 1)
    slopes = [_natural(steps, piece) for piece in pieces]
    h = steps.length.astype(steps.coefficients.dtype)[:, None]
    first, last = (h * np.concatenate(part) for part in zip(*slopes, strict=True))
    x, chord = steps.coefficients[:, 0], steps.coefficients[:, 1]
    # A cubic is the cubic Hermite interpolant of itself.
    cubic = np.stack([x, chord, first - chord, 2 * chord - first - last], axis=1)
    return replace(steps, coefficients=cubic)


def _natural(steps: DenseOutput, piece: Array) -> tuple[Array, Array]:
    """Compute the spline's slopes at both ends of the N steps in `piece`: two arrays (N, m)."""
    end = piece[-1]
    knots = np.append(steps.start[piece], steps.start[end] + steps.length[end])
    values = np.concatenate(
        [steps.coefficients[piece, 0], steps.coefficients[end].sum(axis=0, keepdims=True)]
    )
    slopes = scipy.interpolate.CubicSpline(knots, values, bc_type="natural")(knots, 1).astype(
        values.dtype
    )
    return slopes[:-1], slopes[1:]


INTERPOLANTS = {
    "native": Interpolant(None, native, as_kept),
    "linear": Interpolant(2, chords, as_kept),
    "spline": Interpolant(3, chords, spline),
    "hermite": Interpolant(4, cubics, as_kept),
}
