"""Calls of an estimator as the checks make them: guarded, and at a setting that is cheap."""

from gradpareto.bench.run.validation import copied
from gradpareto.estimators import Estimate, Estimator
from gradpareto.systems import Array, Problem


def call(estimator: Estimator, problem: Problem, x0: Array, setting: float) -> Estimate:
    """Call with inputs that are copies, and return a copy: only `inputs` checks for changes."""
    given = problem.with_theta(problem.theta.copy())
    return copied(estimator(given, x0.copy(), setting))


def coarse(estimator: Estimator, problem: Problem) -> float:
    """A setting at which a call is cheap."""
    if estimator.declares.knob == "step":
        return problem.horizon / 7
    tight = estimator.declares.tight
    return max(1e-5, tight) if estimator.declares.knob == "tolerance" else tight
