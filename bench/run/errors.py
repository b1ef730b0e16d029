"""The errors of a gradient against its reference, and the status that follows from them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import scipy

from gradpareto.bench.store.record import Record
from gradpareto.estimators import Estimate
from gradpareto.reference import Reference
from gradpareto.systems import Array

LARGEST_ERROR = 1e150
"""An error from this on is not kept, since sums of its squares overflow."""


def with_errors(
    record: Record, estimates: Sequence[Estimate], reference: Reference, lane: int
) -> Record:
    """Return the record of a sample with the errors of its estimates, which may be replicates.

    `lane` is the sample's number in the estimates, which may lack other samples.
    """
    sample = record.sample
    off_x0 = np.stack([one.grad_x0[lane] - reference.grad_x0[sample] for one in estimates])
    off_theta = np.stack([one.grad_theta[lane] - reference.grad_theta[sample] for one in estimates])
    off, size = np.hstack([off_x0, off_theta]), _norm(reference.gradient[sample])
    zero = bool(reference.zero[sample])
    error = _root_mean_square(off)
    relative = np.nan if zero else error / size
    loss = float(np.mean([one.loss[lane] for one in estimates]))
    reason = _why_no_error(lane, estimates, loss, error if zero else max(error, relative))
    if reason:
        return replace(record, status="diverged", reason=reason)
    bias, deviation = bias_and_deviation(off) if len(estimates) > 1 else (np.nan, np.nan)
    return replace(
        record,
        status="zero" if zero else "ok",
        reason="the true gradient is zero" if zero else "",
        loss=loss,
        abs_error=error,
        rel_error=relative,
        abs_error_x0=_root_mean_square(off_x0),
        abs_error_theta=_root_mean_square(off_theta),
        bias=np.nan if zero else bias / size,
        deviation=np.nan if zero else deviation / size,
        steps=int(estimates[0].steps[lane]),
    )


def _why_no_error(lane: int, estimates: Sequence[Estimate], loss: float, error: float) -> str:
    """Return why the error of a sample's estimates is not known, or "" if it is."""
    given_up = [one.failed[lane] for one in estimates if lane in one.failed]
    if given_up:
        return given_up[0] or "it was given up, without a reason"
    if not all(np.isfinite(one.gradient[lane]).all() for one in estimates):
        return "the gradient is not finite"
    if not np.isfinite(loss):
        return "the loss is not finite"
    if not error < LARGEST_ERROR:
        return f"the gradient is finite, but its error is above {LARGEST_ERROR:g}"
    return ""


def _root_mean_square(off: Array) -> float:
    """Return the root mean square of the norms of K errors (K, m)."""
    return _norm(off.ravel()) / float(np.sqrt(len(off)))


def _norm(vector: Array) -> float:
    """Return the 2-norm of a vector (m,), whose squares may overflow or vanish."""
    return float(scipy.linalg.norm(vector, check_finite=False))


def bias_and_deviation(off: Array) -> tuple[float, float]:
    """Return the norm of the mean of K errors (K, m), and the root of their covariance's trace.

    Their squares are estimated without bias: the covariance is divided by K - 1, and the sampling
    error of the mean, deviation^2 / K, is subtracted from its square. A negative result becomes 0.
    """
    mean = off.mean(axis=0)
    variance = float(np.square(off - mean).sum() / (len(off) - 1))
    return float(np.sqrt(max(0.0, mean @ mean - variance / len(off)))), float(np.sqrt(variance))
