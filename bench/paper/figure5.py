"""Figure 5: the electric task, against evaluations and against wall time."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from gradpareto.bench.draw.figures import sheet
from gradpareto.bench.draw.styles import style_of
from gradpareto.bench.learning.curves import draw_curves
from gradpareto.bench.learning.history import History
from gradpareto.bench.learning.paths import paths
from gradpareto.bench.learning.setups import Setup
from gradpareto.bench.paper.reproduction import Experiment, Found, Scale
from gradpareto.bench.run.report import Report
from gradpareto.systems.electric import ELECTRODES

ESTIMATORS = ("ctpg", "bptt-semi-implicit")
WINDOW, BAND = 64, (0.05, 0.95)


def reproduce(scale: Scale, folder: Path, report: Report) -> Found:
    """Train with CTPG and with semi-implicit BPTT, and draw the curves and one task."""
    experiment = Experiment.registered("electric", ESTIMATORS, scale, 32, quick=(6, 2))
    histories = experiment.learn(folder, report)
    with sheet(15.5, 4.6) as figure:
        for index, cost in enumerate(("evals", "seconds")):
            axes = figure.add_subplot(1, 3, index + 1)
            draw_curves(axes, histories, cost, "loss", WINDOW, BAND)
            axes.set_ylabel("" if index else f"loss, mean of {WINDOW} iterations")
        axes.legend()
        _draw_task(figure.add_subplot(1, 3, 3), experiment.setup, histories["ctpg"])
    return Found(figure, experiment.sentences(histories))


def _draw_task(axes: Axes, setup: Setup, history: History) -> None:
    """Draw one held-out task: the electrodes, the goal's path, and the learned policy's."""
    problem, x0 = setup.heldout(history.state.theta[:1])
    assert problem.context is not None
    _, states = paths(problem.take(np.zeros(1, dtype=int)), x0[:1])
    goal = problem.context[0].reshape(3, 2)
    axes.plot(*ELECTRODES.T, "o", color="#e0b700", ms=11, label="electrodes")
    axes.plot(*goal.T, color="#1b4189", lw=3, alpha=0.4, label="the goal's path")
    axes.plot(*states[:, 0, :2].T, color=style_of("ctpg").color, label="the charge, after ctpg")
    axes.plot(*x0[0, :2], ".", color="black", ms=10)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=3, fontsize="small")
