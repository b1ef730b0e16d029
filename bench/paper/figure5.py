"""Figure 5: the electric task, against evaluations and against wall time."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from gradpareto.bench.draw.sheet import sheet
from gradpareto.bench.draw.styles import style_of
from gradpareto.bench.learning.curves import draw_curves
from gradpareto.bench.learning.history import History
from gradpareto.bench.learning.paths import paths
from gradpareto.bench.learning.setups import Setup
from gradpareto.bench.paper.reproduction import Experiment, Found, Scale
from gradpareto.bench.run.report import Report
from gradpareto.systems import Array
from gradpareto.systems.electric import ELECTRODES

ESTIMATORS = ("ctpg", "bptt-semi-implicit")
WINDOW, BAND = 64, (0.05, 0.95)


def reproduce(scale: Scale, folder: Path, report: Report) -> Found:
    """Train with CTPG and with semi-implicit BPTT, and draw the curves and one task."""
    experiment = Experiment.registered("electric", ESTIMATORS, scale, 32, quick=(6, 2))
    histories = experiment.learn(folder, report)
    with sheet(15.5, 4.8) as figure:
        for index, cost in enumerate(("evals", "seconds")):
            axes = figure.add_subplot(1, 3, index + 1)
            draw_curves(axes, histories, cost, "loss", WINDOW, BAND)
            axes.set_ylabel("" if index else f"loss, mean of {WINDOW} iterations")
        axes.legend()
        said = _draw_task(figure.add_subplot(1, 3, 3), experiment.setup, histories)
        figure.supxlabel("line: median of the trials; band: nine tenths of them", size="small")
    return Found(figure, [*experiment.sentences(histories), said])


def _draw_task(axes: Axes, setup: Setup, histories: Mapping[str, History]) -> str:
    """Draw the held-out task that ends nearest to its goal with ctpg; say how near all end."""
    flown = {name: _ends(setup, history) for name, history in histories.items()}
    task = int(np.argmin(flown["ctpg"][1]))
    problem, x0 = setup.heldout(histories["ctpg"].state.theta[:1])
    assert problem.context is not None
    axes.plot(*ELECTRODES.T, "o", color="#e0b700", ms=11, label="electrodes")
    goal = problem.context[task].reshape(3, 2)
    axes.plot(*goal.T, color="0.2", lw=4, alpha=0.35, label="the goal's path")
    axes.plot(*goal[-1], "*", color="0.2", ms=13)
    for name, (states, _) in flown.items():
        path = states[:, task, :2].T
        axes.plot(*path, color=style_of(name).color, label=f"the charge, {name}")
    axes.plot(*x0[task, :2], ".", color="black", ms=10)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="x", ylabel="y")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, fontsize="small")
    near = ", ".join(
        f"{name} {np.median(away):.2g} (the nearest {away.min():.1g})"
        for name, (_, away) in flown.items()
    )
    return f"median distance from the goal at T over {len(x0)} held-out tasks, first trial: {near}."


def _ends(setup: Setup, history: History) -> tuple[Array, Array]:
    """Return the held-out states of the first trial's policy, and how far each ends away."""
    problem, x0 = setup.heldout(history.state.theta[:1])
    assert problem.context is not None
    _, states = paths(problem, x0)
    return states, np.linalg.norm(states[-1, :, :2] - problem.context[:, 4:6], axis=1)
