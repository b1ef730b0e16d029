"""The evidence on two estimators from their records: paired at errors that are fixed in advance."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gradpareto.bench.judge.evidence import Evidence, evidence
from gradpareto.bench.judge.frontier import FLOOR_FACTOR, at_floor, attained, attainment, comparable
from gradpareto.systems import Array

LADDER = np.logspace(-2, -12, 101)
"""The target errors: ten a decade."""


def paired_evidence(records: pd.DataFrame, new: str, baseline: str) -> Evidence:
    """Judge NEW against BASELINE on the samples of one problem that both were measured on.

    Raises ValueError if they have no sample in common.
    """
    records = comparable(records)
    parts = [records[records.estimator == name] for name in (new, baseline)]
    samples = sorted(set(parts[0]["sample"]) & set(parts[1]["sample"]))
    if not samples:
        raise ValueError(f"{new} and {baseline} were measured on no common sample")
    floors = reference_floors(records, samples)
    of_new, of_baseline = (evals_needed(part, samples, floors) for part in parts)
    return evidence(log_ratios(of_new, of_baseline))


def log_ratios(of_new: Array, of_baseline: Array) -> Array:
    """Return the log ratios (S, T) of evaluations, of which those that never arrive are inf.

    They are 0 where neither arrives, and NaN where either is unknown.
    """
    with np.errstate(invalid="ignore"):
        found = np.log(of_new) - np.log(of_baseline)
    return np.where(np.isinf(of_new) & np.isinf(of_baseline), 0.0, found)


def reference_floors(records: pd.DataFrame, samples: Sequence[int]) -> Array:
    """Return the relative errors (S,) below which a sample's reference decides nothing.

    They are the same for every estimator, and NaN for a sample without a measured error.
    """
    known = records[(records.abs_error > 0) & (records.rel_error > 0)]
    own = FLOOR_FACTOR * known.reference_uncertainty * known.rel_error / known.abs_error
    return own.groupby(known["sample"]).median().reindex(list(samples)).to_numpy(dtype=float)


def evals_needed(records: pd.DataFrame, samples: Sequence[int], floors: Array) -> Array:
    """Return the evaluations (S, T) that an estimator needs for each target error of the LADDER.

    They are inf where it never arrives, and NaN below the reference's floor. A point at the floor
    attains every target above it.
    """
    found = attained(attainment(records), samples, LADDER)
    floored = records[at_floor(records) & (records.evals > 0)]
    cheapest = floored.groupby("sample").evals.min().reindex(list(samples)).to_numpy(dtype=float)
    found = np.fmin(found, cheapest[:, None])
    return np.where(floors[:, None] <= LADDER, found, np.nan)
