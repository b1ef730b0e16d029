"""The frontier of each estimator on each system, as numbers that are all better when lower."""

from importlib import import_module
from importlib.util import find_spec

import numpy as np

SYSTEMS = ["lqr", "differential_drive", "quadrotor"]
ESTIMATORS = [
    "bptt",
    "bptt-rk4",
    "bptt-dop853",
    "bptt-adaptive-dop853",
    "gauss_legendre-4",
    "revolve-rk4",
    "ctpg",
    "ctpg-dop853",
    "multistep_adjoint",
    "neural_ode",
    "neural_ode-checkpointed",
    "finite_difference",
]


def of_commit(name, before=None):
    """Import a module of the commit that is measured; before `gradpareto` there was no package."""
    new = find_spec("gradpareto")
    return import_module(f"gradpareto.{name}" if new else before or name)


def setup_cache():
    """Sweep once for the commit; the benchmarks look up its numbers."""
    return of_commit("bench.asv_metrics", "bench.tracked").measure_tracked()


setup_cache.timeout = 900


def metrics_of(found, system, estimator):
    """Look up the numbers; asv shows n/a where the commit has no such estimator or system."""
    if (system, estimator) not in found:
        raise NotImplementedError(f"this commit has no {estimator} on {system}")
    return found[system, estimator]


class Frontier:
    """Deterministic numbers of the sweep."""

    params = (SYSTEMS, ESTIMATORS)
    param_names = ("system", "estimator")
    version = "1"

    def setup(self, found, system, estimator):
        self.metrics = metrics_of(found, system, estimator)

    def track_evals_to_1e_2(self, found, system, estimator):
        return self.metrics["evals_to_1e_2"]

    def track_evals_to_1e_4(self, found, system, estimator):
        return self.metrics["evals_to_1e_4"]

    def track_evals_to_1e_6(self, found, system, estimator):
        return self.metrics["evals_to_1e_6"]

    def track_error_floor(self, found, system, estimator):
        return self.metrics["error_floor"]

    def track_stored_bytes(self, found, system, estimator):
        return self.metrics["stored_bytes"]

    def track_peak_bytes(self, found, system, estimator):
        return self.metrics["peak_bytes"]

    def track_epsilon_vs_bptt(self, found, system, estimator):
        return self.metrics["epsilon_vs_bptt"]

    track_evals_to_1e_2.unit = track_evals_to_1e_4.unit = track_evals_to_1e_6.unit = "evals"
    track_error_floor.unit = "relative error"
    track_stored_bytes.unit = track_peak_bytes.unit = "bytes a sample"
    track_epsilon_vs_bptt.unit = "factor"


class Time:
    """A gradient of the sweep's samples at a setting near an error of 1e-4, on one thread."""

    params = (SYSTEMS, ESTIMATORS)
    param_names = ("system", "estimator")
    version = "1"
    rounds = 1
    repeat = (2, 5, 0.3)
    number = 1
    warmup_time = 0.0

    def setup(self, found, system, estimator):
        self.setting = metrics_of(found, system, estimator)["setting"]
        from threadpoolctl import threadpool_limits

        threadpool_limits(1)
        tracked = of_commit("bench.asv_metrics", "bench.tracked")
        task = of_commit("systems").TASKS[system]
        self.problem = task.problem(tracked.PROBLEMS[system])
        samples = 1 if estimator == "finite_difference" else tracked.SAMPLES
        self.problem, self.x0 = self.problem.sample(np.random.default_rng(0), samples)
        self.estimate = of_commit("estimators").ESTIMATORS[estimator]

    def time_gradient(self, found, system, estimator):
        self.estimate(self.problem, self.x0, self.setting)
