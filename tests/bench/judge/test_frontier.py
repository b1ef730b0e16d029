"""Frontier arithmetic: properties that hold for any points, and power laws."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradpareto.bench.judge.frontier import (
    FLOOR_FACTOR,
    Front,
    attained,
    attainment,
    deciding,
    evals_at,
    front,
    limit_at,
    median_front,
    median_points,
    observed_order,
    weighted,
)
from tests.bench.conftest import MakeRecords, record, table

POSITIVE = st.integers(-96, 48).map(lambda k: 10.0 ** (k / 8))
POINTS = st.lists(st.tuples(st.integers(1, 10**6), POSITIVE), min_size=1, max_size=40)


def split(points: list[tuple[int, float]]) -> tuple[np.ndarray, np.ndarray]:
    evals, error = np.array(points, dtype=float).T
    return evals, error


@given(POINTS)
def test_no_point_dominates_a_front_point_and_every_other_is_dominated(points: list) -> None:
    evals, error = split(points)
    best = front(evals, error)
    for e, r in zip(evals, error, strict=True):
        assert not np.any(
            (e <= best.evals) & (r <= best.error) & ((e < best.evals) | (r < best.error))
        )
        assert np.any((best.evals <= e) & (best.error <= r))
    assert np.all(np.diff(best.evals) > 0)
    assert np.all(np.diff(best.error) < 0)


@given(POINTS, st.randoms())
def test_a_front_does_not_depend_on_the_order_of_its_points(points: list, random: object) -> None:
    shuffled = points.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = front(*split(points)), front(*split(shuffled))
    np.testing.assert_array_equal(one.evals, other.evals)
    np.testing.assert_array_equal(one.error, other.error)


@given(POINTS, st.integers(1, 10**6), POSITIVE)
def test_one_more_point_never_raises_the_evaluations_needed(
    points: list, evals: int, error: float
) -> None:
    targets = np.geomspace(1e-12, 1e6, 50)
    before = evals_at(front(*split(points)), targets)
    after = evals_at(front(*split([*points, (evals, error)])), targets)
    # Interpolated on logarithms, so a new point may bend a chord up by at most rounding, only if
    # it lies above it: what it cannot do is lose a target that was reached.
    assert np.all(np.isfinite(after) | ~np.isfinite(before))
    reached = targets >= error
    assert np.all(after[reached] <= np.maximum(before[reached], evals) * (1 + 1e-9))


@given(POINTS)
def test_evaluations_fall_as_the_target_loosens_and_meet_the_points(points: list) -> None:
    best = front(*split(points))
    targets = np.geomspace(1e-12, 1e6, 50)
    assert np.all(
        np.diff(np.log(evals_at(best, targets)[np.isfinite(evals_at(best, targets))])) <= 1e-9
    )
    np.testing.assert_allclose(evals_at(best, best.error), best.evals, rtol=1e-9)
    assert np.isinf(evals_at(best, np.array([best.error[-1] * 0.99])))[0]
    assert evals_at(best, np.array([best.error[0] * 2]))[0] == pytest.approx(best.evals[0])


def test_a_power_law_is_interpolated_exactly() -> None:
    evals = 2.0 ** np.arange(3, 12)
    reached = Front(evals, 7 * evals**-3)
    target = 3e-6
    assert evals_at(reached, np.array([target]))[0] == pytest.approx((7 / target) ** (1 / 3))


def test_an_empty_front_reaches_nothing() -> None:
    assert np.isinf(evals_at(front(np.empty(0), np.empty(0)), np.array([1.0]))).all()


@pytest.mark.parametrize("order", [1.0, 4.0, 8.0])
def test_observed_order_of_a_power_law(power_law, order: float) -> None:  # type: ignore[no-untyped-def]
    assert observed_order(power_law("bptt", 10.0, order)) == pytest.approx(order, rel=1e-6)


def test_failures_and_points_at_the_floor_decide_nothing() -> None:
    good = record("bptt", 0.1, 0, 10, 1e-3)
    rows = [
        good,
        record("bptt", 0.2, 0, 5, FLOOR_FACTOR * good.reference_uncertainty * 0.99),
        record("bptt", 0.3, 0, 5, float("nan")),
    ]
    records = table(rows)
    records.loc[2, "status"] = "diverged"
    assert list(deciding(records).setting) == [0.1]


def test_weight_prices_the_derivatives() -> None:
    records = table([record("bptt", 0.1, 0, 10, 1e-3)])
    assert weighted(records, 3.0).evals.iloc[0] == 5 + 3 * 5


def test_medians_leave_out_settings_that_most_samples_fail() -> None:
    rows = [record("bptt", 0.1, s, 10, 1e-2) for s in range(4)]
    rows += [record("bptt", 0.05, 0, 20, 1e-9)]
    points = median_points(table(rows))
    assert list(points.index) == [0.1]
    assert median_front(table(rows)).error[-1] == 1e-2


def test_the_limit_is_the_median_sample_s_first_count() -> None:
    limit = pd.DataFrame(
        {"sample": [0, 0, 1, 1, 2], "vjps": [1, 5, 1, 9, 1], "rel_error": [1, 1e-6, 1, 1e-6, 1]}
    )
    np.testing.assert_array_equal(limit_at(limit, np.array([1.0, 1e-6, 1e-7])), [1, 9, np.inf])


def test_nothing_is_interpolated_from_what_is_no_estimate(power_law: MakeRecords) -> None:
    """An explicit method on a stiff system: wildly wrong, then, where it is stable, accurate."""
    records = power_law("bptt", constant=1e-2, order=1.0, rungs=8)
    cheap = records.evals < 200
    records.loc[cheap, "rel_error"] = 1e60
    reached = attained(attainment(records), [0, 1], np.array([1e-3, 1e-6]))
    first = records.evals[~cheap].min()
    np.testing.assert_allclose(reached, [[first, np.inf]] * 2, rtol=1e-12)
