"""This project's engine against SciPy's solvers running the same algorithm."""

from collections.abc import Callable

import numpy as np

from gradpareto.estimators import ESTIMATORS
from tests.estimators.presets import on_presets

TOLERANCE = 1e-9


SCIPYS = {"ctpg": "ctpg-scipy", "ctpg-dop853": "ctpg-scipy-dop853"}


@on_presets("own", {own: ESTIMATORS[own] for own in SCIPYS})
def test_engine_agrees_with_scipy(own: str, preset: tuple[str, str], short: Callable) -> None:
    """Truth: a second implementation, with the running cost in the state and its own control."""
    problem = short(preset, 2.0, ESTIMATORS[own], settled=True)
    problem, x0 = problem.sample(np.random.default_rng(12), 1)
    one = ESTIMATORS[own](problem, x0, TOLERANCE)
    other = ESTIMATORS[SCIPYS[own]](problem, x0, TOLERANCE)
    for part in ("loss", "grad_x0", "grad_theta"):
        a, b = getattr(one, part), getattr(other, part)
        assert np.linalg.norm(a - b) <= 3 * TOLERANCE * np.linalg.norm(b), part
