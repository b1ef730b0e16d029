"""Compares records with those of the same cells, measured again: which numbers reproduce?"""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gradpareto.bench.store.record import CELL_KEYS, COUNTS
from gradpareto.estimators import ESTIMATORS
from gradpareto.systems import TASKS, Array

KEYS = [*CELL_KEYS, "sample"]
ERRORS = ("abs_error", "rel_error", "abs_error_x0", "abs_error_theta", "deviation")
BYTES = ("stored_bytes", "peak_bytes")
TOLERANCES = {
    "knob": 0.0,
    "status": 0.0,
    **dict.fromkeys((*COUNTS, "evals", "steps"), 0.02),
    "loss": 1e-6,
    **dict.fromkeys(ERRORS, 0.2),
    "bias": np.inf,
    "reference_uncertainty": np.inf,
    **dict.fromkeys(BYTES, np.inf),
}
"""The largest relative difference of each column on another processor or with other versions.

There, a step that was accepted by a hair may be rejected, which changes counts and errors a little
(where it changes them much, `beyond_roundings` decides). A bias may be anything below what its
replicates resolve, and a reference's uncertainty is made of roundings. Bytes follow the code, and
are compared only where that is the run's.
"""
ALIKE = dict.fromkeys(BYTES, 0.05)
"""The largest relative difference on one processor with one set of versions.

Every other column is equal to the last bit there. The interpreter's own caches are among the bytes.
"""
SLACK = 2**14
"""Bytes by which a cell may differ at any size: objects of the interpreter and of the meter. Those
that the interpreter has freed before, and keeps, are not allocated again: a collection of garbage,
which lets go of them, raised the peak of `neural_ode-checkpointed` on the LQR by 13.6 kB."""
ROUNDING = 1e-11
"""A relative error that the roundings of many steps may make."""
OUTLYING = 0.125
"""The share of the samples of a cell that depends on roundings that may lie beyond their range."""
UNRANKED = 10.0
"""Errors are not compared below this many times what the reference, the floor that the estimator
declares, and rounding leave: nothing is ranked there, and every machine has its own."""


def differences(
    records: pd.DataFrame, again: pd.DataFrame, alike: Collection[tuple[str, str, str, float]]
) -> pd.DataFrame:
    """Find the numbers of records that do not reproduce in those that were measured `again`.

    Only samples that are in both are compared. The cells in `alike`, given by the values of their
    CELL_KEYS, are compared to the last bit. The table has a row for each number that does not
    reproduce: KEYS, `column`, the value `recorded`, the value `found`, and the largest relative
    difference `allowed`. Bytes are not compared on a system over a simulator, which allocates
    objects of its own as it likes.
    """
    pairs = records.merge(again, on=KEYS, suffixes=("", " again"))
    keys = pairs[CELL_KEYS].itertuples(index=False, name=None)
    exact = np.array([key in alike for key in keys], dtype=bool)
    unranked = _unranked(pairs)
    lanes = pairs.groupby(CELL_KEYS)["sample"].transform("size").to_numpy()
    simulated = pairs["system"].map(lambda name: TASKS[name].system.truth is not None).to_numpy()
    found = []
    for column, tolerance in TOLERANCES.items():
        before, after = pairs[column].to_numpy(), pairs[f"{column} again"].to_numpy()
        allowed = np.where(exact, ALIKE.get(column, 0.0), tolerance)
        bad = ~_within(before, after, allowed)
        if column in ERRORS:
            bad &= exact | ~(unranked | _of_rounding(pairs, column))
        if column in BYTES:
            bad &= (abs(before - after) * lanes > SLACK) & ~simulated
        values = {"recorded": before[bad], "found": after[bad], "allowed": allowed[bad]}
        found.append(pairs.loc[bad, KEYS].assign(column=column, **values).astype(object))
    return pd.concat(found).sort_values(KEYS, ignore_index=True, kind="stable")


def beyond_roundings(
    table: pd.DataFrame, records: pd.DataFrame, moved: Sequence[pd.DataFrame]
) -> pd.DataFrame:
    """Return the rows of a table of differences from `records` that roundings do not make.

    A controller of steps that errs, a kink, or a trajectory that amplifies roundings gives other
    numbers on every machine. So cells were measured from initial states that are `moved` by
    roundings, too. A recorded value is such as roundings make if it lies within the range of the
    values found, or beyond it by no more than the range's own width, in logarithms where all are
    positive; a status, if it was found. An OUTLYING share of a cell's samples may lie elsewhere:
    those within twice the tolerance, and as many others as roundings move. Cells that were not
    measured so keep their rows.
    """
    if not moved:
        return table
    values = pd.concat([records, *moved]).groupby(KEYS)
    samples = moved[0].groupby(CELL_KEYS).size()
    tables = pd.concat([differences(records, one, ()) for one in moved])
    moving = tables.groupby(CELL_KEYS)["sample"].nunique()
    left = []
    for key, rows in table.groupby(CELL_KEYS, sort=False):
        reached = [key in samples and _reached(values, row) for row in rows.itertuples(index=False)]
        beyond = rows[~np.array(reached)]
        nearly = [_nearly(row) for row in beyond.itertuples(index=False)]
        far = beyond[~np.array(nearly, dtype=bool)]
        many = beyond["sample"].nunique() > OUTLYING * samples.get(key, 0)
        if many or far["sample"].nunique() > moving.get(key, 0):
            left.append(beyond)
    return pd.concat(left, ignore_index=True) if left else table[:0]


def _reached(values: Any, row: Any) -> bool:
    """Tell whether a row's recorded value is among, between or near to those found, by KEYS."""
    found, recorded = values.get_group(row[: len(KEYS)])[row.column], row.recorded
    if isinstance(recorded, str) or pd.isna(recorded):
        return bool((found == recorded).any() or (pd.isna(recorded) and found.isna().any()))
    numbers = np.append(found.dropna().to_numpy(dtype=float), recorded)
    *near, value = np.log(numbers) if (numbers > 0).all() else numbers
    low, high = min(near, default=np.nan), max(near, default=np.nan)
    return bool(2 * low - high <= value <= 2 * high - low)


def _nearly(row: Any) -> bool:
    """Tell whether a row's two values differ by no more than twice what is allowed."""
    if isinstance(row.recorded, str):
        return False
    largest = max(abs(row.recorded), abs(row.found))
    return bool(abs(row.recorded - row.found) <= 2 * row.allowed * largest)


def _within(before: Array, after: Array, allowed: Array) -> Array:
    """Tell which pairs (R,) of texts or numbers are equal, both NaN, or as near as is allowed."""
    if before.dtype.kind not in "fiu":
        return np.asarray(before == after)
    same = (before == after) | (np.isnan(before) & np.isnan(after))
    size = np.maximum(abs(before), abs(after))
    with np.errstate(invalid="ignore"):
        near = (abs(before - after) <= allowed * size) | np.isinf(allowed)
    return np.asarray(same | near)


def _unranked(pairs: pd.DataFrame) -> Array:
    """Tell which pairs (R,) have relative errors that are too small to be compared, both of them.

    The error of one block may be small where the other's is not, and is then the better part of
    nothing: it is the stacked gradient's error that decides for all.
    """
    floors = {name: ESTIMATORS[name].declares.floor for name in pairs["estimator"].unique()}
    size = pairs["abs_error"] / pairs["rel_error"]
    least = np.maximum(pairs["reference_uncertainty"] / size, pairs["estimator"].map(floors))
    largest = np.maximum(pairs["rel_error"], pairs["rel_error again"])
    return np.asarray(largest <= UNRANKED * np.maximum(least, ROUNDING))


def _of_rounding(pairs: pd.DataFrame, column: str) -> Array:
    """Tell of which pairs (R,) both absolute errors in a column are roundings of the gradient."""
    if not column.startswith("abs_error"):
        return np.zeros(len(pairs), dtype=bool)
    size = pairs["abs_error"] / pairs["rel_error"]
    largest = np.maximum(pairs[column], pairs[f"{column} again"])
    return np.asarray(largest <= UNRANKED * ROUNDING * size)
