"""The arithmetic of frontiers: pure functions of records.

There are two axes throughout, evals and rel_error, and on both lower is better. A point is
nondominated if no other point is at least as low on both axes and lower on one. A `Front` is the
list of an estimator's nondominated points on one sample, or of the medians over samples; its
frontier is the curve through them, which interpolates log evals over log error. An `Attainment`
holds the fronts of one estimator on one problem, one for each sample.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import moocore
import numpy as np
import pandas as pd

from gradpareto.reference import Reference
from gradpareto.systems import Array

FLOOR_FACTOR = 10.0
"""Errors below this multiple of the reference's uncertainty decide nothing."""

NO_ESTIMATE = 1.0
"""A relative error above this, as an unstable step's, is no estimate: what lies between it and the
next setting is a cliff, and nothing is interpolated across it."""

MEDIANS = ["evals", "rel_error", "stored_bytes", "peak_bytes", "wall_ratio"]


@dataclass(frozen=True)
class Front:
    """Nondominated points in the order of falling error (K,), along which evals (K,) rise."""

    evals: Array
    error: Array


def weighted(records: pd.DataFrame, weight: float = 1.0) -> pd.DataFrame:
    """Add evals = f_evals + weight * (vjp_evals + jvp_evals + jac_evals) to the records."""
    products = records.vjp_evals + records.jvp_evals + records.jac_evals
    return records.assign(evals=records.f_evals + weight * products)


def deciding(records: pd.DataFrame) -> pd.DataFrame:
    """Return the records that may decide a comparison.

    They have not failed, and their error is above the reference's floor.
    """
    above = records.abs_error >= FLOOR_FACTOR * records.reference_uncertainty
    return records[(records.status == "ok") & above & (records.evals > 0)]


def front(evals: Array, error: Array) -> Front:
    """Return the nondominated points among some (K,), without duplicates."""
    evals, error = np.asarray(evals, dtype=float), np.asarray(error, dtype=float)
    if not len(evals):
        return Front(evals, error)
    kept = moocore.is_nondominated(np.column_stack([evals, error]))
    order = np.argsort(evals[kept], kind="stable")
    return Front(evals[kept][order], error[kept][order])


@dataclass(frozen=True)
class Attainment:
    """The fronts that one estimator attains on one problem, by the sample it was measured on.

    In samples that are `floored`, it also has points at the reference's floor. The evaluations that
    it needs for an error tighter than all of the front's are then unknown, not infinite.
    """

    fronts: Mapping[int, Front]
    floored: frozenset[int]


def attainment(records: pd.DataFrame) -> Attainment:
    """Compute an estimator's attainment from all its records on a problem, failures included."""
    usable = deciding(records)
    at_floor = records[(records.status == "ok") & ~records.index.isin(usable.index)]
    groups = {
        sample: usable[usable["sample"] == sample] for sample in records["sample"].unique().tolist()
    }
    fronts = {}
    for sample, part in groups.items():
        estimates = part[part.rel_error <= NO_ESTIMATE]
        fronts[sample] = front(estimates.evals.to_numpy(), estimates.rel_error.to_numpy())
    return Attainment(fronts, frozenset(at_floor["sample"].tolist()))


def attained(reached: Attainment, samples: Sequence[int], targets: Array) -> Array:
    """Return the evaluations (len(samples), ...) that an estimator needs for target errors (...).

    They are inf for a target that is never reached, and NaN where that is not known: below the
    floor, in a sample that was not measured, and for a target that is NaN.
    """
    evals = np.full((len(samples), *np.shape(targets)), np.nan)
    for row, sample in zip(evals, samples, strict=True):
        if sample in reached.fronts:
            found = evals_at(reached.fronts[sample], targets)
            unknown = np.isinf(found) & (sample in reached.floored)
            row[...] = np.where(unknown, np.nan, found)
    return evals


def median_points(records: pd.DataFrame) -> pd.DataFrame:
    """Compute the medians over samples of MEDIANS, in one row for each setting.

    Settings at which at most half of the samples are among the records are left out.
    """
    counts = records.groupby("setting").size()
    medians = records.groupby("setting")[MEDIANS].median()
    return medians[counts > records["sample"].nunique() / 2]


def median_front(records: pd.DataFrame) -> Front:
    """Return the front of the medians whose error is at most NO_ESTIMATE."""
    points = median_points(records)
    points = points[points.rel_error <= NO_ESTIMATE]
    return front(points.evals.to_numpy(), points.rel_error.to_numpy())


def evals_at(reached: Front, targets: Array) -> Array:
    """Return the evaluations (...) with which a front reaches target errors (...), or inf.

    Between two points, log evals is interpolated over log error; for a target looser than all
    points, the cheapest one serves. A target that is NaN gives NaN.
    """
    targets = np.asarray(targets, dtype=float)
    never = np.where(np.isnan(targets), np.nan, np.inf)
    if not len(reached.evals):
        return never
    error, evals = np.log(reached.error[::-1]), np.log(reached.evals[::-1])
    at = np.exp(np.interp(np.log(targets), error, evals))
    return np.where(targets >= reached.error[-1], at, never)


def observed_order(records: pd.DataFrame) -> float:
    """Fit the slope of log rel_error against log evals over the median points; return minus it.

    Only errors below 1e-2 count, where the leading term rules. With fewer than three such points
    the result is NaN.
    """
    points = median_points(records)
    points = points[(points.rel_error < 1e-2) & (points.rel_error > 0)]
    if points.evals.nunique() < 3:
        return float("nan")
    return float(-np.polyfit(np.log(points.evals), np.log(points.rel_error), 1)[0])


def limit_table(reference: Reference) -> pd.DataFrame:
    """Return the quadrature limit of each sample where its error falls: sample, vjps, rel_error."""
    norms = np.linalg.norm(reference.gradient, axis=1)
    rows = []
    for sample, (curve, norm) in enumerate(zip(reference.limit.abs_error, norms, strict=True)):
        falls = np.flatnonzero(np.append(True, curve[1:] < curve[:-1]) & (curve > 0))
        rows += [(sample, int(reference.limit.vjps[k]), float(curve[k] / norm)) for k in falls]
    return pd.DataFrame(rows, columns=["sample", "vjps", "rel_error"])


def limit_at(limit: pd.DataFrame, targets: Array) -> Array:
    """Return the median sample's fewest vjps for each target (T,), not interpolated, or inf."""
    rows = []
    for _, curve in limit.groupby("sample"):
        reached = curve.rel_error.to_numpy()[:, None] <= np.asarray(targets)
        first = curve.vjps.to_numpy()[reached.argmax(axis=0)]
        rows.append(np.where(reached.any(axis=0), first, np.inf))
    return np.asarray(np.median(rows, axis=0))
