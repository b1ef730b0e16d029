"""Times along an axis become exponents."""

import numpy as np
import pandas as pd
import pytest

from gradpareto.bench.draw.growth_figure import growth_figure
from gradpareto.bench.run.growth import SIZES, exponents, measure_growth
from gradpareto.bench.run.report import silent

FEW = {axis: own[:2] for axis, own in SIZES.items()}


@pytest.fixture(scope="module")
def growth() -> pd.DataFrame:
    with np.errstate(all="ignore"):
        return measure_growth(list(FEW), ["bptt-rk4", "ctpg"], FEW, silent)


def test_every_axis_has_its_sizes(growth: pd.DataFrame) -> None:
    """Truth: the sizes by hand; the steps of an adaptive estimator are its own."""
    found = {key: own["size"].tolist() for key, own in growth.groupby(["axis", "estimator"])}
    parameters = [(32 + 1) * n + (n + 1) * n + (n + 1) * 4 for n in FEW["parameters"]]
    for name in ("bptt-rk4", "ctpg"):
        assert found["batch", name] == [1, 4]
        assert found["parameters", name] == parameters
        assert found["dimension", name] == [8, 16]
    assert found["steps", "bptt-rk4"] == [8, 16]
    assert found["steps", "ctpg"][0] < found["steps", "ctpg"][1]
    assert (growth.seconds_low <= growth.seconds).all()
    assert (growth.seconds <= growth.seconds_high).all()


def test_a_power_is_fitted_exactly_and_its_interval_holds_a_noisy_one() -> None:
    """Truth: times that are powers; with noise, 95 % of intervals hold the power."""
    sizes, rng = np.array([1.0, 4, 16, 64, 256, 1024]), np.random.default_rng(0)

    def times(power: float, noise: float) -> pd.DataFrame:
        seconds = 3 * sizes**power * np.exp(noise * rng.standard_normal(len(sizes)))
        return pd.DataFrame({"axis": "batch", "estimator": "x", "size": sizes, "seconds": seconds})

    exact = exponents(times(0.7, 0.0)).iloc[0]
    assert (exact.exponent, exact.low, exact.high, exact.at_the_end) == pytest.approx((0.7,) * 4)
    fits = pd.concat([exponents(times(0.7, 0.1)) for _ in range(400)])
    held = ((fits.low <= 0.7) & (fits.high >= 0.7)).mean()
    assert abs(held - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 400)


def test_the_figure_has_a_panel_for_each_axis(growth: pd.DataFrame) -> None:
    for axes in (list(FEW), ["batch"], ["batch", "steps", "dimension"]):
        figure = growth_figure(growth[growth.axis.isin(axes)])
        assert len(figure.axes) == len(axes)
        labels = [panel.get_xlabel() for panel in figure.axes]
        assert all(labels)
        assert len(set(labels)) == len(axes)


def test_the_command_writes_times_and_exponents(call, tmp_path) -> None:  # type: ignore[no-untyped-def]
    few = ("--axis", "batch", "--estimator", "bptt", "--sizes", "2")
    result = call("growth", *few, "--out", tmp_path / "run", "--json")
    assert result.returncode == 0, result.stderr
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names >= {"records.csv", "exponents.csv", "growth.png", "SHA256SUMS"}
    assert set(pd.read_csv(tmp_path / "run" / "records.csv")["size"]) == {1.0, 4.0}
    refused = call("growth", *few[:2], "--estimator", "spsa", "--out", tmp_path / "run")
    assert (refused.returncode, "spsa has neither a step" in refused.stderr) == (2, True)
