"""The arithmetic of frontiers: pure functions of records.

There are two axes throughout, evals and rel_error, and on both lower is better. An estimator's
records on one sample, in the order of its settings, become a `Curve` by these rules:

- A record that failed, or whose error is above NO_ESTIMATE, is no point of the curve. It breaks the
  curve: the points before and after it are not joined.
- A record whose error is at the reference's floor is left out, as if it had not been measured.
- Every other record is an estimate and a point of the curve. It is joined to the next point by a
  straight line in the logarithms of both axes, unless a break lies between them.

The evaluations for a target error are the fewest at which the curve is at or below the target.
Between two points with a break between them they are therefore those of the tighter point: a step.
A point that another one dominates is an estimate, so it breaks nothing; the curve passes through
it, and no line is drawn past it between its neighbours, since no setting lies on such a line. It
follows that a record that turns into a failure never makes a number smaller: points and lines are
taken away, and none is added.

A point is nondominated if no other point is at least as low on both axes and lower on one, and a
`Front` is the list of the nondominated points. The medians over samples have a curve and a front as
one sample has. An `Attainment` holds the curves of one estimator on one problem, one for each
sample. A sample whose true gradient is zero has no relative error, and belongs to none of this.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import moocore
import numpy as np
import pandas as pd

from gradpareto.bench.judge.medians import grouped_medians
from gradpareto.bench.store.record import SILENT
from gradpareto.reference import Reference
from gradpareto.systems import Array

FLOOR_FACTOR = 10.0
"""Errors below this multiple of the reference's uncertainty decide nothing."""

NO_ESTIMATE = 1.0
"""A relative error above this, as an unstable step's, is no estimate: what lies between it and the
next setting is a cliff, and nothing is interpolated across it."""

ORDER_BELOW = 1e-2
"""The observed order is that of errors below this, where the leading term rules."""

MEDIANS = [
    "evals",
    "rel_error",
    "stored_bytes",
    "peak_bytes",
    "wall_ratio",
    "wall_ratio_spread",
]


@dataclass(frozen=True)
class Front:
    """Nondominated points in the order of falling error (K,), along which evals (K,) rise."""

    evals: Array
    error: Array


@dataclass(frozen=True)
class Curve:
    """Points (K,) in the order of their settings; `joined` (K - 1,) tells where a line joins two.

    `evals` holds evaluations, or another cost; it and `error` are above zero.
    """

    evals: Array
    error: Array
    joined: Array

    @property
    def front(self) -> Front:
        """The nondominated points."""
        return front(self.evals, self.error)


def weighted(records: pd.DataFrame, weight: float = 1.0) -> pd.DataFrame:
    """Add evals = f_evals + weight * (vjp_evals + jvp_evals + jac_evals) to the records."""
    products = records.vjp_evals + records.jvp_evals + records.jac_evals
    return records.assign(evals=records.f_evals + weight * products)


def comparable(records: pd.DataFrame) -> pd.DataFrame:
    """Leave out the samples that decide nothing, of which every estimator's record says so.

    Their true gradient is zero, so that no error is relative to it, or it is not certified. The
    records may be of several problems.
    """
    silent = records.status.isin(SILENT).to_numpy()
    if not silent.any():
        return records
    sample = pd.MultiIndex.from_frame(records[["system", "theta", "sample"]])
    return records[~sample.isin(sample[silent])]


def _finished(records: pd.DataFrame) -> Array:
    """Tell of each record (N,) whether it is an estimate's."""
    return np.asarray(records.status.to_numpy() == "ok")


def at_floor(records: pd.DataFrame) -> pd.Series:
    """Tell of each record whether it is at the reference's floor, and so decides nothing.

    An error of exactly zero always is, even where the reference is exact, and so is the record of
    an estimator that called nothing.
    """
    columns = ("abs_error", "reference_uncertainty", "evals")
    below = below_floor(*(records[name].to_numpy(dtype=float) for name in columns))
    return pd.Series(_finished(records) & below, records.index)


def below_floor(abs_error: Array, uncertainty: Array, evals: Array) -> Array:
    """Tell which errors (K,) decide nothing, beside the uncertainties of their references."""
    above = (abs_error >= FLOOR_FACTOR * uncertainty) & (abs_error > 0) & (evals > 0)
    return np.asarray(~above)


def deciding(records: pd.DataFrame) -> pd.DataFrame:
    """Return the records that may decide a comparison: not failed, and above the floor."""
    return records[(records.status == "ok") & ~at_floor(records)]


def front(evals: Array, error: Array) -> Front:
    """Return the nondominated points among some (K,), without duplicates."""
    evals, error = np.asarray(evals, dtype=float), np.asarray(error, dtype=float)
    if not len(evals):
        return Front(evals, error)
    kept = moocore.is_nondominated(np.column_stack([evals, error]))
    order = np.argsort(evals[kept], kind="stable")
    return Front(evals[kept][order], error[kept][order])


def curve(setting: Array, cost: Array, error: Array) -> Curve:
    """Return the curve of points (K,) of different settings, without those at the floor.

    An error that is infinite or NaN is a failure's. A point whose cost is not known is left out.
    """
    order = np.argsort(-setting, kind="stable")
    order = order[(cost[order] > 0) | ~(error[order] <= NO_ESTIMATE)]
    places = np.flatnonzero(error[order] <= NO_ESTIMATE)
    estimates = order[places]
    return Curve(cost[estimates], error[estimates], np.diff(places) == 1)


@dataclass(frozen=True)
class Attainment:
    """The curves that one estimator attains on one problem, by the sample it was measured on.

    In samples that are `floored`, it also has points at the reference's floor. The evaluations that
    it needs for an error tighter than all of the curve's are then unknown, not infinite.
    """

    curves: Mapping[int, Curve]
    floored: frozenset[int]

    @property
    def only_floored(self) -> bool:
        """Tell whether it has points at the floor, and no others on any sample."""
        return bool(self.floored) and not any(len(own.evals) for own in self.curves.values())


def attainment(records: pd.DataFrame) -> Attainment:
    """Compute an estimator's attainment from all its records on a problem, failures included."""
    records = comparable(records)
    floor, sample = at_floor(records).to_numpy(), records["sample"].to_numpy()
    error = np.where(_finished(records), records.rel_error.to_numpy(dtype=float), np.nan)
    setting, evals = records.setting.to_numpy(), records.evals.to_numpy(dtype=float)
    curves = {}
    for own in np.unique(sample).tolist():
        of = (sample == own) & ~floor
        curves[own] = curve(setting[of], evals[of], error[of])
    return Attainment(curves, frozenset(sample[floor].tolist()))


def attained(reached: Attainment, samples: Sequence[int], targets: Array) -> Array:
    """Return the evaluations (len(samples), ...) that an estimator needs for target errors (...).

    They are inf for a target that is never reached, and NaN where that is not known: below the
    floor, in a sample that was not measured, and for a target that is NaN.
    """
    evals = np.full((len(samples), *np.shape(targets)), np.nan)
    for row, sample in zip(evals, samples, strict=True):
        if sample in reached.curves:
            found = evals_at(reached.curves[sample], targets)
            unknown = np.isinf(found) & (sample in reached.floored)
            row[...] = np.where(unknown, np.nan, found)
    return evals


def median_points(records: pd.DataFrame) -> pd.DataFrame:
    """Compute the medians over samples of MEDIANS, in one row for each setting.

    The error of a sample that failed counts as infinite, so that a failure never makes a median
    error smaller; its other columns are not known. Settings at which at most half of the samples
    are among the records are left out.
    """
    finished = _finished(records)
    columns = [records[name].to_numpy(dtype=float) for name in MEDIANS]
    known = np.where(finished, columns, np.nan)
    known[MEDIANS.index("rel_error"), ~finished] = np.inf
    settings, sizes, medians = grouped_medians(records.setting.to_numpy(), known)
    by_name = dict(zip(MEDIANS, medians, strict=True))
    points = pd.DataFrame(by_name, pd.Index(settings, name="setting"))
    return points[sizes > len(np.unique(records["sample"])) / 2]


def median_curve(records: pd.DataFrame, cost: str = "evals") -> Curve:
    """Return the curve of the medians of all of an estimator's records on a problem.

    `cost` is one of MEDIANS.
    """
    needed = records[[*MEDIANS, "status", "setting", "sample"]]
    points = median_points(needed[~at_floor(records)])
    columns = (points.index, points[cost], points.rel_error)
    return curve(*(column.to_numpy(dtype=float) for column in columns))


def evals_at(reached: Curve, targets: Array) -> Array:
    """Return the fewest evaluations (...) at which a curve is at or below target errors (...).

    They are inf where it never is, and NaN for a target that is NaN. Between a point and one whose
    error is exactly zero nothing is interpolated, since a logarithm has no place for that one.
    """
    targets = np.asarray(targets, dtype=float)
    flat = targets.ravel()[:, None]
    at_points = np.where(reached.error <= flat, reached.evals, np.inf).min(axis=1, initial=np.inf)
    evals, error = (
        np.column_stack([values[:-1], values[1:]])[reached.joined]
        for values in (reached.evals, reached.error)
    )
    (loose, tight), (start, end) = (
        np.take_along_axis(values, np.argsort(-error, axis=1), axis=1).T
        for values in (error, evals)
    )
    line, crossed = np.nonzero(((tight > 0) & (tight <= flat) & (flat < loose)).T)
    low, high, wanted = (np.log(one) for one in (tight[line], loose[line], flat[crossed, 0]))
    share = (wanted - low) / (high - low)
    np.minimum.at(at_points, crossed, end[line] * (start[line] / end[line]) ** share)
    return np.where(np.isnan(targets), np.nan, at_points.reshape(targets.shape))


def observed_order(records: pd.DataFrame) -> float:
    """Fit the slope of log rel_error against log evals over the median curve; return minus it.

    Only errors below ORDER_BELOW count, on the longest part of the curve without a break. With
    fewer than three such points the result is NaN.
    """
    medians = median_curve(records)
    parts = np.cumsum(np.append(0, ~medians.joined))[: len(medians.error)]
    small = medians.error < ORDER_BELOW
    longest = small & (parts == np.bincount(parts[small], minlength=1).argmax())
    evals, error = medians.evals[longest], medians.error[longest]
    if len(np.unique(evals)) < 3:
        return float("nan")
    return float(-np.polyfit(np.log(evals), np.log(error), 1)[0])


def limit_table(reference: Reference) -> pd.DataFrame:
    """Return the quadrature limit of each sample where its error falls: sample, vjps, rel_error.

    A sample whose true gradient is zero, or not known, has no relative error and no row.
    """
    norms = np.linalg.norm(reference.gradient, axis=1)
    rows = []
    for sample, (curve, norm) in enumerate(zip(reference.limit.abs_error, norms, strict=True)):
        if reference.zero[sample] or not norm > 0:
            continue
        falls = np.flatnonzero(np.append(True, curve[1:] < curve[:-1]) & (curve > 0))
        rows += [(sample, int(reference.limit.vjps[k]), float(curve[k] / norm)) for k in falls]
    return pd.DataFrame(rows, columns=["sample", "vjps", "rel_error"])


def limit_at(limit: pd.DataFrame, targets: Array) -> Array:
    """Return the median sample's fewest vjps for each target (T,), not interpolated, or inf.

    They are NaN where no sample has a limit.
    """
    rows = [] if len(limit) else [np.full(np.shape(targets), np.nan)]
    for _, curve in limit.groupby("sample"):
        reached = curve.rel_error.to_numpy()[:, None] <= np.asarray(targets)
        first = curve.vjps.to_numpy()[reached.argmax(axis=0)]
        rows.append(np.where(reached.any(axis=0), first, np.inf))
    return np.asarray(np.median(rows, axis=0))
