"""A setting that was tried on samples: the median error, the evaluations, and the failures."""

from dataclasses import dataclass, field
from time import perf_counter

import numpy as np

from gradpareto.bench.run.attempt import attempt
from gradpareto.bench.run.samples import Samples
from gradpareto.estimators import Estimator


@dataclass(frozen=True)
class Tried:
    """A setting that was tried: the median error and evaluations of a sample, and its failures.

    The error is inf where at least half of the samples failed. `reason` is why all failed, or "".
    The `seconds` that it took are not part of what is compared.
    """

    setting: float
    rel_error: float
    evals: float
    failures: int
    reason: str = ""
    seconds: float = field(default=0.0, compare=False)


def try_setting(estimator: Estimator, samples: Samples, setting: float, most_evals: float) -> Tried:
    """Take the gradients of all samples in one batch; each may take `most_evals` evaluations."""
    start = perf_counter()
    with np.errstate(all="ignore"):
        found = attempt(estimator, samples.problem, samples.x0, setting, allowance=most_evals)
    seconds = perf_counter() - start
    evals = float(np.median(found.meter.evals))
    if found.estimate is None:
        return Tried(setting, np.inf, evals, len(samples.x0), found.reason, seconds)
    gradient = found.estimate.gradient
    finite = np.asarray(np.isfinite(gradient).all(axis=1))
    finite[list(found.estimate.failed)] = False
    missed = np.linalg.norm(gradient - samples.gradient, axis=1)
    errors = np.where(finite, missed / np.linalg.norm(samples.gradient, axis=1), np.inf)
    return Tried(setting, float(np.median(errors)), evals, int((~finite).sum()), "", seconds)
