"""The check that an estimator returned an estimate, and a copy of it."""

from collections.abc import Mapping

import numpy as np

from gradpareto.bench.store.record import Status
from gradpareto.estimators import Estimate
from gradpareto.systems import Array, Problem

EXPECTED = ("loss", "grad_x0", "grad_theta", "steps")
"""The parts that an estimate has for every sample."""


def copied(estimate: Estimate) -> Estimate:
    """Return a copy of the estimate, in arrays of its own."""
    loss, grad_x0, grad_theta, steps = (np.array(getattr(estimate, name)) for name in EXPECTED)
    found = None if estimate.reconstructed is None else np.array(estimate.reconstructed)
    return Estimate(loss, grad_x0, grad_theta, steps, dict(estimate.failed), found)


def validate(estimate: object, problem: Problem, x0: Array) -> tuple[Status, str]:
    """Check that an estimator returned an Estimate of the right shapes and types.

    Return "ok" and no reason, or "shape" and the reason.
    """
    if not isinstance(estimate, Estimate):
        return "shape", f"returned {type(estimate).__name__}, not an Estimate"
    batch = len(x0)
    shapes = (batch,), x0.shape, (batch, problem.policy.size), (batch,)
    expected = dict(zip(EXPECTED, shapes, strict=True))
    if estimate.reconstructed is not None:
        expected["reconstructed"] = x0.shape
    failed: object = estimate.failed
    if not isinstance(failed, Mapping):
        return (
            "shape",
            f"failed is {type(estimate.failed).__name__}, not a mapping of lane to reason",
        )
    for name, shape in expected.items():
        value = getattr(estimate, name)
        if not isinstance(value, np.ndarray) or value.shape != shape:
            return (
                "shape",
                f"{name} is {getattr(value, 'shape', type(value).__name__)}, not {shape}",
            )
        if value.dtype.kind not in "fi":
            return "shape", f"{name} has dtype {value.dtype}, not a real number's"
    return "ok", ""
