"""Objects from outside become estimators, or are refused in one line."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gradpareto.bench.plugins import PLUGINS, resolve, source
from gradpareto.estimators import ESTIMATORS, Declaration, Estimator
from tests.bench.plugins.conftest import FORMS, SOLVER


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
