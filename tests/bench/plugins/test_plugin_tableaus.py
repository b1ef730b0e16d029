"""Tableaus from outside become the estimators of registered ones, or are refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gradpareto.bench.plugins import resolve
from gradpareto.estimators import ESTIMATORS
from gradpareto.estimators.solvers.explicit.tableaus import BS3, DOPRI5
from gradpareto.systems import TASKS

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
