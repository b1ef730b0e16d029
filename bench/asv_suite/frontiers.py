"""The frontier of each estimator on each problem, as numbers that are all better when lower."""

from importlib import import_module
from importlib.util import find_spec

PROBLEMS = [
    "lqr (perturbed)",
    "quadrotor (initial)",
    "quadrotor_smooth (trained)",
    "stiff (initial)",
    "cartpole (initial)",
    "electric (trained)",
]
ESTIMATORS = []
"""The estimators of today's checkout; a commit that lacks one shows n/a."""
NAMED = ["bptt", "ctpg", "neural_ode"]
"""The estimators of the paper, of which more than one number is followed."""
TIMED = ["lqr (perturbed)", "quadrotor (initial)"]


def of_commit(name, before=None):
    """Import a module of the commit that is measured; before `gradpareto` there was no package."""
    new = find_spec("gradpareto")
    return import_module(f"gradpareto.{name}" if new else before or name)


ESTIMATORS += of_commit("estimators").ESTIMATORS


def setup_cache():
    """Sweep once for the commit; the benchmarks look up its numbers."""
    return of_commit("bench.asv_metrics", "bench.tracked").measure_tracked()


setup_cache.timeout = 900


def metrics_of(found, problem, estimator):
    """Look up the numbers; asv shows n/a where there are none, and the reason in its log."""
    if (problem, estimator) not in found:
        raise NotImplementedError(f"this commit has no {estimator} on {problem}")
    return found[problem, estimator]


class Evaluations:
    """The evaluations that the median sample needs, for every estimator."""

    params = (PROBLEMS, ESTIMATORS)
    param_names = ("problem", "estimator")
    version = "2"

    def setup(self, found, problem, estimator):
        self.metrics = metrics_of(found, problem, estimator)
        if self.metrics["reason"]:
            raise NotImplementedError(f"{estimator} on {problem}: {self.metrics['reason']}")

    def track_evals_for_1e_6(self, found, problem, estimator):
        return self.metrics["evals_for_1e_6"]

    track_evals_for_1e_6.unit = "evaluations"
    track_evals_for_1e_6.pretty_name = "Evaluations for a relative error of 1e-6"


class Frontier:
    """Other deterministic numbers of the sweep, for the estimators of the paper."""

    params = (PROBLEMS, NAMED)
    param_names = ("problem", "estimator")
    version = "2"

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
    version = "2"
    rounds = 4
    repeat = (5, 20, 0.5)
    number = 1
    warmup_time = 0.1

    def setup(self, found, problem, estimator):
        self.setting = metrics_of(found, problem, estimator)["setting"]
        from threadpoolctl import threadpool_limits

        threadpool_limits(1)
        tracked = of_commit("bench.asv_metrics", "bench.tracked")
        self.problem, self.x0 = tracked.drawn_samples(problem)
        self.estimate = of_commit("estimators").ESTIMATORS[estimator]

    def time_gradient(self, found, problem, estimator):
        self.estimate(self.problem, self.x0, self.setting)

    time_gradient.pretty_name = "Time of a batch of gradients, at an error of 1e-4"
