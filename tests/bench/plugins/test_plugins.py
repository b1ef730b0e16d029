"""Estimators, solvers, tableaus and systems from outside the repository."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gradpareto.bench.plugins import PLUGINS, Unusable, plugin_estimator, registry, resolve, source
from gradpareto.bench.run.plan import Plan
from gradpareto.bench.run.sweep import Budget, sweep
from gradpareto.bench.store.records import RunFolder, UnusableFolder
from gradpareto.estimators import ESTIMATORS, Declaration, Estimator
from gradpareto.estimators.solvers.explicit.tableaus import BS3, DOPRI5
from gradpareto.systems import TASKS
from tests.bench.conftest import ROOT, assert_refused

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
    """What a test registers is gone after it, and no code that it loaded is held."""
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
    for held in (plugin_estimator.made_of, plugin_estimator.code_of, source._module):
        held.cache_clear()


@pytest.fixture
def solver(tmp_path: Path) -> Path:
    path = tmp_path / "my_solver.py"
    path.write_text(SOLVER)
    return path


@pytest.fixture
def refused(call: Callable) -> Callable[..., str]:
    """What the command line says on standard error before it exits with status 2."""

    def refuse(*arguments: object) -> str:
        result = call(*arguments)
        assert_refused(result)
        return str(result.stderr)

    return refuse


FORMS = ("ctpg", "gauss_adjoint", "backsolve")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MySolver", [f"MySolver-{form}" for form in FORMS]),
        ("as_function", [f"as_function-{form}" for form in FORMS]),
        ("instance", [f"instance-{form}" for form in FORMS]),
        ("Scipys", [f"Scipys-{form}" for form in FORMS]),
        ("RK45", [f"RK45-{form}" for form in FORMS]),
        ("Alias", [f"Alias-{form}" for form in FORMS]),
        ("Coefficients", ["Coefficients"]),
        ("nameless", ["nameless"]),
        ("Whole", ["Whole"]),
        ("MySolver-gauss_adjoint", ["MySolver-gauss_adjoint"]),
    ],
)
def test_objects_of_every_kind_become_estimators(
    solver: Path, name: str, expected: list[str]
) -> None:
    assert list(resolve(f"{solver}:{name}")) == expected
    assert all(isinstance(ESTIMATORS[full], Estimator) for full in expected)


def test_declarations_are_those_of_what_was_brought(solver: Path) -> None:
    resolve(f"{solver}:nameless")
    resolve(f"{solver}:Whole")
    resolve(f"{solver}:MySolver")
    assert (ESTIMATORS["nameless"].declares.knob, ESTIMATORS["nameless"].declares.order) == (
        "step",
        1,
    )
    assert ESTIMATORS["Whole"].declares.tight == 1e-7
    assert ESTIMATORS["MySolver-backsolve"].declares.memory == 0
    assert not ESTIMATORS["MySolver-ctpg"].declares.follows_dtype


@pytest.mark.parametrize(("name", "tight"), [("Frozen", 0.01), ("FrozenEstimator", 1e-3)])
def test_nothing_is_written_into_a_frozen_object(solver: Path, name: str, tight: float) -> None:
    solver.write_text(f"{SOLVER}\ngiven = {name}()\n")
    resolve(f"{solver}:given")
    assert ESTIMATORS["given"].declares == Declaration(knob="step", tight=tight)
    given = source.load(PLUGINS["given"].source)
    assert vars(given) == ({} if name == "Frozen" else {"step": 1e-3})


def test_a_path_may_be_relative(solver: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(solver.parent)
    assert resolve("my_solver.py:nameless") == ("nameless",)
    monkeypatch.chdir("/")  # a worker may be anywhere
    problem, x0 = TASKS["lqr"].problem("optimal"), np.ones((1, 2))
    anew()
    assert ESTIMATORS["nameless"](problem, x0, 1.0).steps == 10


def test_a_name_in_an_importable_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a_package").mkdir()
    (tmp_path / "a_package" / "__init__.py").write_text("from a_package.inner import thing\n")
    (tmp_path / "a_package" / "inner.py").write_text(SOLVER + "\nthing = instance\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert resolve("a_package.inner:nameless") == ("nameless",)
    before = resolve("a_package:thing") and PLUGINS["thing"].code
    (tmp_path / "a_package" / "inner.py").write_text(SOLVER + "\nthing = instance  # now\n")
    assert source.digest(PLUGINS["thing"].source) != before


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("my_solvr.py:MySolver", ("no such file", "my_solver.py")),
        ("my_solver.py:MySlover", ("no 'MySlover'", "did you mean 'MySolver'")),
        ("my_solver.py:MySolver-ctgp", ("no form 'ctgp'", "MySolver-ctpg")),
        ("my_solver.py:nameless-ctpg", ("no form 'ctpg'", "an estimator as a whole")),
        ("my_solver.py:number", ("number is an int", "a solver (rhs, span, y0, tolerance)")),
        ("my_solver.py:task", ("task is a Task",)),
        ("my_solver.py:pair", ("pair(x, y) is not",)),
        ("my_solver.py:Abstract", ("abstract", "__call__")),
        ("my_solver.py:Greedy", ("without arguments", "name an instance")),
        ("my_solver.py:Turned", ("'volume'", "'step' or 'tolerance'")),
        ("my_solver.py:misspelt", ("misspelt", "'ordr'", "did you mean 'order'?")),
        ("my_solver.py:worded", ("worded: its exact is 'yes', not True or False",)),
        ("my_solver.py:loose", ("loose: its tight setting is -1, not a positive number",)),
        ("my_solver.py:Unrecorded", ("Unrecorded: its `declares` is", "not a Declaration")),
        ("my_solver.py:Louder", ("Louder: its knob is 'volume'", "'step' or 'tolerance'")),
        ("my_solver.py:Both", ("a tableau (a, b and c) or a solver (solve)", "rename")),
        ("my_solver.py:Later", ("a tableau (a, b and c) or a function (__call__)", "rename")),
        ("my_solver.py:Helped", ("a solver (solve) or a function (__call__)", "derive")),
        ("my_solver.py:weighted", ("a tableau (a, b and c) or a function (__call__)", "rename")),
        ("my_solver.py:bptt", ("'bptt' is the name of a registered estimator",)),
        ("my_solver.py", ("is a file", "my_solver.py:NAME")),
        ("my_solver.py:", ("neither PATH.py:NAME nor MODULE:NAME",)),
        ("my_solver.txt/x:MySolver", ("should end in .py",)),
        ("no_such_package.inner:MySolver", ("no module named 'no_such_package'",)),
        ("broken.py:MySolver", ("syntax error in line 2",)),
        ("raising.py:MySolver", ("raising.py fails to import", "ZeroDivisionError")),
        ("leaving.py:MySolver", ("leaving.py fails to import", "SystemExit")),
        ("needing.py:MySolver", ("needing.py fails to import", "no_such_package")),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    refused: Callable[..., str],
    solver: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    words: tuple[str, ...],
) -> None:
    (solver.parent / "broken.py").write_text("class MySolver:\n  def\n")
    (solver.parent / "raising.py").write_text("1 / 0\n")
    (solver.parent / "leaving.py").write_text("import sys\nsys.exit(0)\n")
    (solver.parent / "needing.py").write_text("import no_such_package\n")
    monkeypatch.chdir(solver.parent)
    said = refused("compare", name, "bptt", "--system", "lqr", "--out", solver.parent / "run")
    for word in words:
        assert word in said
    assert not (solver.parent / "run").exists()


@pytest.mark.parametrize(
    "arguments",
    [("overhead", "--estimator"), ("learn", "lqr", "--estimator"), ("compare", "ctpg")],
)
def test_where_one_is_meant_several_forms_are_refused(
    refused: Callable[..., str], solver: Path, arguments: tuple[str, ...]
) -> None:
    said = refused(*arguments, f"{solver}:MySolver")
    assert all(form in said for form in FORMS)


def test_two_plug_ins_of_one_name(solver: Path, refused: Callable[..., str]) -> None:
    other = solver.with_name("other.py")
    other.write_text(SOLVER)
    said = refused("compare", f"{solver}:Whole", f"{other}:Whole")
    assert "two plug-ins are called Whole" in said


TABLEAU = """
class Mine:
    a, b, c, order = [[0, 0, 0], [1/2, 0, 0], [-1, 2, 0]], [1/6, 2/3, 1/6], [0, 1/2, 1], 3
class Row(Mine):
    c = [0, 0.51, 1]
class Order(Mine):
    order = 4
class Weights(Mine):
    b = [1/6, 2/3, 1/5]
class Implicit(Mine):
    a = [[0, 0, 0], [1/4, 1/4, 0], [-1, 2, 0]]
class Shape(Mine):
    c = [0, 1]
class Infinite(Mine):
    b = [1/6, 2/3, float("nan")]
class Words(Mine):
    b = ["a", "b", "c"]
class Estimate(Mine):
    b_hat = [0, 1, 0.1]
class Nothing(Mine):
    b_hat = [1/6, 2/3, 1/6]
class Long(Mine):
    error = [1, -1]
"""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Row", ("row 2 of a sums to 0.5", "c is 0.51", "off by -0.01")),
        ("Order", ("not of order 4", "condition of order 4", "off by")),
        ("Weights", ("not of order 3", "sum(b) is 1.03", "off by 0.033")),
        ("Implicit", ("not explicit", "stage 2 reads stage 2", "0.25")),
        ("Shape", ("(3, 3), (3,), (2,)",)),
        ("Infinite", ("b holds what is not a finite real number",)),
        ("Words", ("b is no array of numbers",)),
        ("Estimate", ("error estimate", "sum(e) is -0.1")),
        ("Nothing", ("error estimate is zero",)),
        ("Long", ("error has 2 weights, not 3 or 4",)),
    ],
)
def test_an_inconsistent_tableau_is_one_line_that_names_what_and_by_how_much(
    refused: Callable[..., str], tmp_path: Path, name: str, words: tuple[str, ...]
) -> None:
    (tmp_path / "mine.py").write_text(TABLEAU)
    said = refused("check", f"{tmp_path / 'mine.py'}:{name}")
    for word in words:
        assert word in said


def test_a_tableau_as_books_print_it_is_the_registered_one(tmp_path: Path) -> None:
    """Truth: the registered forms. The last stage, which is the next first, is counted once."""
    lines = [
        "from gradpareto.estimators.solvers.explicit.tableaus import BS3, DOPRI5",
        "import numpy as np",
    ]
    for registered in ("BS3", "DOPRI5"):
        lines += [
            f"class Own{registered}:",
            f"    a = np.pad({registered}.a, (0, 1))",
            f"    a[-1, :-1] = {registered}.b",
            f"    b, c = np.pad({registered}.b, (0, 1)), np.append({registered}.c, 1.0)",
            f"    b_hat = b - {registered}.error[0]",
        ]
    (tmp_path / "mine.py").write_text("\n".join(lines) + "\n")
    problem, x0 = TASKS["lqr"].problem("perturbed"), np.array([[1.0, -2.0]])
    for name, tableau in (("OwnBS3", BS3), ("OwnDOPRI5", DOPRI5)):
        names = resolve(f"{tmp_path / 'mine.py'}:{name}")
        assert {f"{name}-{form}" for form in ("bptt", "ctpg", "backsolve")} <= set(names)
        assert ESTIMATORS[f"{name}-bptt"].declares.order == tableau.order
        assert ESTIMATORS[f"{name}-bptt"].declares.calls_per_step == 2 * tableau.stages
        registered = {"OwnBS3": "bptt-bs3", "OwnDOPRI5": "bptt-dopri5"}[name]
        for own, other in ((f"{name}-bptt", registered), (f"{name}-ctpg", f"ctpg{registered[4:]}")):
            found = ESTIMATORS[own](problem, x0, 0.01)
            truth = ESTIMATORS[other](problem, x0, 0.01)
            if own.endswith("bptt"):
                np.testing.assert_allclose(found.gradient, truth.gradient, rtol=1e-12)
            assert abs(found.loss / truth.loss - 1) < 0.1


PROBLEM = (("lqr", "optimal"),)


def measured(folder: RunFolder, names: tuple[str, ...], cache: Path, *settings: float) -> list[str]:
    """The cells that a sweep of estimators by name measured, on one sample."""
    asked: list[str] = []
    plan = Plan(PROBLEM, names, samples=1, settings=settings or (0.5,), timed=False)
    sweep(plan, folder, cache, Budget(workers=1), lambda name, done, total: asked.append(name))
    return [name for name in asked if not name.startswith("reference")]


def test_a_plug_in_whose_code_has_changed_is_measured_anew_and_nothing_is_lost(
    solver: Path, tmp_path: Path, cache: Path
) -> None:
    folder = RunFolder(tmp_path / "run")
    names = resolve(f"{solver}:nameless")
    assert measured(folder, ("bptt", *names), cache) == [
        "lqr.optimal.bptt.0.5",
        "lqr.optimal.nameless.0.5",
    ]
    assert measured(folder, ("bptt", *names), cache) == []
    cells = folder.path / "cells"
    old = (cells / "lqr.optimal.nameless.0.5.csv").read_text()
    contents = [old]
    for version in (2, 3, 2):
        solver.write_text(SOLVER.replace('ESTIMATORS["bptt"](', f"(lambda *_: 1/0)({version}, "))
        anew()
        PLUGINS.clear()
        del ESTIMATORS["nameless"]
        resolve(f"{solver}:nameless")
        assert measured(folder, ("bptt", *names), cache) == ["lqr.optimal.nameless.0.5"]
        now = (cells / "lqr.optimal.nameless.0.5.csv").read_text()
        assert "ZeroDivisionError" in now
        contents.append(now)
        aside = sorted((folder.path / "aside").rglob("*.csv"))
        assert sorted(path.read_text() for path in aside) == sorted(contents[:-1])
    records = pd.read_csv(folder.records_path)
    assert set(records.status[records.estimator == "nameless"]) == {"raised"}
    text = folder.provenance_path.read_text()
    held = json.loads(text)["plugins"]["nameless"]
    assert held["source"] == "my_solver.py:nameless"
    assert held["digest"] == PLUGINS["nameless"].code
    assert str(tmp_path) not in text


def test_code_beside_a_plug_in_s_file_belongs_to_it(tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").write_text("steps = 3\n")
    (tmp_path / "unrelated.py").write_text("steps = 3\n")
    path = tmp_path / "mine.py"
    path.write_text("import beside_it\ndef own(problem, x0, setting): ...\n")
    resolve(f"{path}:own")
    at = PLUGINS["own"].source
    before = source.digest(at)
    (tmp_path / "unrelated.py").write_text("steps = 4\n")
    assert source.digest(at) == before
    (tmp_path / "beside_it.py").write_text("steps = 4\n")
    assert source.digest(at) != before


SIBLINGS = {"systems": "HALF = 0.5\n", "estimators": 'NAME = "bptt-rk4"\n', "bench": "TWO = 2\n"}
WITH_SIBLINGS = """
import bench, estimators, systems
from gradpareto.estimators import ESTIMATORS

def own(problem, x0, setting):
    return ESTIMATORS[estimators.NAME](problem, x0, setting * systems.HALF * bench.TWO)

own.knob, own.tight = "step", 0.01
"""


def test_modules_beside_a_plug_in_may_have_the_names_of_this_project_s_folders(
    tmp_path: Path, run: Callable
) -> None:
    """The process and its workers start in the checkout, which has folders of these names."""
    for name, text in SIBLINGS.items():
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "mine.py").write_text(WITH_SIBLINGS)
    out = tmp_path / "run"
    options = ("--system", "lqr", "--theta", "optimal", "--samples", 1, "--out", out)
    estimators = ("--estimator", f"{tmp_path / 'mine.py'}:own", "--estimator", "bptt-rk4")
    result = run("sweep", *estimators, "--setting", 0.5, *options)
    assert result.returncode == 0, result.stderr
    records = RunFolder(out).read_cells().set_index("estimator")
    assert set(records.status) == {"ok"}
    assert records.loss["own"] == records.loss["bptt-rk4"]


def test_it_starts_in_a_folder_whose_modules_raise(tmp_path: Path) -> None:
    for name in SIBLINGS:
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('not to be imported')\n")
    command = [sys.executable, "-m", "gradpareto", "list", "--json"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert set(json.loads(result.stdout)["estimators"]) >= {"bptt", "ctpg"}


def test_a_published_run_s_records_of_older_code_are_set_aside_too(
    solver: Path, tmp_path: Path, cache: Path
) -> None:
    folder = RunFolder(tmp_path / "run")
    names = resolve(f"{solver}:nameless")
    measured(folder, ("bptt", *names), cache)
    shutil.rmtree(folder.path / "cells")
    solver.write_text(SOLVER + "# another\n")
    anew()
    PLUGINS.clear()
    del ESTIMATORS["nameless"]
    resolve(f"{solver}:nameless")
    assert measured(folder, ("bptt", *names), cache) == ["lqr.optimal.nameless.0.5"]
    assert len(list((folder.path / "aside").rglob("*.csv"))) == 1


def test_a_name_that_stands_for_something_else_in_the_folder_is_refused(
    solver: Path, tmp_path: Path, cache: Path
) -> None:
    folder = RunFolder(tmp_path / "run")
    names = resolve(f"{solver}:nameless")
    measured(folder, names, cache)
    held = PLUGINS.pop("nameless")
    ESTIMATORS["nameless"] = ESTIMATORS["bptt"]  # it has been registered since
    with pytest.raises(UnusableFolder, match=r"plug-in my_solver.py:nameless under the name"):
        measured(folder, names, cache)
    own = RunFolder(tmp_path / "own")
    measured(own, names, cache)
    PLUGINS["nameless"] = held  # it was registered once
    with pytest.raises(UnusableFolder, match="not its own"):
        measured(own, names, cache)


def test_a_file_that_is_changed_while_it_is_measured_is_not_recorded_as_itself(
    solver: Path,
) -> None:
    resolve(f"{solver}:nameless")
    solver.write_text(SOLVER + "# now\n")
    anew()
    problem, x0 = TASKS["lqr"].problem("optimal"), np.ones((1, 2))
    with pytest.raises(Unusable, match="changed while it was being measured"):
        ESTIMATORS["nameless"](problem, x0, 1.0)


def test_learning_starts_anew_where_a_plug_in_has_changed(
    solver: Path, tmp_path: Path, run: Callable
) -> None:
    out = tmp_path / "learn"
    command = ("learn", "lqr", "--estimator", f"{solver}:nameless=0.5", "--iterations", 2)
    for _ in range(2):
        result = run(*command, "--out", out)
        assert result.returncode == 0, result.stderr
    assert not (out / "aside").exists()
    solver.write_text(SOLVER + "# another\n")
    assert run(*command, "--out", out).returncode == 0
    assert [path.name for path in (out / "aside").rglob("*.npz")] == ["nameless.npz"]


def test_what_a_plug_in_prints_is_not_in_the_result(solver: Path, run: Callable) -> None:
    """Also that a class which cannot be pickled gets to the worker."""
    out = solver.parent / "run"
    options = ("--system", "lqr", "--theta", "optimal", "--samples", 1, "--out", out, "--json")
    result = run("compare", f"{solver}:Whole", "bptt", *options)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)[0]["answer"] == "dominates"
    assert "this is not JSON" in result.stderr
    result = run("overhead", "--estimator", f"{solver}:Whole", "--system", "lqr", "--json")
    assert json.loads(result.stdout)["factor"] > 1


ENTRIES = """
[gradpareto.estimators]
mine = an_offer:solver
ctpg = an_offer:solver
gone = an_offer:nothing
wrong = an_offer:number
bad = an_offer_that_raises:solver
leaves = an_offer_that_leaves:solver
odd = an_offer

[gradpareto.systems]
tank = an_offer:TASK
lqr = an_offer:TASK
nosystem = an_offer:number
"""
OFFER = '''
from dataclasses import dataclass
import numpy as np
from scipy.integrate import solve_ivp
from gradpareto.systems import Policy, System, Task

def solver(rhs, span, y0, tolerance):
    options = dict(rtol=tolerance, atol=1e-3 * tolerance, dense_output=True)
    return solve_ivp(rhs, span, y0, "DOP853", **options).sol

number = 3

@dataclass(frozen=True)
class Tank(System):
    """A level that leaks: x' = u - x, w = x^2 + u^2."""
    horizon: float = 1.0
    state_dim = control_dim = observation_dim = 1
    def flow(self, t, x, u):
        return u - x, (x * x + u * u)[:, 0]
    def pullback(self, t, x, u, a, c):
        return -a + 2 * c[:, None] * x, a + 2 * c[:, None] * u
    def sample_x0(self, rng, samples):
        return rng.standard_normal((samples, 1))

TASK = Task(Tank(), Policy((1, 1), ("identity",)), {"only": lambda policy: np.array([-0.5, 0.1])})
'''


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with entry points, good and broken."""
    info = tmp_path / "an_offer-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: an-offer\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRIES)
    (tmp_path / "an_offer.py").write_text(OFFER)
    (tmp_path / "an_offer_that_raises.py").write_text("raise RuntimeError('two\\nlines')\n")
    (tmp_path / "an_offer_that_leaves.py").write_text("raise SystemExit\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    return tmp_path


def test_entry_points_are_listed_and_a_broken_one_breaks_nothing(
    installed: Path, run: Callable
) -> None:
    result = run("list", "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert {f"mine-{form}" for form in FORMS} <= set(found["estimators"])
    assert found["systems"]["tank"]["presets"] == ["only"]
    assert found["estimators"]["ctpg"]["order"] == 5  # is who it was
    broken = found["broken"]
    assert set(broken) == {"ctpg", "gone", "wrong", "bad", "leaves", "odd", "lqr", "nosystem"}
    assert "registered estimator" in broken["ctpg"]
    assert "has no 'nothing'" in broken["gone"]
    assert "fails to import: RuntimeError: two" in broken["bad"]
    assert "SystemExit" in broken["leaves"]
    assert "not MODULE:NAME" in broken["odd"]
    assert "not gradpareto.Task" in broken["nosystem"]
    assert all("an-offer" in reason for reason in broken.values())
    shown = run("list").stdout
    assert "bad is broken: an_offer_that_raises fails to import" in shown
    assert_refused(run("check", "bad"), "'bad' is broken", "RuntimeError")


def test_entry_points_are_used_by_name_wherever_a_name_is(
    installed: Path, run: Callable, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    options = ("--system", "tank", "--samples", 2, "--out", out, "--json")
    result = run("compare", "mine", "bptt", *options)
    verdicts = json.loads(result.stdout)
    assert {row["new"] for row in verdicts} == {f"mine-{form}" for form in FORMS}
    ahead = [row["answer"] == "dominates" for row in verdicts if row["weight"] == 1]
    assert result.returncode == (0 if any(ahead) else 1), result.stderr
    result = run("sweep", "--estimator", "mine-ctpg", "--setting", 1e-4, *options)
    assert result.returncode == 0, result.stderr
    certificate = json.loads(run("reference", "tank", "--samples", 2, "--json").stdout)
    assert certificate[0]["rel_uncertainty"] < 1e-12
    held = json.loads((out / "provenance.json").read_text())
    assert held["system_plugins"]["tank"]["source"] == "an_offer:TASK"
    (installed / "an_offer.py").write_text(OFFER.replace("u - x", "u - 2 * x"))
    result = run("sweep", "--estimator", "bptt", "--setting", 0.5, *options)
    assert result.returncode == 0, result.stderr
    # All that was measured on the system as it was is apart, and its quadrature limit.
    assert {path.parent.name for path in (out / "aside").rglob("*.csv")} == {"cells", "limits"}
    assert set(RunFolder(out).read_cells().estimator) == {"bptt"}


def test_a_plug_in_system_is_learned(installed: Path, run: Callable, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = run("learn", "tank", "--iterations", 2, "--out", out, "--json")
    assert result.returncode == 0, result.stderr
    rows = json.loads(result.stdout)
    assert [row["estimator"] for row in rows] == ["ctpg", "bptt"]
    assert rows[0]["iterations"] == 2
    # A step down the true gradient: the loss on other initial states falls.
    assert rows[0]["heldout_after"] < rows[0]["heldout_before"]
    held = json.loads((out / "provenance.json").read_text())
    assert held["system_plugins"]["tank"]["source"] == "an_offer:TASK"
