"""The estimators that a Runge-Kutta tableau alone can become, one of every kind that takes one."""

from dataclasses import replace
from typing import Any

import numpy as np

from gradpareto.estimators.bptt import Bptt
from gradpareto.estimators.bptt_adaptive import AdaptiveBptt
from gradpareto.estimators.checkpointing import Checkpointed
from gradpareto.estimators.ctpg import Ctpg
from gradpareto.estimators.ctpg_checkpointed import CheckpointedCtpg
from gradpareto.estimators.estimate import Estimator
from gradpareto.estimators.gauss_adjoint import GaussAdjoint
from gradpareto.estimators.mccallum_foster import McCallumFoster
from gradpareto.estimators.neural_ode import NeuralOde
from gradpareto.estimators.solvers.explicit.order_conditions import order_of, vanishing_order
from gradpareto.estimators.solvers.explicit.tableaus import Tableau
from gradpareto.systems import Array

TIGHT_STEPS = {1: 1e-3, 2: 1e-3, 3: 5e-3, 4: 0.01, 5: 0.01, 6: 0.02}
"""{order: tight step}; it is 0.05 for higher orders."""
TIGHT_TOLERANCES = {1: 1e-3, 2: 1e-4, 3: 1e-6, 4: 1e-8}
"""{order: tight tolerance}; it is 1e-10 for higher orders. A low order takes thousands of steps for
less."""


def forms(tableau: Tableau) -> dict[str, Estimator]:
    """Return {suffix of the name: estimator} of every estimator that the tableau can become.

    Those that adapt their steps are among them if the tableau has an error estimate.
    """
    step, fixed = TIGHT_STEPS.get(tableau.order, 0.05), tableau.without_estimate()
    found: dict[str, Estimator] = {
        "bptt": Bptt(fixed, tight=step),
        "revolve": Checkpointed(tableau, tight=step),
        "reversible": McCallumFoster(fixed, tight=step),
    }
    if tableau.error is None:
        along = {"ctpg": Ctpg(tableau, tight=step), "gauss_adjoint": GaussAdjoint(tableau, step)}
        return found | along
    tolerance = TIGHT_TOLERANCES.get(tableau.order, 1e-10)
    return found | {
        "bptt_adaptive": AdaptiveBptt(tableau, tight=tolerance),
        "aca": AdaptiveBptt(tableau, replay=True, tight=tolerance),
        "symplectic": AdaptiveBptt(tableau, replay=True, partner=True, tight=tolerance),
        "online": Checkpointed(tableau, online=True, tight=tolerance),
        "ctpg": Ctpg(tableau, tolerance),
        "ctpg_checkpointed": CheckpointedCtpg(tableau, tolerance),
        "gauss_adjoint": GaussAdjoint(tableau, tolerance),
        "backsolve": NeuralOde(tableau, tight=tolerance),
    }


def as_tableau(given: Any, name: str) -> Tableau:
    """Make a `Tableau` of any object's a, b, c, and if it has them order, and error, e, E or b_hat.

    The order is the highest up to 8 that the conditions allow, unless it claims one. A last stage
    that is f(t + h, x+) is the next step's first, and is not counted as a stage. Raises ValueError
    on shapes that do not fit.
    """
    if isinstance(given, Tableau):
        a, b, c = (_floats(given, name, part) for part in "abc")
        return replace(given, name=name, a=a, b=b, c=c)
    a, b, c = (_floats(given, name, part) for part in "abc")
    if a.shape != (len(b), len(b)) or c.shape != b.shape or b.ndim != 1:
        raise ValueError(
            f"{name}: a, b and c have shapes {a.shape}, {b.shape}, {c.shape}, which do not fit "
            "each other: (s, s), (s,), (s,) for s stages"
        )
    error = _estimate(given, name, b)
    if len(b) > 1 and c[-1] == 1 and b[-1] == 0 and np.array_equal(a[-1], b):
        a, b, c = a[:-1, :-1], b[:-1], c[:-1]
        error = None if error is None else error[:, : len(b) + 1]
    s, claimed = len(b), getattr(given, "order", None)
    order = int(claimed) if claimed is not None else order_of(b, a)
    if error is None:
        return Tableau(name, order, a, b, c)
    wide = np.zeros((s + 1, s + 1))
    wide[:s, :s], wide[s, :s] = a, b
    lower = getattr(given, "error_order", None) or vanishing_order(error[0], wide)
    return Tableau(name, order, a, b, c, error, int(lower))


def _floats(given: Any, name: str, part: str) -> Array:
    try:
        values = getattr(given, part, None)
        return np.array(getattr(given, part.upper()) if values is None else values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: {part} is no array of numbers: {error}") from error


def _estimate(given: Any, name: str, b: Array) -> Array | None:
    """Return the weights (E, s + 1) of the error estimate, the last that of f(t + h, x+)."""
    for part in ("error", "e", "E", "b_hat"):
        if getattr(given, part, None) is None:
            continue
        rows = np.atleast_2d(np.array(getattr(given, part), dtype=float))
        if rows.ndim != 2 or rows.shape[1] not in (len(b), len(b) + 1):
            raise ValueError(
                f"{name}: {part} has {rows.shape[-1]} weights, not {len(b)} or {len(b) + 1}"
            )
        rows = np.pad(rows, ((0, 0), (0, len(b) + 1 - rows.shape[1])))
        return np.pad(b, (0, 1)) - rows if part == "b_hat" else rows
    return None
