"""Figure 6: the cart-pole's swing-up, with the states that learning asks for, and the curves."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from gradpareto.bench.draw.sheet import sheet
from gradpareto.bench.draw.styles import style_of
from gradpareto.bench.learning.curves import HALF, draw_curves
from gradpareto.bench.learning.history import History
from gradpareto.bench.learning.paths import visited
from gradpareto.bench.learning.setups import setting_of
from gradpareto.bench.paper.reproduction import Experiment, Found, Scale
from gradpareto.bench.run.report import Report
from gradpareto.systems import NEEDS

ESTIMATORS = ("ctpg", "bptt-semi-implicit")
SYSTEMS = {"cartpole": 5, "mujoco_cartpole": 2}
"""The number of trials on each system."""


def reproduce(scale: Scale, folder: Path, report: Report) -> Found:
    """Train on each cart-pole, and draw the states that were asked for, and the curves."""
    here = {name: trials for name, trials in SYSTEMS.items() if name not in NEEDS}
    sentences = [f"{name} needs: {NEEDS[name]}" for name in SYSTEMS if name in NEEDS]
    with sheet(14.5, 4.4 * len(here)) as figure:
        for row, (name, seeds) in enumerate(here.items()):
            # A reference takes a minute here, because of ELU's kinks.
            references = 0 if scale.quick else 2
            experiment = Experiment.registered(name, ESTIMATORS, scale, seeds, quick=(4, 1))
            experiment = replace(experiment, references=references)
            histories = experiment.learn(folder / name, report)
            sentences += experiment.sentences(histories)
            for column, estimator in enumerate(reversed(ESTIMATORS)):
                axes = figure.add_subplot(len(here), 3, 3 * row + column + 1)
                _draw_visited(axes, experiment, estimator, histories[estimator])
            axes = figure.add_subplot(len(here), 3, 3 * row + 3)
            draw_curves(axes, histories, "evals")
            axes.set(ylabel="held-out loss", title=f"{name}, {experiment.trials} trials")
            axes.legend()
        figure.supxlabel(f"losses: {HALF}", size="small")
    return Found(figure, sentences)


def _draw_visited(axes: Axes, experiment: Experiment, estimator: str, history: History) -> None:
    """Draw the states at which the snapshots' iterations asked for dynamics."""
    setup = experiment.setup
    setting = setting_of(setup, estimator)
    seen = [
        visited(setup, estimator, setting, theta, 0, iteration)
        for iteration, theta in history.snapshots.items()
    ]
    states = np.concatenate(seen)
    color = style_of(estimator).color
    axes.plot(states[:, 1], states[:, 3], ",", color=color, alpha=0.5)
    axes.set(xlabel="pole angle (rad, 0 upright)", ylabel="angular velocity (rad/s)")
    axes.set_title(
        f"{experiment.name}, {estimator}: {len(states):,} states in {len(seen)} iterations",
        size="medium",
    )
