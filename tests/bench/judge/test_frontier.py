"""Frontier arithmetic: properties that hold for any points, and power laws."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradpareto.bench.judge.frontier import (
    FLOOR_FACTOR,
    NO_ESTIMATE,
    Curve,
    attained,
    attainment,
    comparable,
    curve,
    deciding,
    evals_at,
    front,
    limit_at,
    limit_table,
    median_curve,
    median_points,
    observed_order,
    weighted,
)
from gradpareto.reference import QuadratureLimit
from tests.bench.conftest import MakeRecords, record, table

ROOT = Path(__file__).parents[3]
POSITIVE = st.integers(-96, 48).map(lambda k: 10.0 ** (k / 8))
POINTS = st.lists(st.tuples(st.integers(1, 10**6), POSITIVE), min_size=1, max_size=40)


def split(points: list[tuple[int, float]]) -> tuple[np.ndarray, np.ndarray]:
    evals, error = np.array(points, dtype=float).T
    return evals, error


def unbroken(points: list[tuple[int, float]]) -> Curve:
    """The curve of points that are given in the order of their settings."""
    evals, error = split([(n, min(e, NO_ESTIMATE)) for n, e in points])
    return curve(-np.arange(len(points), dtype=float), evals, error)


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
def test_a_further_setting_never_raises_the_evaluations_needed(
    points: list, evals: int, error: float
) -> None:
    targets = np.geomspace(1e-12, 1e6, 50)
    before = evals_at(unbroken(points), targets)
    after = evals_at(unbroken([*points, (evals, error)]), targets)
    assert np.all(after <= before)
    assert np.all(after[targets >= error] <= evals)


@given(POINTS)
def test_evaluations_fall_as_the_target_loosens_and_meet_the_points(points: list) -> None:
    whole = unbroken(points)
    targets = np.geomspace(1e-12, 1e6, 50)
    needed = evals_at(whole, targets)
    assert np.all(needed[1:] <= needed[:-1])
    best = whole.front
    assert np.all(evals_at(whole, best.error) <= best.evals)
    rising = unbroken(list(zip(best.evals, best.error, strict=True)))
    np.testing.assert_array_equal(evals_at(rising, best.error), best.evals)
    assert np.isinf(evals_at(whole, np.array([best.error[-1] * 0.99])))[0]
    assert evals_at(whole, np.array([best.error[0] * 2]))[0] == best.evals[0]


def test_a_power_law_is_interpolated_exactly() -> None:
    evals = 2.0 ** np.arange(3, 12)
    reached = Curve(evals, 7 * evals**-3, np.full(8, True))
    target = 3e-6
    assert evals_at(reached, np.array([target]))[0] == pytest.approx((7 / target) ** (1 / 3))


def test_no_points_reach_nothing() -> None:
    assert np.isinf(evals_at(unbroken([(1, 1.0)]), np.array([0.5]))).all()
    empty = curve(np.empty(0), np.empty(0), np.empty(0))
    assert np.isinf(evals_at(empty, np.array([1.0]))).all()
    assert np.isnan(evals_at(empty, np.array([np.nan]))).all()


def test_the_shape_of_the_targets_is_kept() -> None:
    targets = np.array([[1e-2, np.nan], [1e-3, 1e-9]])
    needed = evals_at(unbroken([(10, 1e-2), (1000, 1e-4)]), targets)
    np.testing.assert_allclose(needed, [[10, np.nan], [100, np.inf]], rtol=1e-12)


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
    assert median_curve(table(rows)).error[-1] == 1e-2


def test_a_failure_counts_as_an_infinite_error_in_a_median() -> None:
    """Two samples of four fail: the median of the errors is the mean of a number and infinity."""
    rows = [record("bptt", 0.1, s, 10, 1e-2 * (1 + s)) for s in range(4)]
    three, two = (
        table([replace(row, status="diverged") if s >= kept else row for s, row in enumerate(rows)])
        for kept in (3, 2)
    )
    assert median_points(three).rel_error.iloc[0] == pytest.approx(2.5e-2)
    assert np.isinf(median_points(two).rel_error.iloc[0])
    assert median_points(table(rows)).rel_error.iloc[0] == pytest.approx(2.5e-2)


KINDS = st.sampled_from(["ok", "ok", "ok", "diverged", "timeout", "floor", "exact", "no estimate"])
SWEEPS = st.lists(
    st.tuples(KINDS, st.integers(1, 40), st.integers(-48, -1).map(lambda k: 10.0 ** (k / 4))),
    min_size=1,
    max_size=12,
)


def swept(points: list[tuple[str, int, float]]) -> pd.DataFrame:
    """Records of one sample; settings fall, while counts and errors are as they may be."""
    kinds = {"floor": 1e-16, "exact": 0.0, "no estimate": 3.0}
    rows = []
    for k, (kind, evals, error) in enumerate(points):
        one = record("bptt", 2.0**-k, 0, evals, kinds.get(kind, error))
        if kind in ("diverged", "timeout"):
            lost = float("nan")
            one = replace(one, status=kind, rel_error=lost, abs_error=lost)  # type: ignore[arg-type]
        rows.append(one)
    return table(rows)


def by_bisection(points: list[tuple[str, int, float]], target: float) -> float:
    """The evaluations for a target error, by walking along the sweep: a second algorithm.

    From setting to setting a line is followed, of which 200 bisections find the cheapest place that
    is at or below the target. Nothing is vectorised, sorted or searched for neighbours.
    """
    cheapest, last = float("inf"), None
    for kind, evals, error in points:
        if kind in ("diverged", "timeout", "no estimate"):
            last = None
        elif kind == "ok":
            if error <= target:
                cheapest = min(cheapest, evals)
            if last is not None:
                ends = sorted([last, (np.log(evals), np.log(error))], key=lambda end: end[1])
                (n_tight, low), (n_loose, high) = ends
                if low <= np.log(target) < high:
                    inside, outside = 0.0, 1.0
                    for _ in range(200):
                        middle = 0.5 * (inside + outside)
                        if low + middle * (high - low) <= np.log(target):
                            inside = middle
                        else:
                            outside = middle
                    cheapest = min(cheapest, np.exp(n_tight + inside * (n_loose - n_tight)))
            last = (np.log(evals), np.log(error))
    if np.isinf(cheapest) and any(kind in ("floor", "exact") for kind, _, _ in points):
        return float("nan")
    return cheapest


@given(SWEEPS)
def test_evaluations_are_those_of_a_walk_along_the_settings(points: list) -> None:
    # Beside the decades, where errors lie: only the last two are met exactly, whatever pow rounds.
    targets = np.append(10.0 ** np.linspace(-12.99, 0.01, 40), [1e-3, 1e-6])
    (found,) = attained(attainment(swept(points).sample(frac=1, random_state=1)), [0], targets)
    expected = [by_bisection(points, target) for target in targets]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_an_error_of_zero_is_attained_where_it_was_measured_and_not_before() -> None:
    reached = Curve(np.array([10.0, 20.0]), np.array([1e-3, 0.0]), np.array([True]))
    with np.errstate(all="raise"):
        found = evals_at(reached, np.array([1e-2, 1e-3, 9e-4, 1e-300, 0.0]))
    np.testing.assert_array_equal(found, [10, 10, 20, 20, 20])


def test_an_error_may_be_the_smallest_number_there_is() -> None:
    """Its logarithm is there, but not that of how many times smaller it is."""
    least = 5e-324
    reached = Curve(np.array([10.0, 1000.0]), np.array([1.0, least]), np.array([True]))
    with np.errstate(all="raise"):
        found = evals_at(reached, np.array([1e-162, least]))
    # 1e-162 is nearly in the middle of the logarithms of 1 and of the smallest.
    np.testing.assert_allclose(found, [100.0, 1000.0], rtol=1e-2)


@given(SWEEPS, st.data())
def test_a_failure_never_lowers_a_number(points: list, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(points) - 1))
    failed = [
        ("diverged", *rest) if k == place else (kind, *rest)
        for k, (kind, *rest) in enumerate(points)
    ]
    one_more = [*points[:place], ("timeout", 1, 1e-9), *points[place:]]
    targets = 10.0 ** np.linspace(-13, 0, 40)
    before, after, with_more = (
        attained(attainment(swept(some)), [0], targets)[0] for some in (points, failed, one_more)
    )
    for later in (after, with_more):
        known = ~np.isnan(before)
        assert not np.any(later[known] < before[known])
        assert not np.any(np.isfinite(later[~known]))


def test_a_median_is_broken_where_most_samples_fail(power_law: MakeRecords) -> None:
    """Truth: the tighter end, at every error between the two."""
    records = power_law("bptt", constant=10.0, order=2.0, rungs=12)
    middle = records.setting == 1 / 2**7
    lost = middle & (records["sample"] < 6)
    records.loc[lost, ["rel_error", "abs_error"]] = np.nan
    records.loc[lost, "status"] = "diverged"
    whole = median_curve(records)
    ends = np.flatnonzero(~whole.joined)[0] + np.arange(2)
    assert list(whole.evals[ends]) == [8 * 2**6, 8 * 2**8]
    assert whole.joined.sum() == len(whole.joined) - 1
    targets = np.geomspace(*whole.error[ends], 9)[1:]
    np.testing.assert_array_equal(evals_at(whole, targets), np.full(8, 8.0 * 2**8))


def test_the_order_is_of_the_longest_part_without_a_break(power_law: MakeRecords) -> None:
    """Order 4 on most settings; before a failure the errors are a thousand times smaller."""
    records = power_law("bptt", constant=1e4, order=4.0, rungs=12, samples=1)
    records.loc[records.setting > 1 / 2**3, ["rel_error", "abs_error"]] *= 1e-6
    records.loc[records.setting == 1 / 2**3, "status"] = "diverged"
    assert observed_order(records) == pytest.approx(4.0, rel=1e-9)


def test_a_sample_without_a_gradient_belongs_to_no_frontier() -> None:
    rows = [record("bptt", 0.1, s, 10, 1e-3) for s in range(3)]
    rows[1] = replace(rows[1], status="zero", rel_error=float("nan"), abs_error=0.0)
    rows += [replace(rows[1], estimator="ctpg", status="raised")]  # it fails where nothing is asked
    records = table(rows)
    assert sorted(comparable(records)["sample"]) == [0, 2]
    reached = attainment(records[records.estimator == "bptt"])
    assert sorted(reached.curves) == [0, 2]
    assert not reached.floored


def test_an_exact_error_is_at_the_floor_of_an_exact_reference() -> None:
    rows = [replace(record("bptt", 0.1, 0, 10, 0.0), reference_uncertainty=0.0)]
    assert deciding(table(rows)).empty
    reached = attainment(table(rows))
    assert reached.only_floored
    assert np.isnan(attained(reached, [0], np.array([1e-2, 1e-300]))).all()


def test_the_limit_is_the_median_sample_s_first_count() -> None:
    limit = pd.DataFrame(
        {"sample": [0, 0, 1, 1, 2], "vjps": [1, 5, 1, 9, 1], "rel_error": [1, 1e-6, 1, 1e-6, 1]}
    )
    np.testing.assert_array_equal(limit_at(limit, np.array([1.0, 1e-6, 1e-7])), [1, 9, np.inf])


def test_the_limit_of_a_sample_without_a_relative_error_has_no_row() -> None:
    """At rest, nearly at rest by the reference's own judgement, and with an unknown gradient."""
    reference = SimpleNamespace(
        gradient=np.array([[3.0, 4.0], [0.0, 0.0], [1e-20, 0.0], [np.nan, np.nan]]),
        zero=np.array([False, True, True, False]),
        limit=QuadratureLimit(np.arange(1, 4), np.tile([5e-2, 5e-2, 5e-4], (4, 1))),
    )
    rows = limit_table(reference).to_numpy()  # type: ignore[arg-type]
    np.testing.assert_allclose(rows, [[0, 1, 1e-2], [0, 3, 1e-4]], rtol=1e-12)


def test_nothing_is_interpolated_from_what_is_no_estimate(power_law: MakeRecords) -> None:
    """An explicit method on a stiff system: wildly wrong, then, where it is stable, accurate."""
    records = power_law("bptt", constant=1e-2, order=1.0, rungs=8)
    cheap = records.evals < 200
    records.loc[cheap, "rel_error"] = 1e60
    reached = attained(attainment(records), [0, 1], np.array([1e-3, 1e-6]))
    first = records.evals[~cheap].min()
    np.testing.assert_allclose(reached, [[first, np.inf]] * 2, rtol=1e-12)
