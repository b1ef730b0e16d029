"""Solvers that misbehave, in a file of their own: their own cells fail, and say why."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from gradpareto.bench.plugins import PLUGINS, registry, resolve
from gradpareto.bench.run.budget import Budget
from gradpareto.bench.run.plan import Plan
from gradpareto.bench.run.sweep import sweep
from gradpareto.bench.store.records import RunFolder
from gradpareto.estimators import ESTIMATORS

SOLVERS = '''
import os, sys, time
import numpy as np
from scipy.integrate import solve_ivp

def good(rhs, span, y0, tolerance):
    return solve_ivp(rhs, span, y0, rtol=tolerance, atol=1e-6, dense_output=True).sol

def raises(rhs, span, y0, tolerance):
    raise RuntimeError("two lines\\nof trouble")

def hangs(rhs, span, y0, tolerance):
    time.sleep(60)

def allocates(rhs, span, y0, tolerance):
    held = []
    while True:
        held.append(np.ones(10_000_000))

def leaves(rhs, span, y0, tolerance):
    sys.exit(0)

def dies(rhs, span, y0, tolerance):
    os._exit(7)

def nothing(rhs, span, y0, tolerance):
    return None

def wide(rhs, span, y0, tolerance):
    found = good(rhs, span, y0, tolerance)
    return lambda t: np.append(found(t), 0.0)

def imaginary(rhs, span, y0, tolerance):
    found = good(rhs, span, y0, tolerance)
    return lambda t: found(t) + 0j

def narrow(rhs, span, y0, tolerance):
    rhs(span[0], y0[:1])

def gives_up(rhs, span, y0, tolerance):
    class Result: success, message, sol = False, "the step is too small", None
    return Result

def not_finite(rhs, span, y0, tolerance):
    found = good(rhs, span, y0, tolerance)
    return lambda t: found(t) if t == span[0] else np.full(len(y0), np.nan)

def elsewhere(rhs, span, y0, tolerance):
    return good(rhs, span, y0 + 1, tolerance)

def short(rhs, span, y0, tolerance):
    found = good(rhs, span, y0, tolerance)
    found.ts = found.ts[:-1]
    return found

SHARED = {}
def shares(rhs, span, y0, tolerance):
    """All solutions are the last one."""
    SHARED["sol"] = good(rhs, span, y0, tolerance)
    return lambda t: np.resize(SHARED["sol"](t), len(y0))

def view(rhs, span, y0, tolerance):
    """y(t) is a view of one array, written anew by each call; so is the y of the right-hand side.
    It also writes into y0 and into what the right-hand side returns, all of which are its own."""
    y, out = np.empty(len(y0)), np.empty(len(y0))
    def f(t, x):
        y[:] = x
        slope = rhs(t, y)
        y[:] = np.nan
        copy = slope.copy()
        slope[:] = np.nan
        return copy
    found = good(f, span, y0.copy(), tolerance)
    y0[:] = np.nan
    def at(t):
        out[:] = found(t)
        return out
    at.ts = found.ts
    return at

def talks(rhs, span, y0, tolerance):
    print("solving")
    return good(rhs, span, y0, tolerance)
'''
EXPECTED = {
    "raises": ("raised", "RuntimeError: two lines"),
    "hangs": ("timeout", "not finished within 20 s"),
    "allocates": ("memory", "allocated more than its budget"),
    "leaves": ("raised", "SystemExit: 0"),
    "dies": ("died", "exit code 7"),
    "nothing": ("raised", "nothing returned NoneType, not a solution"),
    "wide": ("raised", "y(t) is of shape (4,), not (3,)"),
    "imaginary": ("raised", "y(t) is of dtype complex128"),
    "narrow": ("raised", "called the right-hand side with y of shape (1,), not (3,)"),
    "gives_up": ("diverged", "gives_up: the step is too small"),
    "not_finite": ("diverged", "not_finite: a solution that is not finite"),
    "elsewhere": ("raised", "does not start at y0, but 1.0e+00 off"),
    "short": ("raised", "do not run from 0 to 10"),
    "shares": ("raised", "a solution changed after it was returned"),
}
"""Each with its status and what the reason says."""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[pd.DataFrame]:
    before = dict(ESTIMATORS)
    folder = tmp_path_factory.mktemp("solvers")
    path = folder / "misbehaving.py"
    path.write_text(SOLVERS)
    names = [
        resolve(f"{path}:{how}-gauss_adjoint")[0] for how in [*EXPECTED, "view", "talks", "good"]
    ]
    plan = Plan((("lqr", "optimal"),), tuple(names), samples=1, settings=(1e-3,), timed=True)
    budget = Budget(cell_seconds=20, cell_bytes=200_000_000)
    yield sweep(plan, RunFolder(folder / "run"), cache, budget)
    ESTIMATORS.clear()
    ESTIMATORS.update(before)
    PLUGINS.clear()
    registry.BROKEN.clear()


@pytest.mark.parametrize("how", EXPECTED)
def test_a_misbehaving_solver_costs_its_own_cells_and_says_why(
    measured: pd.DataFrame, how: str
) -> None:
    row = measured[measured.estimator == f"{how}-gauss_adjoint"].iloc[0]
    status, reason = EXPECTED[how]
    assert row.status == status
    assert reason in row.reason


def test_the_others_are_measured_as_if_they_were_alone(measured: pd.DataFrame) -> None:
    """Truth: the well-behaved one; views that are written again are copied in time."""
    rows = measured.set_index("estimator")
    good = rows.loc["good-gauss_adjoint"]
    assert good.status == "ok"
    assert good.rel_error < 1e-2
    for how in ("view", "talks"):
        row = rows.loc[f"{how}-gauss_adjoint"]
        assert row.status == "ok", row.reason
        assert row.rel_error == good.rel_error
        assert row.evals == good.evals
