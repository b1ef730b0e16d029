"""The frontier of each estimator on each problem, as numbers that are all better when lower."""

from pathlib import Path

import pandas as pd
from threadpoolctl import threadpool_limits

from gradpareto.bench import asv_metrics
from gradpareto.bench.draw.highlights import ALWAYS
from gradpareto.estimators import ESTIMATORS

CHECKOUT = Path(__file__).resolve().parents[2]
FOLLOWED = pd.read_csv(CHECKOUT / "results" / "estimators" / "table.csv").estimator.tolist()
"""Today's estimators; asv needs the same list at each commit, which shows n/a if it lacks one."""
PROBLEMS = list(asv_metrics.PROBLEMS)
NAMED = list(ALWAYS)
"""The estimators of the paper, of which more than one number is followed."""
TIMED = ["lqr (perturbed)", "quadrotor (initial)"]


def setup_cache():
    """Try all estimators once for the commit; the benchmarks look up its numbers."""
    return asv_metrics.measure_tracked()


setup_cache.timeout = 1800


def metrics_of(found, problem, estimator):
    """Look up the numbers; asv shows n/a where there are none, and the reason in its log."""
    if (problem, estimator) not in found:
        raise NotImplementedError(f"this commit has no {estimator} on {problem}")
    return found[problem, estimator]


class Evaluations:
    """The evaluations that the median sample needs, for every estimator."""

    params = (PROBLEMS, FOLLOWED)
    param_names = ("problem", "estimator")
    version = "3"

    def setup(self, found, problem, estimator):
        self.metrics = metrics_of(found, problem, estimator)
        if self.metrics["reason"]:
            raise NotImplementedError(f"{estimator} on {problem}: {self.metrics['reason']}")

    def track_evals(self, found, problem, estimator):
        return self.metrics["evals"]

    track_evals.unit = "evaluations"
    track_evals.pretty_name = "Evaluations for an error of 1e-6, or 1e-3 on the cart-pole"


class Frontier:
    """Other deterministic numbers of the sweep, for the estimators of the paper."""

    params = (PROBLEMS, NAMED)
    param_names = ("problem", "estimator")
    version = "3"

    def setup(self, found, problem, estimator):
        self.metrics = metrics_of(found, problem, estimator)

    def track_error_floor(self, found, problem, estimator):
        return self.metrics["error_floor"]

    def track_stored_bytes(self, found, problem, estimator):
        return self.metrics["stored_bytes"]

    track_error_floor.unit = "relative error"
    track_error_floor.pretty_name = "Smallest relative error"
    track_stored_bytes.unit = "bytes"
    track_stored_bytes.pretty_name = "Bytes that a sample stores, at an error of 1e-4"


class Time:
    """A gradient of the sweep's samples at a setting near an error of 1e-4, on one thread."""

    params = (TIMED, NAMED)
    param_names = ("problem", "estimator")
    version = "3"
    rounds = 4
    repeat = (5, 20, 0.5)
    number = 1
    warmup_time = 0.1

    def setup(self, found, problem, estimator):
        self.setting = metrics_of(found, problem, estimator)["setting"]
        threadpool_limits(1)
        self.problem, self.x0 = asv_metrics.drawn_samples(problem)
        self.estimate = ESTIMATORS[estimator]

    def time_gradient(self, found, problem, estimator):
        self.estimate(self.problem, self.x0, self.setting)

    time_gradient.pretty_name = "Time of a batch of gradients, at an error of 1e-4"
