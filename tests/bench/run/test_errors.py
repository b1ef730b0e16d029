"""Errors of gradients that are zero, exact, huge or tiny: whatever they are, they are records."""

import warnings
from dataclasses import dataclass

import numpy as np
import pytest

from gradpareto.bench.run.errors import with_errors
from gradpareto.bench.run.unmeasured import blank_record
from gradpareto.bench.store.record import SUCCESSES, Cell, Record
from gradpareto.estimators import ESTIMATORS, Estimate

CELL = Cell("lqr", "optimal", "bptt", 0.1, 1)
TRUTH = np.array([3.0, 0.0, 4.0])
"""A gradient (dL/dx0, dL/dtheta) of norm 5, with one state and two parameters."""


@dataclass(frozen=True)
class Truth:
    """The part of a reference that errors are taken against."""

    gradient: np.ndarray

    @property
    def grad_x0(self) -> np.ndarray:
        return self.gradient[:, :1]

    @property
    def zero(self) -> np.ndarray:
        return ~self.gradient.any(axis=1)

    @property
    def grad_theta(self) -> np.ndarray:
        return self.gradient[:, 1:]


def estimate(gradient: np.ndarray, **known: object) -> Estimate:
    gradient = np.asarray(gradient, dtype=float)[None]
    return Estimate(np.ones(1), gradient[:, :1], gradient[:, 1:], np.ones(1, int), **known)  # type: ignore[arg-type]


def judged(*gradients: np.ndarray, truth: np.ndarray = TRUTH) -> Record:
    """The record of estimates, which are replicates if there are several; no warning is let by."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimates = [estimate(gradient) for gradient in gradients]
        blank = blank_record(CELL, ESTIMATORS["bptt"], 0)
        return with_errors(blank, estimates, Truth(truth[None]), 0)  # type: ignore[arg-type]


def test_errors_are_norms() -> None:
    one = judged(TRUTH + np.array([0.0, 3e-3, 4e-3]))
    assert (one.status, one.reason) == ("ok", "")
    assert one.abs_error == pytest.approx(5e-3)
    assert one.rel_error == pytest.approx(1e-3)
    assert one.abs_error_x0 == 0
    assert one.abs_error_theta == pytest.approx(5e-3)


@pytest.mark.parametrize("off", [0.0, 1e-3])
def test_a_true_gradient_of_zero_has_a_status_of_its_own(off: float) -> None:
    """Truth: absolute errors have a meaning, relative ones have none."""
    for replicates in (1, 2):
        one = judged(*[np.full(3, off)] * replicates, truth=np.zeros(3))
        assert one.status == "zero"
        assert one.status in SUCCESSES
        assert one.abs_error == pytest.approx(off * np.sqrt(3))
        assert one.abs_error_theta == pytest.approx(off * np.sqrt(2))
        assert np.isnan([one.rel_error, one.bias, one.deviation]).all()
        assert one.loss == 1.0


def test_an_exact_gradient_has_an_error_of_zero() -> None:
    assert (judged(TRUTH).status, judged(TRUTH).rel_error) == ("ok", 0.0)


@pytest.mark.parametrize("scale", [1e-200, 1e-300, 1e140])
def test_tiny_and_large_gradients_are_neither_zero_nor_infinite(scale: float) -> None:
    """Their squares underflow or overflow."""
    one = judged(TRUTH * scale * 1.001, truth=TRUTH * scale)
    assert one.status == "ok"
    assert one.rel_error == pytest.approx(1e-3, rel=1e-6)


@pytest.mark.parametrize(
    ("gradient", "words"),
    [
        (np.full(3, 1e300), "finite, but its error"),
        (np.full(3, -1.7e308), "finite, but its error"),
        (np.array([0.0, np.inf, 0.0]), "not finite"),
        (np.array([0.0, 0.0, np.nan]), "not finite"),
    ],
)
def test_an_error_without_bounds_is_a_failure_with_a_reason(
    gradient: np.ndarray, words: str
) -> None:
    for truth in (TRUTH, np.zeros(3)):
        one = judged(gradient, truth=truth)
        assert one.status == "diverged"
        assert words in one.reason
        assert np.isnan([one.rel_error, one.abs_error]).all()


def test_an_error_that_is_huge_beside_a_tiny_gradient_is_a_failure() -> None:
    assert judged(np.full(3, 1e10), truth=TRUTH * 1e-300).status == "diverged"


def test_a_lane_that_was_given_up_keeps_its_reason() -> None:
    lost = estimate(np.full(3, np.nan), failed={0: "the step fell below 1e-12"})
    blank = blank_record(CELL, ESTIMATORS["bptt"], 0)
    for truth in (TRUTH, np.zeros(3)):
        one = with_errors(blank, [estimate(TRUTH), lost], Truth(truth[None]), 0)  # type: ignore[arg-type]
        assert (one.status, one.reason) == ("diverged", "the step fell below 1e-12")
