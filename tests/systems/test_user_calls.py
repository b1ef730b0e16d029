"""What a method of a system raises names the method, its file and its line."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from gradpareto.bench.run.attempt import attempt
from gradpareto.estimators import ESTIMATORS
from gradpareto.systems import Array, Policy, Problem, System, Task
from gradpareto.systems.faults import Unsound

POLICY = Policy((1, 1), ("identity",))
THETA = np.array([-0.5, 0.1])


@dataclass(frozen=True)
class Tank(System):
    """x' = u - x, w = x^2, whose method named `fails` does what `how` does."""

    fails: str
    how: Callable[[], object]
    horizon: float = 1.0
    context_dim: int = 1
    state_dim = control_dim = observation_dim = 1

    def _returned(self, method: str, usual: object) -> object:
        return self.how() if method == self.fails else usual

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        return self._returned("flow", (u - x, x[:, 0] ** 2))  # type: ignore[return-value]

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        return self._returned("pullback", (2 * c[:, None] * x - a, a))  # type: ignore[return-value]

    def observe(self, t: Array, x: Array) -> Array:
        return self._returned("observe", x)  # type: ignore[return-value]

    def observe_pullback(self, t: Array, x: Array, o: Array) -> Array:
        return self._returned("observe_pullback", o)  # type: ignore[return-value]

    def terminal(self, x: Array) -> Array:
        return self._returned("terminal", x[:, 0])  # type: ignore[return-value]

    def terminal_gradient(self, x: Array) -> Array:
        return self._returned("terminal_gradient", np.ones_like(x))  # type: ignore[return-value]

    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        return self._returned("sample_x0", np.ones((samples, 1)))  # type: ignore[return-value]

    def sample_context(self, rng: np.random.Generator, x0: Array) -> Array:
        return self._returned("sample_context", np.ones(x0.shape))  # type: ignore[return-value]


def lookup() -> object:
    empty: list[object] = []
    return empty[1]


def exhaust() -> object:
    raise MemoryError


def overflow() -> object:
    raise FloatingPointError("overflow")


@pytest.mark.parametrize("estimator", ["bptt", "ctpg", "ctpg-scipy"])
@pytest.mark.parametrize(
    "method",
    ["flow", "pullback", "observe", "observe_pullback", "terminal", "terminal_gradient"],
)
def test_a_record_of_an_estimator_s_run_names_the_method(method: str, estimator: str) -> None:
    problem = Problem(Tank(method, lookup), POLICY, THETA, 1.0, np.ones((2, 1)))
    outcome = attempt(ESTIMATORS[estimator], problem, np.ones((2, 1)), 0.5)
    where = f"{method} of Tank (test_user_calls.py, line "
    assert (outcome.status, outcome.reason[: len(where)]) == ("raised", where)
    assert outcome.reason.endswith(") raised IndexError: list index out of range")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (lookup, r"\(test_user_calls.py, line \d+\) raised IndexError: list index out of range"),
        (
            lambda: np.ones(2),
            r"\(test_user_calls.py\) returned an array of shape \(2,\), not \(2, 1\)",
        ),
        (lambda: np.ones((3, 1)), r"shape \(3, 1\), not \(2, 1\)"),
        (lambda: np.full((2, 1), np.nan), "float64 with more in it than finite"),
        (lambda: np.full((2, 1), 1j), "complex128 with more in it than finite"),
        (lambda: None, "not"),
    ],
)
@pytest.mark.parametrize("method", ["sample_x0", "sample_context"])
def test_a_draw_that_is_unusable_names_its_method(
    method: str, how: Callable[[], object], words: str
) -> None:
    problem = Problem(Tank(method, how), POLICY, THETA, 1.0)
    with pytest.raises(Unsound, match=rf"^{method} of Tank .*{words}"):
        problem.sample(np.random.default_rng(0), 2)


@pytest.mark.parametrize("method", ["flow", "pullback"])
@pytest.mark.parametrize("returned", [np.ones((2, 1)), None, (np.ones((2, 1)),)])
def test_what_is_no_pair_names_its_method(method: str, returned: object) -> None:
    problem = Problem(Tank(method, lambda: returned), POLICY, THETA, 1.0, np.ones((2, 1)))
    outcome = attempt(ESTIMATORS["bptt"], problem, np.ones((2, 1)), 0.5)
    kind = type(returned).__name__
    told = f"{method} of Tank (test_user_calls.py) returned one {kind}, not 2 arrays"
    assert (outcome.status, outcome.reason) == ("raised", told)


def test_whole_numbers_that_are_drawn_become_floats() -> None:
    problem = Problem(Tank("sample_x0", lambda: [[1], [2]]), POLICY, THETA, 1.0)
    assert problem.sample(np.random.default_rng(0), 2)[1].dtype == np.float64


@pytest.mark.parametrize(
    ("preset", "words"),
    [
        (lambda policy: policy.sise, r"\(test_user_calls.py, line \d+\) raised AttributeError: 'P"),
        (lambda policy: np.ones(3), r"returned an array of shape \(3,\), not \(2,\)"),
        (lambda policy: [np.inf, 0], "with more in it than finite"),
        (lambda policy: [[0.0], 1.0], "returned what is no array"),
        (lambda policy: "theta", r"returned an array of shape \(\), not"),
    ],
)
def test_a_preset_that_is_unusable_is_named(preset: Callable[[Policy], Array], words: str) -> None:
    task = Task(Tank("nothing", lookup), POLICY, {"odd": preset})
    with pytest.raises(Unsound, match=f"^the preset 'odd' .*{words}"):
        task.problem("odd")


@pytest.mark.parametrize(("how", "kind"), [(exhaust, MemoryError), (overflow, FloatingPointError)])
def test_what_an_estimator_may_expect_passes(
    how: Callable[[], object], kind: type[Exception]
) -> None:
    problem = Problem(Tank("flow", how), POLICY, THETA, 1.0, np.ones((1, 1)))
    with pytest.raises(kind):
        problem.flow(np.zeros(1, int), np.zeros(1), np.ones((1, 1)))


def test_a_fault_of_the_caller_is_not_the_system_s() -> None:
    problem = Problem(Tank("nothing", lookup), POLICY, THETA, 1.0, np.ones((1, 1)))
    with pytest.raises(ValueError, match="matmul") as found:
        problem.flow(np.zeros(1, int), np.zeros(1), np.ones((1, 3)))
    assert not isinstance(found.value, Unsound)
