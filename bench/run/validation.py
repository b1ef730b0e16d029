"""The check that an estimator returned an estimate, and its copy in arrays that do nothing else."""

from collections.abc import Mapping
from operator import index

import numpy as np

from gradpareto.bench.reasons import in_a_line
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


def taken(given: object, problem: Problem, x0: Array) -> tuple[Estimate | None, Status, str]:
    """Return what an estimator returned for x0 (B, state_dim) as an estimate of our own.

    Each part is read once, and copied into a plain array: a class of the estimator's own may answer
    otherwise the next time. Returns "ok" and no reason with it; or None, "shape" and the reason.
    """
    if not isinstance(given, Estimate):
        return None, "shape", f"returned {_kind(given)}, not an Estimate"
    try:
        failed, batch = _lanes_given_up(given.failed), len(x0)
        shapes = (batch,), x0.shape, (batch, problem.policy.size), (batch,)
        expected = zip(EXPECTED, shapes, strict=True)
        parts = {name: _plain(name, getattr(given, name), shape) for name, shape in expected}
        found = given.reconstructed
        if found is not None:
            found = _plain("reconstructed", found, x0.shape)
    except _Misshapen as error:
        return None, "shape", str(error)
    return Estimate(**parts, failed=failed, reconstructed=found), "ok", ""


class _Misshapen(Exception):  # noqa: N818
    """A part of an estimate is not what it should be; the message says how."""


def _plain(name: str, given: object, shape: tuple[int, ...]) -> Array:
    """Return a part of an estimate as a plain array. Raises _Misshapen."""
    if not isinstance(given, np.ndarray):
        raise _Misshapen(f"{name} is {_kind(given)}, not {shape}")
    array: Array = np.array(given, subok=False)
    if array.shape != shape:
        raise _Misshapen(f"{name} is {array.shape}, not {shape}")
    if array.dtype.kind not in "fi":
        raise _Misshapen(f"{name} has dtype {array.dtype}, not a real number's")
    return array


def _lanes_given_up(failed: object) -> dict[int, str]:
    """Return the lanes that were given up, each with its reason. Raises _Misshapen."""
    if not isinstance(failed, Mapping):
        raise _Misshapen(f"failed is {_kind(failed)}, not a mapping of lane to reason")
    try:
        return {index(lane): in_a_line(str(reason)) for lane, reason in failed.items()}
    except TypeError:
        raise _Misshapen("failed has a key that is not the number of a lane") from None


def _kind(given: object) -> str:
    return in_a_line(type(given).__name__)
