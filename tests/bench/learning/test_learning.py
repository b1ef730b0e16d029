"""Learning: the optimisers, the stream of initial states, restarts, budgets and failures."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradpareto.bench.learning import train as training
from gradpareto.bench.learning.compare import Comparison, learn, summary
from gradpareto.bench.learning.history import STATUS, UnusableHistory, load
from gradpareto.bench.learning.optimiser import Adam, Momentum
from gradpareto.bench.learning.setups import Setup, setup_of
from gradpareto.bench.learning.train import Run, heldout_loss, train
from gradpareto.bench.store.unusable import UnusableFolder
from gradpareto.estimators import ESTIMATORS, Declaration, Estimate, Estimator
from gradpareto.systems import LQR, TASKS, Array, Policy, Problem

_I = np.eye(2)
SMALL = Setup(
    LQR(A=0 * _I, B=_I, Q=_I, R=_I, Q_T=0 * _I, horizon=1.5),
    Policy((2, 2), ("identity",)),
    Momentum(1e-2),
    batch=2,
    iterations=8,
)
RUN = Run(SMALL, "ctpg", 1e-4, trials=3, iterations=8, reference_every=4, snapshot_every=4)


def silent(name: str, done: int, total: int) -> None:
    """A report that nobody reads."""


def same(one: Any, other: Any) -> bool:
    """Whether two histories hold the same numbers, times apart."""
    columns = (c for c in training.COLUMNS if c != "wall_s")
    rows = all(np.array_equal(one.column(c), other.column(c), equal_nan=True) for c in columns)
    return rows and np.array_equal(one.state.theta, other.state.theta)


def quadratic(optimiser: Momentum | Adam, steps: int) -> Array:
    """Two trials on 0.5 x'Hx, each from its own start."""
    theta, moments = np.array([[1.0, -2.0], [0.5, 3.0]]), np.zeros((optimiser.count, 2, 2))
    for step in range(steps):
        change, moments = optimiser.change(theta * [1.0, 10.0], moments, np.full(2, step))
        theta = theta + change
    return theta


def test_momentum_is_the_two_term_recurrence() -> None:
    """Truth: x+ - x = decay (x - x-) - rate h x, as a matrix power."""
    rate, decay, h = 0.05, 0.9, 10.0
    step = np.array([[1 + decay - rate * h, -decay], [1.0, 0.0]])
    first = quadratic(Momentum(rate, decay), 30)[0, 1]
    truth = np.linalg.matrix_power(step, 30) @ [-2.0, -2.0]
    assert first == pytest.approx(truth[0], rel=1e-10)


def test_adam_moves_by_its_rate_whatever_the_gradient_s_size() -> None:
    """Truth: at first its mean is g and its spread |g|, so the step is the rate."""
    start = np.array([[1.0, -2.0], [0.5, 3.0]])
    moved = quadratic(Adam(0.1), 1) - start
    np.testing.assert_allclose(moved, -0.1 * np.sign(start), rtol=1e-6)
    assert (np.abs(quadratic(Adam(0.1), 800)) < 1e-3).all()


def test_learning_finds_the_optimal_gain(tmp_path: Path) -> None:
    """Truth: the Riccati equation. Far from T the best gain is -1 whatever x0, and b is zero; over
    a finite horizon the best constant gain is weaker, but no worse than W = -1."""
    setup = replace(SMALL, system=replace(SMALL.system, horizon=6.0), batch=16)
    run = Run(setup, "bptt-dop853", 0.5, iterations=150, heldout_every=0)
    theta = train(run, tmp_path / "h.npz", silent).state.theta
    np.testing.assert_allclose(theta, [[-1, 0, 0, -1, 0, 0]], atol=0.06)
    best = heldout_loss(setup, np.array([[-1.0, 0, 0, -1, 0, 0]]))
    assert heldout_loss(setup, theta)[0] < best[0] * 1.01


@pytest.mark.parametrize("name", TASKS)
def test_the_first_trial_starts_at_the_preset(name: str) -> None:
    task, setup = TASKS[name], setup_of(name)
    theta = setup.initial_theta(2)
    assert not np.array_equal(theta[0], theta[1])
    if "initial" in task.presets:
        np.testing.assert_array_equal(theta[0], task.presets["initial"](task.policy))


@pytest.mark.parametrize("name", ["lqr", "electric"])
def test_a_trial_draws_alike_whoever_else_is_there(name: str) -> None:
    """The stream depends on seed, trial and iteration alone, contexts included."""
    setup = setup_of(name)
    theta = setup.initial_theta(3)
    together, x0 = setup.batch_of(theta, np.arange(3), 5, 7)
    alone, own = setup.batch_of(theta[2:], np.array([2]), 5, 7)
    np.testing.assert_array_equal(x0[2 * setup.batch :], own)
    if setup.system.context_dim:
        assert together.context is not None
        assert alone.context is not None
        np.testing.assert_array_equal(together.context[2 * setup.batch :], alone.context)
    assert not np.array_equal(x0[: setup.batch], own)
    for changed in ((6, 7), (5, 8)):
        assert not np.array_equal(setup.batch_of(theta, np.arange(3), *changed)[1], x0)


def test_trials_side_by_side_learn_what_they_learn_alone(tmp_path: Path) -> None:
    """Truth: the same run with fewer trials; a lane's gradient does not depend on its batch."""
    all_three = train(RUN, tmp_path / "a.npz", silent)
    first = train(replace(RUN, trials=1), tmp_path / "b.npz", silent)
    np.testing.assert_allclose(all_three.state.theta[0], first.state.theta[0], rtol=1e-9)
    np.testing.assert_array_equal(all_three.state.evals[:1], first.state.evals)


def test_counts_and_errors_are_the_estimator_s(tmp_path: Path) -> None:
    history = train(replace(RUN, estimator="bptt", setting=0.1), tmp_path / "h.npz", silent)
    # 15 steps of Euler, a flow and a pullback each, for each of two samples.
    assert (history.column("f_evals") == 30).all()
    assert (history.evals[-1] == 60 * RUN.iterations).all()
    taken = np.isfinite(history.column("rel_error"))
    assert taken.sum() == 2
    assert taken[::4, 0].all()
    assert 1e-3 < np.nanmax(history.column("rel_error")) < 0.5
    assert set(history.snapshots) == {0, 4, 8}
    np.testing.assert_array_equal(history.snapshots[8], history.state.theta[0])


def test_killed_and_restarted_it_ends_with_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(RUN, tmp_path / "whole.npz", silent)
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)

    def killed(name: str, done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(RUN, tmp_path / "part.npz", killed)
    assert len(load(tmp_path / "part.npz", RUN.key, whole.state).rows) == 5
    assert same(train(RUN, tmp_path / "part.npz", silent), whole)


def test_interrupted_before_the_first_iteration_it_ends_with_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that is kept then has no rows, and so no value that tells a column's type."""
    whole = train(RUN, tmp_path / "whole.npz", silent)

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, "_iterate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(RUN, tmp_path / "none.npz", silent)
    assert load(tmp_path / "none.npz", RUN.key, whole.state).rows == []
    assert same(train(RUN, tmp_path / "none.npz", silent), whole)


def test_a_kill_between_checkpoints_loses_iterations_but_no_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(RUN, tmp_path / "whole.npz", silent)
    saves = iter(range(100))

    def only_thrice(path: Path, key: str, history: Any) -> None:
        if next(saves) < 3:
            save(path, key, history)

    save = training.save
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(training, "save", only_thrice)
    train(RUN, tmp_path / "part.npz", silent)
    monkeypatch.setattr(training, "save", save)
    assert len(load(tmp_path / "part.npz", RUN.key, whole.state).rows) == 3
    assert same(train(RUN, tmp_path / "part.npz", silent), whole)


def test_another_run_s_history_and_a_damaged_one_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "h.npz"
    train(RUN, path, silent)
    before = path.read_bytes()
    with pytest.raises(UnusableHistory, match=r"0\.001"):
        train(replace(RUN, setting=1e-3), path, silent)
    assert path.read_bytes() == before
    path.write_bytes(before[:-400])
    with pytest.raises(UnusableHistory, match="damaged"):
        train(RUN, path, silent)


COMPARISON = Comparison("small", SMALL, {"ctpg": 1e-4, "bptt": 0.05}, trials=2, iterations=6)


@pytest.mark.parametrize("budget", ["evals", "seconds", "iterations"])
def test_budgets(tmp_path: Path, budget: Any) -> None:
    """The others stop at the first iteration that brings them past what the first one spent."""
    histories = learn(replace(COMPARISON, budget=budget), tmp_path / "run", silent)
    ctpg, bptt = histories["ctpg"], histories["bptt"]
    assert ctpg.column("status").shape == (6, 2)
    if budget == "iterations":
        assert bptt.column("status").shape == (6, 2)
        return
    spent = {"evals": lambda h: h.evals, "seconds": lambda h: h.seconds}[budget]
    for trial in range(2):
        own, target = spent(bptt)[:, trial], spent(ctpg)[-1, trial]
        made = (bptt.column("status")[:, trial] > 0).sum()
        assert own[-1] >= target > (own[made - 2] if made > 1 else 0)


def test_a_folder_keeps_one_comparison(tmp_path: Path) -> None:
    learn(COMPARISON, tmp_path / "run", silent)
    before = (tmp_path / "run" / "records.csv").read_text()
    learn(COMPARISON, tmp_path / "run", silent)
    assert (tmp_path / "run" / "records.csv").read_text() == before
    with pytest.raises(UnusableFolder, match="iterations"):
        learn(replace(COMPARISON, iterations=7), tmp_path / "run", silent)
    assert (tmp_path / "run" / "records.csv").read_text() == before


class Failing(Estimator):
    """CTPG, but some gradients are lost: lane 0 at odd calls, every lane at the third."""

    declares = Declaration(knob="tolerance", tight=1e-4)

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        estimate = ESTIMATORS["ctpg"](problem, x0, setting)
        if self.calls % 2:
            estimate.grad_theta[0] = np.nan
        if self.calls == 2:
            estimate.loss[:] = np.inf
        self.calls += 1
        return estimate


class Raising(Failing):
    """A simulator that gives up."""

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        raise ArithmeticError("bad qacc")


@pytest.fixture
def with_estimator(monkeypatch: pytest.MonkeyPatch) -> Callable[[Estimator], None]:
    def register(estimator: Estimator) -> None:
        monkeypatch.setitem(ESTIMATORS, "ctpg-failing", estimator)

    return register


def test_skip_leaves_lost_samples_out(tmp_path: Path, with_estimator: Callable) -> None:
    with_estimator(Failing())
    run = replace(RUN, estimator="ctpg-failing", trials=1, iterations=4, reference_every=0)
    history = train(run, tmp_path / "h.npz", silent)
    assert history.column("failures")[:, 0].tolist() == [0, 1, 2, 1]
    status = [STATUS[code] for code in history.column("status")[:, 0]]
    assert status == ["ok", "ok", "skipped", "ok"]
    assert np.isfinite(history.state.theta).all()
    assert history.state.updates[0] == 3
    # What is left of iteration 1 is the gradient of its second sample.
    problem, x0 = SMALL.batch_of(load_theta_after(run, tmp_path, 1), np.arange(1), 0, 1)
    own = ESTIMATORS["ctpg"](problem, x0, run.setting).grad_theta[1]
    assert history.column("grad_norm")[1, 0] == pytest.approx(np.linalg.norm(own), rel=1e-9)


def load_theta_after(run: Run, folder: Path, iterations: int) -> Array:
    """Parameters after some iterations of the run whose first step is CTPG's own."""
    plain = replace(run, estimator="ctpg", iterations=iterations)
    return train(plain, folder / "plain.npz", silent).state.theta


def test_stop_ends_the_trial_as_diverged(tmp_path: Path, with_estimator: Callable) -> None:
    """The other trial goes on; the one that diverged keeps the last finite parameters."""
    with_estimator(Failing())
    run = replace(RUN, estimator="ctpg-failing", trials=2, iterations=2, on_divergence="stop")
    history = train(replace(run, reference_every=0), tmp_path / "h.npz", silent)
    assert [STATUS[code] for code in history.state.status] == ["diverged", "done"]
    assert np.isfinite(history.state.theta).all()
    assert history.state.updates.tolist() == [1, 2]


def test_an_estimator_that_raises_is_recorded(tmp_path: Path, with_estimator: Callable) -> None:
    with_estimator(Raising())
    run = replace(RUN, estimator="ctpg-failing", trials=1, iterations=3)
    history = train(run, tmp_path / "h.npz", silent)
    assert (history.column("status") == STATUS.index("skipped")).all()
    np.testing.assert_array_equal(history.state.theta, SMALL.initial_theta(1))


def test_the_summary_counts_what_was_lost(tmp_path: Path, with_estimator: Callable) -> None:
    with_estimator(Failing())
    comparison = replace(COMPARISON, settings={"ctpg-failing": 1e-4}, trials=1, iterations=4)
    row = summary(comparison, learn(comparison, tmp_path / "run", silent))[0]
    assert (row.iterations, row.failures, row.skipped) == (4, 4, 1)
    assert row.heldout_after < row.heldout_before
