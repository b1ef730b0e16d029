"""Cost against the heat equation's grid."""

import numpy as np

from gradpareto.bench.draw.dimension_figure import dimension_figure
from gradpareto.bench.run.dimension import RIVALS, measure_dimension
from gradpareto.bench.run.report import silent


def test_an_explicit_method_pays_for_the_grid_and_an_implicit_one_does_not() -> None:
    """Truth: stability. The fastest rate is 4 diffusivity (points + 1)^2, so a fixed explicit step
    falls 14-fold from 8 points to 32 and its evaluations grow as much, to a power of two."""
    with np.errstate(all="ignore"):
        table = measure_dimension([8, 32], 1e-3, 1, silent)
    evals = table.pivot(index="estimator", columns="points", values="evals")
    assert set(evals.index) == set(RIVALS)
    growth = evals[32] / evals[8]
    assert growth["bptt-dop853"] in (8, 16)
    assert growth["ctpg-scipy-radau"] < 3
    assert (table.rel_error <= 1e-3).all()
    assert len(dimension_figure(table, 1e-3).axes) == 2
