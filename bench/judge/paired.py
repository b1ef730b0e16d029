"""The evidence on two estimators from their records: paired at errors that are fixed in advance."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from gradpareto.bench.judge.evidence import (
    RULE,
    Answer,
    Evidence,
    Rule,
    critical_value,
    evidence,
    signs,
)
from gradpareto.bench.judge.frontier import FLOOR_FACTOR, at_floor, attained, attainment, comparable
from gradpareto.bench.judge.pairs import LOOSEST, ladder
from gradpareto.systems import Array

TIGHTEST = 1e-12
LADDER = ladder(LOOSEST, TIGHTEST)
"""The target errors, which are fixed in advance: ten a decade."""
MIRROR: Mapping[Answer, Answer] = {"dominates": "is dominated", "is dominated": "dominates"}
"""The answers that change if NEW and BASELINE change places, with what they change to."""


def paired_evidence(
    records: pd.DataFrame, new: str, baseline: str, errors: Array = LADDER, rule: Rule = RULE
) -> Evidence:
    """Judge NEW against BASELINE on the samples of one problem that both were measured on.

    The target errors (T,) go from loose to tight.
    Raises ValueError if they have no sample in common.
    """
    return evidence(paired_log_ratios(records, new, baseline, errors), rule)


def paired_log_ratios(
    records: pd.DataFrame, new: str, baseline: str, errors: Array = LADDER
) -> Array:
    """Return the log ratios (S, T) of two estimators' evaluations on their common samples.

    Raises ValueError if they have no sample in common.
    """
    records = comparable(records)
    parts = [records[records.estimator == name] for name in (new, baseline)]
    samples = sorted(set(parts[0]["sample"]) & set(parts[1]["sample"]))
    if not samples:
        raise ValueError(f"{new} and {baseline} were measured on no common sample")
    floors = reference_floors(records, samples)
    of_new, of_baseline = (evals_needed(part, samples, floors, errors) for part in parts)
    return log_ratios(of_new, of_baseline)


def family_evidence(
    records: pd.DataFrame, errors: Array = LADDER
) -> dict[tuple[str, str], tuple[Answer, Answer]]:
    """Return each ordered pair's answer on one problem: for the pair alone, and in the family.

    In the family, the critical value is that of all pairs and all targets together: at most ALPHA
    of all problems with equal estimators have a pair that is told apart. Pairs without a common
    sample are left out.
    """
    pairs, rule, together = all_pairs(records, errors), RULE, []
    for seen, ratios in pairs.values():
        whole = np.zeros((len(seen), len(errors)), np.int8)
        whole[seen] = signs(ratios, rule.edge)
        together.append(np.unique(whole, axis=1))
    critical = critical_value(np.concatenate(together, axis=1), rule.alpha) if together else np.inf
    found: dict[tuple[str, str], tuple[Answer, Answer]] = {}
    for (new, baseline), (_, ratios) in pairs.items():
        own = evidence(ratios).answer, evidence(ratios, critical=critical).answer
        found[new, baseline] = own
        found[baseline, new] = MIRROR.get(own[0], own[0]), MIRROR.get(own[1], own[1])
    return found


def all_pairs(
    records: pd.DataFrame, errors: Array = LADDER
) -> dict[tuple[str, str], tuple[Array, Array]]:
    """Return what each pair of one problem's estimators has in common, in one of its two orders.

    It is a mask (S,) of the samples of the problem that both were measured on, which are n, and
    their log ratios (n, T). Pairs without a common sample are left out.
    """
    records = comparable(records)
    samples = sorted(records["sample"].unique().tolist())
    floors = reference_floors(records, samples)
    groups = records.groupby("estimator", sort=False)
    parts = {str(name): part for name, part in groups}
    needed = {name: evals_needed(part, samples, floors, errors) for name, part in parts.items()}
    seen = {name: np.isin(samples, part["sample"].unique()) for name, part in parts.items()}
    both = {pair: seen[pair[0]] & seen[pair[1]] for pair in combinations(parts, 2)}
    return {
        (new, baseline): (of, log_ratios(needed[new], needed[baseline])[of])
        for (new, baseline), of in both.items()
        if of.any()
    }


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


def evals_needed(
    records: pd.DataFrame, samples: Sequence[int], floors: Array, errors: Array = LADDER
) -> Array:
    """Return the evaluations (S, T) that an estimator needs for each target error (T,).

    They are inf where it never arrives, and NaN below the reference's floor. A point at the floor
    attains every target above it.
    """
    found = attained(attainment(records), samples, errors)
    floored = records[at_floor(records) & (records.evals > 0)]
    cheapest = floored.groupby("sample").evals.min().reindex(list(samples)).to_numpy(dtype=float)
    found = np.fmin(found, cheapest[:, None])
    return np.where(floors[:, None] <= errors, found, np.nan)
