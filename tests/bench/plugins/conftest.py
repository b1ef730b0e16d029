"""A file of plug-ins, which are forgotten after each test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gradpareto.bench.plugins import PLUGINS, plugin_estimator, registry, source
from gradpareto.estimators import ESTIMATORS
from gradpareto.systems import TASKS
from tests.bench.conftest import assert_refused

FORMS = ("ctpg", "gauss_adjoint", "backsolve")

SOLVER = '''
from dataclasses import dataclass
from scipy.integrate import solve_ivp, RK23, RK45
from gradpareto.systems import TASKS
from gradpareto.estimators import Declaration, Estimator, ESTIMATORS, Estimate
from gradpareto.estimators.neural_ode import NeuralOde
from gradpareto.estimators.solvers.explicit.tableaus import TSIT5

class MySolver:
    def solve(self, rhs, span, y0, tolerance):
        options = dict(rtol=tolerance, atol=1e-3 * tolerance, dense_output=True)
        return solve_ivp(rhs, span, y0, **options)

def as_function(rhs, span, y0, tolerance=1e-6):
    return MySolver().solve(rhs, span, y0, tolerance).sol

instance = MySolver()
nameless = lambda problem, x0, setting: ESTIMATORS["bptt"](problem, x0, setting)
nameless.knob, nameless.tight, nameless.order = "step", 1e-3, 1
misspelt = lambda problem, x0, setting: ESTIMATORS["bptt"](problem, x0, setting)
misspelt.ordr = 1
worded = lambda problem, x0, setting: ESTIMATORS["bptt"](problem, x0, setting)
worded.exact = "yes"
loose = lambda problem, x0, setting: ESTIMATORS["bptt"](problem, x0, setting)
loose.tight = -1

@dataclass(frozen=True)
class Frozen:
    """It declares no tight setting, and cannot be written into."""
    knob = "step"
    def __call__(self, problem, x0, setting):
        return ESTIMATORS["bptt"](problem, x0, setting)

@dataclass(frozen=True)
class FrozenEstimator(Estimator):
    step: float = 1e-3
    @property
    def declares(self):
        return Declaration(knob="step", tight=self.step)
    def __call__(self, problem, x0, setting):
        return ESTIMATORS["bptt"](problem, x0, setting)

class Unrecorded(FrozenEstimator):
    declares = {"knob": "step"}

class Louder(FrozenEstimator):
    @property
    def declares(self):
        return Declaration(knob="volume", tight=self.step)

class Whole(Estimator):
    """Not a dataclass, and not picklable."""
    declares = Declaration(knob="tolerance", tight=1e-7)
    def __init__(self):
        self.inner = lambda *given: ESTIMATORS["ctpg"](*given)
    def __call__(self, problem, x0, setting):
        print("this is not JSON")
        return self.inner(problem, x0, setting)

class Scipys(RK23):
    """An OdeSolver as it is."""

class Abstract(Estimator):
    declares = Declaration(knob="step", tight=0.1)

class Greedy(Estimator):
    declares = Declaration(knob="step", tight=0.1)
    def __init__(self, steps): ...
    def __call__(self, problem, x0, setting): ...

class Turned:
    knob = "volume"
    def __call__(self, problem, x0, setting): ...

class Both:
    """Coefficients, and a solver that uses them."""
    A, B, C = [[0, 0], [1, 0]], [1/2, 1/2], [0, 1]
    def solve(self, rhs, span, y0, tolerance): ...

class Later:
    """Its coefficients come with the instance."""
    def __init__(self):
        self.a, self.b, self.c = Both.A, Both.B, Both.C
    def __call__(self, rhs, span, y0, tolerance): ...

class Helped:
    """An estimator that does not say so, with a method for its own use."""
    def solve(self): ...
    def __call__(self, problem, x0, setting): ...

def weighted(rhs, span, y0, tolerance): ...
weighted.a, weighted.b, weighted.c = Both.A, Both.B, Both.C

class Alias(MySolver):
    __call__ = MySolver.solve

class Coefficients(Whole):
    """An estimator by its base class, whatever it keeps."""
    a, b, c = Both.A, Both.B, Both.C
    def solve(self): ...

def pair(x, y): ...
number = 3
task = TASKS["lqr"]
bptt = MySolver()
'''


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Whatever a test registers is gone after it, and no code that it loaded is held."""
    held = dict(ESTIMATORS), dict(TASKS), dict(PLUGINS)
    yield
    for registered, before in zip((ESTIMATORS, TASKS, PLUGINS), held, strict=True):
        registered.clear()  # type: ignore[attr-defined]
        registered.update(before)  # type: ignore[attr-defined]
    registry.SYSTEM_PLUGINS.clear()
    registry.BROKEN.clear()
    anew()


def anew() -> None:
    """As a new process is."""
    held_by = plugin_estimator._unchanged, plugin_estimator.made_of, source.code_of, source._module
    for held in held_by:
        held.cache_clear()


@pytest.fixture
def solver(tmp_path: Path) -> Path:
    path = tmp_path / "my_solver.py"
    path.write_text(SOLVER)
    return path


@pytest.fixture
def refused(call: Callable) -> Callable[..., str]:
    """Return the words on standard error of a command that exited with status 2."""

    def refuse(*arguments: object) -> str:
        result = call(*arguments)
        assert_refused(result)
        return str(result.stderr)

    return refuse
