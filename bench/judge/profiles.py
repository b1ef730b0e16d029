"""Profiles over many problems: how often an estimator is within a factor of the best, or there.

A performance profile (Dolan and More 2002, Math. Program. 91:201) has, for each factor, the share
of problems and target errors at which an estimator needs at most that many times the evaluations of
the best one. A runtime distribution (as COCO draws it; Hansen et al. 2021, Optim. Methods Softw.
36:114) has, for each number of evaluations, the share of samples and target errors that are reached
within it. Bands draw whole systems anew, since presets of one system are not independent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gradpareto.bench.judge.frontier import comparable
from gradpareto.bench.judge.medians import median_known
from gradpareto.bench.judge.paired import evals_needed, reference_floors
from gradpareto.systems import Array

TARGETS = np.array([float(f"1e-{decade}") for decade in range(2, 11)])
"""The target errors, one a decade."""
FACTORS = np.geomspace(1, 100, 61)
EVALS = np.geomspace(1, 1e5, 101)
DRAWN = 1000


@dataclass(frozen=True)
class Profile:
    """A share (K,) for each place on the axis (K,), with the ends of its 95 % band (K,)."""

    at: Array
    share: Array
    low: Array
    high: Array

    @property
    def area(self) -> float:
        """The mean share over the axis, by which profiles are ordered."""
        return float(self.share.mean())


@dataclass(frozen=True)
class Needed:
    """The evaluations (S, T) that each estimator needs on one problem, NaN where not known.

    An estimator that was not measured on a problem needs infinitely many.
    """

    system: str
    theta: str
    evals: dict[str, Array]


def needed(records: pd.DataFrame) -> list[Needed]:
    """Return what estimators need for TARGETS on each problem of the records."""
    found = []
    for (system, theta), own in comparable(records).groupby(["system", "theta"]):
        samples = sorted(own["sample"].unique().tolist())
        floors = reference_floors(own, samples)
        evals = {
            str(name): evals_needed(part, samples, floors, TARGETS)
            for name, part in own.groupby("estimator")
        }
        found.append(Needed(str(system), str(theta), evals))
    return found


def performance_profiles(problems: Sequence[Needed]) -> dict[str, Profile]:
    """Return each estimator's shares of problems and targets, by FACTORS of the best's median.

    A target that nobody reaches counts for none.
    """
    within: dict[str, list[Array]] = {}
    for problem in problems:
        medians = {name: median_known(evals.T) for name, evals in problem.evals.items()}
        best = np.fmin.reduce([*medians.values(), np.full(len(TARGETS), np.inf)])
        reached = np.isfinite(best)
        for name in _names(problems):
            own = medians.get(name, np.full(len(TARGETS), np.inf))[reached]
            ratio = np.nan_to_num(own / best[reached], nan=np.inf)
            within.setdefault(name, []).append(ratio[:, None] <= FACTORS * (1 + 1e-12))
    return _profiles(within, problems, FACTORS)


def runtime_distributions(problems: Sequence[Needed]) -> dict[str, Profile]:
    """Return each estimator's shares of samples and targets that EVALS reach.

    Targets that the reference cannot tell are left out, and so are samples that an estimator was
    not measured on.
    """
    there: dict[str, list[Array]] = {}
    for problem in problems:
        shape = next(iter(problem.evals.values())).shape
        known = ~np.isnan(np.fmin.reduce(list(problem.evals.values())))
        for name in _names(problems):
            own = problem.evals.get(name, np.full(shape, np.inf))[known]
            own = own[~np.isnan(own)]
            shares = (own[:, None] <= EVALS).mean(axis=0) if len(own) else None
            there.setdefault(name, []).append(
                np.empty((0, len(EVALS))) if shares is None else shares[None]
            )
    return _profiles(there, problems, EVALS)


def _names(problems: Sequence[Needed]) -> list[str]:
    return list(dict.fromkeys(name for problem in problems for name in problem.evals))


def _profiles(
    hits: dict[str, list[Array]], problems: Sequence[Needed], at: Array
) -> dict[str, Profile]:
    """Return profiles from each problem's hits (N, K), with bands by a bootstrap over systems."""
    systems = list(dict.fromkeys(problem.system for problem in problems))
    place = [systems.index(problem.system) for problem in problems]
    drawn = np.random.default_rng(0).integers(0, len(systems), (DRAWN, len(systems)))
    found = {}
    for name, parts in hits.items():
        sums, counts = np.zeros((len(systems), len(at))), np.zeros(len(systems))
        for system, part in zip(place, parts, strict=True):
            sums[system] += part.sum(axis=0)
            counts[system] += len(part)
        with np.errstate(invalid="ignore"):
            shares = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)[:, None]
        low, high = np.nanpercentile(shares, [2.5, 97.5], axis=0)
        found[name] = Profile(at, sums.sum(axis=0) / max(counts.sum(), 1), low, high)
    return dict(sorted(found.items(), key=lambda pair: -pair[1].area))
