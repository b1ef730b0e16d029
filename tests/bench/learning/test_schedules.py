"""Schedules of horizon and rate, and clipping by norm."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradpareto.bench.learning import train as training
from gradpareto.bench.learning.schedules import CosineDecay, GrowingHorizon
from gradpareto.bench.learning.setups import Setup, setup_of
from gradpareto.bench.learning.train import Run, train
from gradpareto.bench.run.report import silent

SCHEDULED = replace(
    setup_of("lqr"), clip_norm=0.1, growth=GrowingHorizon(0.5, 0.5), decay=CosineDecay()
)
RUN = Run(SCHEDULED, "ctpg", 1e-3, trials=2, iterations=8)


def test_a_horizon_grows_in_proportion_and_then_stays() -> None:
    """Truth: by hand."""
    schedule = GrowingHorizon(1.0, 0.6)
    found = [schedule.at(progress, 5.0) for progress in (0, 0.15, 0.3, 0.6, 0.9, 1)]
    assert found == pytest.approx([1, 2, 3, 5, 5, 5])


def test_a_rate_falls_along_half_a_cosine() -> None:
    """Truth: by hand; it falls everywhere."""
    found = [CosineDecay(0.1).at(progress) for progress in (0, 1 / 3, 0.5, 1)]
    assert found == pytest.approx([1, 0.1 + 0.9 * 0.75, 0.55, 0.1])
    assert (np.diff([CosineDecay().at(k / 50) for k in range(51)]) < 0).all()


def test_a_gradient_is_clipped_to_a_norm_and_keeps_its_direction() -> None:
    setup = replace(setup_of("lqr"), clip=np.inf, clip_norm=2.0)
    gradient = np.array([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
    expected = [[1.2, 1.6], [0.3, 0.4], [0.0, 0.0]]
    np.testing.assert_allclose(setup.clipped(gradient), expected, rtol=1e-14)


def test_a_training_takes_each_step_at_its_horizon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Truth: the horizons, by hand."""
    horizons, plain = [], Setup.batch_of

    def watched(setup: Setup, *given: Any, **named: Any) -> Any:
        problem, x0 = plain(setup, *given, **named)
        horizons.append(problem.horizon)
        return problem, x0

    monkeypatch.setattr(Setup, "batch_of", watched)
    train(RUN, tmp_path / "history.npz", silent)
    whole = SCHEDULED.system.horizon
    rising = [0.5 + (whole - 0.5) * k / 4 for k in range(4)]
    assert horizons == pytest.approx(rising + [whole] * 4)


@pytest.mark.parametrize("progress", [0, 3])
def test_the_step_is_multiplied_by_the_decay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, progress: int
) -> None:
    """Truth: one iteration with a schedule that is at a fixed share of its way."""
    moved = []
    for decay in (None, CosineDecay()):
        setup = replace(setup_of("lqr"), decay=decay)
        run = Run(setup, "ctpg", 1e-3, iterations=8)
        monkeypatch.setattr(training, "_progress_of", lambda run, state: progress / 8)
        state = training._start(run)
        after = training._iterate(run, state)
        moved.append(after.theta - state.state.theta)
    share = (1 + np.cos(np.pi * progress / 8)) / 2
    np.testing.assert_allclose(moved[1], share * moved[0], rtol=1e-12, atol=1e-18)


def test_killed_and_restarted_it_ends_with_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with an allowance, of which the progress is the share that is spent."""
    spent = train(RUN, tmp_path / "first.npz", silent).state.evals
    for run in (RUN, replace(RUN, iterations=100, allowance=spent.astype(float))):
        whole = train(run, tmp_path / f"whole {run.iterations}.npz", silent)
        path = tmp_path / f"killed {run.iterations}.npz"

        def killed(name: str, done: int, total: int) -> None:
            if done >= total // 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(run, path, killed)
        np.testing.assert_array_equal(train(run, path, silent).state.theta, whole.state.theta)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--growth", "1", "0"), "--growth must be a positive number"),
        (("--growth", "1", "1.5"), "until 1.5 of the training"),
        (("--growth", "1e9", "0.5"), "beyond its whole, 10"),
        (("--growth", "2", "0.5", "--horizon", "1"), "beyond its whole, 1"),
        (("--clip-norm", "0"), "--clip-norm must be a positive number"),
        (("--horizon", "0"), "--horizon must be a positive number"),
        (("--horizon", "1e9"), "more than 100 times lqr's own, 10"),
        (("--sample-evals", "0"), "--sample-evals must be a positive number"),
        (
            ("--sample-evals", "1"),
            "ctpg at 0.001 takes at least 12 evaluations a sample, and 1 are",
        ),
        (("--estimator", "bptt=0.1", "--sample-evals", "199"), "takes at least 200 evaluations"),
        (("--precision", "float16"), "float16"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(
    call: Any, tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    result = call("learn", "lqr", *options, "--iterations", "1", "--out", tmp_path / "run")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert words in result.stderr
    assert not (tmp_path / "run").exists()


def test_the_options_are_those_of_the_set_up(call: Any, tmp_path: Path) -> None:
    """Truth: the run's key, which is kept in its history."""
    options = ("--growth", "2", "0.5", "--decay", "--clip-norm", "3", "--adam", "0.1")
    few = ("--estimator", "ctpg", "--iterations", "2", "--out", tmp_path / "run")
    result = call("learn", "lqr", *options, *few)
    assert result.returncode == 0, result.stderr
    with np.load(next((tmp_path / "run").glob("*.npz"))) as file:
        key = str(file["key"])
    assert "norm 3, " in key
    assert "GrowingHorizon(start=2.0, until=0.5) CosineDecay(end=0.0)" in key


def test_a_training_in_float32_gives_estimators_nothing_else(tmp_path: Path) -> None:
    """Truth: in float64 the gradient differs, by no more than float32 rounds over some steps."""
    single = replace(SCHEDULED, precision="float32")
    problem, x0 = single.batch_of(single.initial_theta(2), np.arange(2), 0, 0)
    assert {problem.theta.dtype, x0.dtype} == {np.dtype(np.float32)}
    found = [
        train(replace(RUN, setup=setup), tmp_path / f"{setup.precision}.npz", silent)
        for setup in (single, SCHEDULED)
    ]
    one, two = (history.column("grad_norm")[0] for history in found)
    assert (one != two).all()
    np.testing.assert_allclose(one, two, rtol=1e-4)


def test_a_sample_over_its_allowance_is_counted_and_left_out(tmp_path: Path) -> None:
    """Truth: the counts of the run without one; an allowance below each loses every sample."""
    free = train(RUN, tmp_path / "free.npz", silent)
    least = free.column("f_evals")[0].min() / SCHEDULED.batch
    held = replace(RUN, setup=replace(SCHEDULED, sample_evals=0.5 * least))
    lost = train(held, tmp_path / "held.npz", silent)
    assert (lost.column("failures") == SCHEDULED.batch).all()
    assert (free.column("failures") == 0).all()
    np.testing.assert_array_equal(
        lost.state.theta, free.snapshots[0][None] * 0 + SCHEDULED.initial_theta(2)
    )
