"""Figure 7: the quadrotor under three set-ups, of which the last learns to fly."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from gradpareto.bench.draw.sheet import sheet
from gradpareto.bench.draw.styles import style_of
from gradpareto.bench.draw.ticks import plain_log
from gradpareto.bench.learning.curves import HALF, draw_curves
from gradpareto.bench.learning.history import History
from gradpareto.bench.learning.paths import paths
from gradpareto.bench.learning.setups import Setup, setup_of
from gradpareto.bench.paper.reproduction import Experiment, Found, Scale
from gradpareto.bench.run.report import Report
from gradpareto.systems import Array
from gradpareto.systems.quadrotor import POSITION, Quadrotor

ESTIMATORS = ("ctpg", "bptt", "bptt-rk4", "multistep_adjoint")
STEPS = {"bptt": 5 / 220, "bptt-rk4": 5 / 100}
"""Euler's steps take 440 evaluations over the horizon, as many as CTPG where the policy flies."""
TRIALS = 5
LOSSES = {"heldout_loss": "held-out loss", "loss": "loss of the batch"}
ARRIVED = 0.2
"""The distance from the origin, in metres, within which a flight has arrived."""
SAMPLE_EVALS = 2_000
"""The evaluations that a sample may take, in every row. Some policies spin ever faster while they
are trained, and an iteration would come to take minutes."""
LEFT_OUT = f"a sample that took more than {SAMPLE_EVALS:,} evaluations was left out"
UNCHECKED = "no gradient was checked, since a reference of a quadrotor that spins is not certified"
NINE_TENTHS = "median of all flights, and nine tenths of them"
POINTS, TOLERANCE, ATTEMPTS = 51, 1e-5, 200
"""A flight is solved to TOLERANCE at POINTS times. It is lost if it needs more than ATTEMPTS steps
from one time to the next, since a spinning quadrotor would take minutes."""


@dataclass(frozen=True)
class Row:
    """A set-up of the figure: `name` stands in its findings, `title` at its panels.

    Held-out losses are drawn, unless hardly any can be solved: then those of the batches are.
    """

    name: str
    title: str
    setup: Setup
    iterations: int
    heldouts: int
    references: int
    losses: str = "heldout_loss"


def rows() -> tuple[Row, ...]:
    """Return the three set-ups: each differs from the next in what decides."""
    limited = partial(replace, settings=STEPS, sample_evals=SAMPLE_EVALS)
    smooth = limited(setup_of("quadrotor_smooth"))
    paper = limited(
        setup_of("quadrotor"),
        system=Quadrotor(wrapped=True),
        precision="float32",
        heldout_tolerance=1e-3,
        heldout_attempts=500,
    )
    return (
        Row("paper", "the paper's set-up", paper, 200, 5, 0, "loss"),
        Row("whole", "smooth, whole horizon", replace(smooth, growth=None), 600, 50, 5),
        Row("growing", "smooth, growing horizon", smooth, 600, 50, 5),
    )


def reproduce(scale: Scale, folder: Path, report: Report) -> Found:
    """Train under each set-up, and draw losses, distances, and the distances at the end."""
    sentences = []
    with sheet(17, 11.5) as figure:
        grid = figure.subplots(3, 4, squeeze=False)
        for panels, row in zip(grid, rows(), strict=True):
            experiment = experiment_of(row, scale)
            histories = experiment.learn(folder / row.name, report)
            flown = {name: _distances(experiment.setup, histories[name]) for name in ESTIMATORS}
            for axes, cost in zip(panels, ("evals", "seconds"), strict=False):
                draw_curves(axes, histories, cost, row.losses)
                axes.set(yscale="log", ylabel=LOSSES[row.losses])
                plain_log(axes.yaxis)
            panels[0].set_title(f"{row.name}: {row.title}", loc="left", weight="bold")
            _draw_flights(panels[2], flown, experiment.setup.whole)
            _draw_ends(panels[3], flown)
            sentences += experiment.sentences(histories)
            unchecked = "" if row.references else f"; {UNCHECKED}"
            sentences.append(f"{row.name}: {LEFT_OUT}{unchecked}.")
            sentences += [_arrivals(row, name, flown[name], histories[name]) for name in ESTIMATORS]
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
        figure.supxlabel(f"losses: {HALF}; distances: {NINE_TENTHS}", size="small")
    return Found(figure, sentences)


def experiment_of(row: Row, scale: Scale) -> Experiment:
    """Make the comparison of a row; the quick form flies for a second, and checks no gradient."""
    iterations, trials = scale.of(row.iterations, TRIALS, quick=(2, 1))
    setup, references = row.setup, row.references
    if scale.quick:
        setup, references = replace(setup, horizon=1.0, growth=None), 0
    return Experiment(
        row.name,
        setup,
        ESTIMATORS,
        iterations,
        trials,
        budget="iterations",
        heldouts=row.heldouts,
        references=references,
        thinned=row.losses == "heldout_loss",
    )


def _distances(setup: Setup, history: History) -> Array:
    """Return the distances (POINTS, trials * starts) from the origin, of the learned policies."""
    problem, x0 = setup.heldout(history.state.theta)
    _, states = paths(problem, x0, POINTS, TOLERANCE, ATTEMPTS)
    return np.asarray(np.linalg.norm(states[..., POSITION], axis=2))


def _draw_flights(axes: Axes, flown: Mapping[str, Array], horizon: float) -> None:
    """Draw the median distance of all flights over time, and the band of nine tenths of them."""
    t = np.linspace(0, horizon, POINTS)
    for name, distances in flown.items():
        low, middle, high = np.nanquantile(distances, (0.05, 0.5, 0.95), axis=1)
        color = style_of(name).color
        axes.plot(t, middle, color=color, lw=1.8)
        axes.fill_between(t, low, high, color=color, alpha=0.15, lw=0)
    axes.axhline(ARRIVED, color="0.3", ls=":", lw=1)
    axes.set(yscale="log", xlabel="time (s)", ylabel="distance from the origin (m)")
    plain_log(axes.yaxis)


def _draw_ends(axes: Axes, flown: Mapping[str, Array]) -> None:
    """Draw the share of flights that end within a distance, against the distance."""
    for name, distances in flown.items():
        ends = np.sort(distances[-1][np.isfinite(distances[-1])])
        share = np.arange(1, len(ends) + 1) / distances.shape[1]
        axes.step(ends, share, where="post", color=style_of(name).color, lw=1.8)
    axes.axvline(ARRIVED, color="0.3", ls=":", lw=1)
    axes.set(xscale="log", ylim=(0, 1.02), xlabel="distance at T (m)", ylabel="share of flights")
    plain_log(axes.xaxis)


def _arrivals(row: Row, name: str, distances: Array, history: History) -> str:
    """Say how many of an estimator's flights arrive, and what its training lost."""
    ends = distances[-1]
    solved = np.isfinite(ends)
    median = f"{np.median(ends[solved]):.2g} m, the farthest {ends[solved].max():.2g} m"
    where = f"the median is {median}" if solved.any() else "none can be solved up to T"
    return (
        f"{row.name}, {name}: {(ends < ARRIVED).sum()} of {len(ends)} flights end within "
        f"{ARRIVED} m; {where}; {history.column('failures').sum():,} samples of the training "
        "were lost."
    )
