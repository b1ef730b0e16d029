"""Figure 4: a differential drive learns to go to the origin, stage by stage."""

from pathlib import Path

import numpy as np

from gradpareto.bench.draw.sheet import sheet
from gradpareto.bench.draw.styles import style_of
from gradpareto.bench.draw.ticks import plain_log
from gradpareto.bench.learning.curves import draw_curves
from gradpareto.bench.learning.paths import POINTS, paths
from gradpareto.bench.paper.reproduction import Experiment, Found, Scale
from gradpareto.bench.run.report import Report

ESTIMATORS = ("ctpg", "bptt")
STAGES = (0.0, 0.1, 0.4, 1.0)
"""The parts of the whole training after which paths are drawn."""
SHOWN = 16
QUICK_POINTS = 20
"""The points of a path in the quick form. The solve stops at each of them."""


def reproduce(scale: Scale, folder: Path, report: Report) -> Found:
    """Train with CTPG and with BPTT, and draw their paths stage by stage, and the curves."""
    experiment = Experiment.registered("differential_drive", ESTIMATORS, scale, 1, quick=(10, 1))
    histories = experiment.learn(folder, report)
    points = QUICK_POINTS if scale.quick else POINTS
    with sheet(15.5, 6.4) as figure:
        grid = figure.add_gridspec(2, len(STAGES) + 2)
        for row, name in enumerate(ESTIMATORS):
            snapshots = histories[name].snapshots
            made = np.array(list(snapshots))
            for column, stage in enumerate(STAGES):
                number = int(made[np.abs(made - stage * made.max()).argmin()])
                axes = figure.add_subplot(grid[row, column])
                problem, x0 = experiment.setup.heldout(snapshots[number][None])
                _, states = paths(problem, x0[:SHOWN], points)
                axes.plot(states[..., 0], states[..., 1], color=style_of(name).color, lw=0.9)
                axes.plot(x0[:SHOWN, 0], x0[:SHOWN, 1], ".", color="0.5", ms=4)
                axes.plot(0, 0, "+", color="black", ms=9, mew=1.6, zorder=5)
                axes.set(xlim=(-8, 8), ylim=(-8, 8), aspect="equal")
                axes.set_xlabel("x (m)" if row else "")
                axes.set_ylabel("" if column else "y (m)")
                axes.set_title(f"{name}, {number:,} iterations", size="medium")
        axes = figure.add_subplot(grid[:, len(STAGES) :])
        draw_curves(axes, histories, "evals")
        axes.set(ylabel="held-out loss", yscale="log")
        plain_log(axes.yaxis)
        axes.legend()
    return Found(figure, experiment.sentences(histories))
