"""The digests of what a measurement depends on: code of an estimator, a system, a problem."""

import hashlib

from gradpareto.bench.plugins.plugin_estimator import PluginEstimator
from gradpareto.estimators import Estimator
from gradpareto.reference import cache_key
from gradpareto.systems import Array, Policy, Problem, System
from gradpareto.systems.code_digest import code_digest
from gradpareto.systems.description import describe


def estimator_code(estimator: Estimator) -> str | None:
    """Hash an estimator's code and its fields (SHA-256, in hexadecimal).

    Returns None if its source is in no file, as that of a notebook's cell is not.
    """
    if isinstance(estimator, PluginEstimator):
        return estimator.code
    try:
        return _joined(code_digest([estimator]), _fields(estimator))
    except TypeError:
        return None


def system_code(system: System, policy: Policy) -> str:
    """Hash a system and a policy, their values and their code (SHA-256, in hexadecimal)."""
    return _joined(code_digest([system, policy]), describe(system), describe(policy))


def problem_code(problem: Problem, x0: Array) -> str:
    """Hash a problem's own code, and all that its reference depends on (SHA-256, in hexadecimal).

    The reference of a simulator is that of the system which judges it. Raises what `cache_key`
    raises.
    """
    return _joined(system_code(problem.system, problem.policy), cache_key(problem, x0))


def _fields(estimator: Estimator) -> str:
    """Describe an estimator's fields; "" if one of them is of a type that is not known."""
    try:
        return describe(estimator)
    except TypeError:
        return ""


def _joined(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
