"""Profiles and power laws: against records whose laws are known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gradpareto.bench.judge.profiles import (
    EVALS,
    FACTORS,
    TARGETS,
    Needed,
    needed,
    performance_profiles,
    runtime_distributions,
)
from gradpareto.bench.judge.scaling import ACCURACY, MEMORY, scaling, scaling_markdown
from gradpareto.bench.store.records import RunFolder
from tests.bench.conftest import MakeRecords, assert_refused


def known(system: str, **evals: float | list[float]) -> Needed:
    """A problem of two samples, each of which needs the same at every target."""
    return Needed(
        system,
        "initial",
        {
            name: np.broadcast_to(np.atleast_1d(of)[:, None], (2, len(TARGETS))).astype(float)
            for name, of in evals.items()
        },
    )


def test_a_performance_profile_counts_targets_within_a_factor() -> None:
    """Truth by hand: a is the best on one problem and 4 times the best on the other."""
    profiles = performance_profiles([known("p", a=10, b=25), known("q", a=40, b=10)])
    a, b = profiles["a"], profiles["b"]
    assert a.share[0] == b.share[0] == 0.5
    np.testing.assert_array_equal(a.share == 1.0, FACTORS >= 4 * (1 - 1e-9))
    np.testing.assert_array_equal(b.share == 1.0, FACTORS >= 2.5 * (1 - 1e-9))
    assert list(profiles) == ["b", "a"]
    assert a.low[0] == 0.0
    assert a.high[0] == 1.0


def test_who_never_arrives_or_was_not_measured_is_in_no_share() -> None:
    profiles = performance_profiles([known("p", a=10, b=np.inf), known("q", a=10)])
    assert profiles["a"].share.tolist() == [1.0] * len(FACTORS)
    assert not profiles["b"].share.any()
    nobody = performance_profiles([known("p", a=np.inf, b=np.inf), known("q", a=1, b=2)])
    assert nobody["a"].share[0] == 1.0  # the problem that nobody solves counts for none


def test_a_runtime_distribution_counts_samples_within_evaluations() -> None:
    profiles = runtime_distributions([known("p", a=[10, 1000], b=[np.inf, 20])])
    a, b = profiles["a"].share, profiles["b"].share
    np.testing.assert_array_equal(a, 0.5 * (EVALS >= 10) + 0.5 * (EVALS >= 1000))
    np.testing.assert_array_equal(b, 0.5 * (EVALS >= 20))
    unknown = runtime_distributions([known("p", a=[10, np.nan], b=[20, np.nan])])
    assert unknown["a"].share[-1] == 1.0
    fewer = runtime_distributions([known("p", a=[10, np.nan], b=[20, 20])])
    assert fewer["a"].share[-1] == fewer["b"].share[-1] == 1.0


def test_presets_of_a_system_do_not_narrow_a_band() -> None:
    parts = [known("p", a=10, b=25), known("q", a=40, b=10), known("r", a=10, b=11)]
    once, often = performance_profiles(parts), performance_profiles([*parts, *parts, *parts])
    for name in ("a", "b"):
        np.testing.assert_allclose(once[name].low, often[name].low)
        np.testing.assert_allclose(once[name].high, often[name].high)


def test_what_records_need_is_what_verdicts_compare(power_law: MakeRecords) -> None:
    """Truth: an error of 10 n ** -2 is 1e-4 at 316 evaluations."""
    (problem,) = needed(power_law("bptt", 10.0, 2))
    at = TARGETS.tolist().index(1e-4)
    assert np.median(problem.evals["bptt"][:, at]) == pytest.approx(316, rel=0.1)


@pytest.mark.parametrize("order", [1, 2, 4])
def test_the_exponent_of_accuracy_is_one_over_the_order(power_law: MakeRecords, order: int) -> None:
    table = scaling(power_law("bptt", 10.0, order))
    (row,) = table[table.law == ACCURACY].itertuples()
    assert row.exponent == pytest.approx(1 / order, rel=1e-6)
    assert row.low <= row.exponent <= row.high
    assert row.points == 8
    few = scaling(power_law("bptt", 10.0, order, samples=5))
    assert np.isnan(few.low.iloc[0])
    assert f"{1 / order:.2f}" in scaling_markdown(table)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_the_exponent_of_memory_is_that_of_the_steps(power_law: MakeRecords, power: float) -> None:
    records = power_law("bptt", 10.0, 2)
    steps = 1 / records.setting
    records = records.assign(steps=steps, stored_bytes=800.0 * steps**power)
    table = scaling(records)
    (row,) = table[table.law == MEMORY].itertuples()
    assert row.exponent == pytest.approx(power, abs=1e-9)
    assert row.points == records.setting.nunique()


def test_interval_of_the_slope_holds_the_truth_in_most_draws() -> None:
    """Truth: samples whose own slopes are normal around a half; the interval is that of 95 %."""
    rng, inside = np.random.default_rng(3), 0
    for _ in range(60):
        rows = []
        for sample, slope in enumerate(0.5 + 0.1 * rng.standard_normal(15)):
            error = np.geomspace(1e-3, 1e-8, 6)
            rows.append(
                pd.DataFrame(
                    {"sample": sample, "rel_error": error, "evals": 10 * error**-slope}
                ).assign(setting=error, abs_error=error)
            )
        records = pd.concat(rows).assign(
            system="s", theta="t", estimator="e", status="ok", reference_uncertainty=1e-16
        )
        blank = dict.fromkeys(("stored_bytes", "peak_bytes", "wall_ratio", "wall_ratio_spread"), 1)
        (row,) = scaling(records.assign(steps=1, **blank)).itertuples()
        inside += row.low <= 0.5 <= row.high
    assert inside >= 52  # 57 are expected, and fewer than 52 arise in 1 of 100


def test_the_verb_writes_its_tables_and_its_figure(  # type: ignore[no-untyped-def]
    call, small_run: RunFolder, tmp_path: Path
) -> None:
    published = tmp_path / "run"
    assert call("publish", small_run.path, published).returncode == 0
    result = call("profiles", "--out", published)
    assert result.returncode == 0, result.stderr
    for name in ("profiles.csv", "scaling.csv", "scaling.md", "figures/profiles.png"):
        assert (published / name).is_file(), name
    assert "ctpg" in result.stdout
    assert_refused(call("profiles", "--out", tmp_path / "none"), "no run in")
