"""Compares records with those of the same cells, measured again: which numbers reproduce?"""

from collections.abc import Collection

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

There, a step that was accepted by a hair may be rejected, which changes counts and errors a little.
A bias may be anything below what its replicates resolve, and a reference's uncertainty is made of
roundings. Bytes follow the code, and are compared only where that is the run's.
"""
ALIKE = dict.fromkeys(BYTES, 0.05)
"""The largest relative difference on one processor with one set of versions.

Every other column is equal to the last bit there. The interpreter's own caches are among the bytes.
"""
SLACK = 8192
"""Bytes by which a cell may differ at any size: objects of the interpreter and of the meter."""
ROUNDING = 1e-11
"""A relative error that the roundings of many steps may make."""
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
    unranked = ~exact & _unranked(pairs)
    lanes = pairs.groupby(CELL_KEYS)["sample"].transform("size").to_numpy()
    simulated = pairs["system"].map(lambda name: TASKS[name].system.truth is not None).to_numpy()
    found = []
    for column, tolerance in TOLERANCES.items():
        before, after = pairs[column].to_numpy(), pairs[f"{column} again"].to_numpy()
        allowed = np.where(exact, ALIKE.get(column, 0.0), tolerance)
        bad = ~_within(before, after, allowed)
        if column in ERRORS:
            bad &= ~unranked
        if column in BYTES:
            bad &= (abs(before - after) * lanes > SLACK) & ~simulated
        values = {"recorded": before[bad], "found": after[bad], "allowed": allowed[bad]}
        found.append(pairs.loc[bad, KEYS].assign(column=column, **values).astype(object))
    return pd.concat(found).sort_values(KEYS, ignore_index=True, kind="stable")


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
