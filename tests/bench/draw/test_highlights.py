"""Whom a figure of many estimators names."""

import pandas as pd
import pytest

from gradpareto.bench.draw.families import FAMILIES, UNKNOWN, family_of
from gradpareto.bench.draw.figures import frontier_figure
from gradpareto.bench.draw.highlights import ALWAYS, MOST_NAMED, highlighted
from gradpareto.bench.draw.styles import HUES, by_family
from gradpareto.estimators import ESTIMATORS
from tests.bench.conftest import MakeRecords

FACTORS = [10.0 * 1.3**k for k in range(MOST_NAMED + 1)]


@pytest.fixture
def many(power_law: MakeRecords) -> pd.DataFrame:
    """solver-0 is the cheapest; each other costs more than the one before; none is known."""
    return pd.concat(
        [
            power_law("bptt", factor, 2).assign(estimator=f"solver-{k}")
            for k, factor in enumerate(FACTORS)
        ],
        ignore_index=True,
    )


def test_few_are_all_named(many: pd.DataFrame) -> None:
    few = many[many.estimator != "solver-3"]
    assert len(highlighted(few, "evals")) == MOST_NAMED == few.estimator.nunique()


def test_of_many_the_frontier_s_and_the_best_of_each_family(
    many: pd.DataFrame, power_law: MakeRecords
) -> None:
    """Truth: all are one law times a factor: the cheapest is alone on the frontier."""
    assert highlighted(many, "evals") == {"solver-0"}
    others = [("bptt-rk4", 500.0), ("bptt-heun", 400.0), ("ctpg-rk4", 300.0)]
    family = pd.concat([many, *(power_law(n, f, 2) for n, f in others)], ignore_index=True)
    assert highlighted(family, "evals") == {"solver-0", "bptt-heun", "ctpg-rk4"}


def test_the_paper_s_estimators_are_always_named(
    many: pd.DataFrame, power_law: MakeRecords
) -> None:
    """They are a thousand times as expensive as the rest, and alone in no family."""
    slow = [power_law(name, 1e5, 2) for name in (*ALWAYS, "bptt-rk4", "ctpg-rk4")]
    fast = [power_law(name, 1e3, 2) for name in ("bptt-heun", "ctpg-dop853", "aca-dop853")]
    found = highlighted(pd.concat([many, *slow, *fast], ignore_index=True), "evals")
    assert set(ALWAYS) <= found
    assert not {"bptt-rk4", "ctpg-rk4"} & found


def test_the_rest_is_drawn_grey_and_counted(many: pd.DataFrame) -> None:
    limit = pd.DataFrame([(0, 1, 1e-1), (0, 2, 1e-3)], columns=["sample", "vjps", "rel_error"])
    figure = frontier_figure(many, limit)
    (axes,), (legend,) = figure.axes, figure.legends
    texts = {text.get_text() for text in legend.get_texts()}
    assert any(text.startswith(f"{MOST_NAMED} other estimators") for text in texts)
    assert {text.get_text() for text in axes.texts if "solver" in text.get_text()} == {"solver-0"}
    grey = [line for line in axes.lines if line.get_color() == "#bdbdbd"]
    assert len([line for line in grey if len(line.get_xdata())]) == MOST_NAMED


def test_families_are_known_to_every_table() -> None:
    assert set(HUES) == {*FAMILIES, UNKNOWN}
    assert {family_of(name) for name in ESTIMATORS} <= set(FAMILIES)
    assert family_of("bptt") == "discretise first"
    assert family_of("ctpg") == "adjoint first"
    assert family_of("neural_ode") == "adjoint first, less memory"
    assert family_of("finite_difference") == "forward"
    assert family_of("nobody") == UNKNOWN


def test_a_legend_keeps_families_together() -> None:
    families = [family_of(name) for name in by_family({*ESTIMATORS, "nobody"})]
    changes = sum(one != other for one, other in zip(families[1:], families, strict=False))
    assert changes == len(set(families)) - 1
    assert families[-1] == UNKNOWN
