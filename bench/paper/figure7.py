"""Figure 7: the quadrotor, CTPG against Euler at the same number of evaluations."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from gradpareto.bench.draw.figures import sheet
from gradpareto.bench.draw.styles import style_of
from gradpareto.bench.learning.curves import draw_curves
from gradpareto.bench.learning.history import History
from gradpareto.bench.learning.paths import paths
from gradpareto.bench.learning.setups import PAPER_RTOL
from gradpareto.bench.paper.reproduction import Experiment, Found, Scale
from gradpareto.bench.run.report import Report

ESTIMATORS = ("ctpg", "bptt")
QUICK_HORIZON = 1.0
"""The quick form flies for 1 s and not for 5: later the quadrotors spin, and take longer to solve
than all the rest."""


def reproduce(scale: Scale, folder: Path, report: Report) -> Found:
    """Train with CTPG and with Euler BPTT, and draw the distances of their best policies."""
    # A spinning quadrotor takes minutes to solve tight, and has no reference.
    experiment = Experiment.registered("quadrotor", ESTIMATORS, scale, 1, quick=(2, 1))
    horizon = QUICK_HORIZON if scale.quick else None
    setup = replace(experiment.setup, horizon=horizon)
    experiment = replace(experiment, setup=setup, heldouts=0, references=0)
    histories = experiment.learn(folder, report)
    sentences = experiment.sentences(histories)
    with sheet(14.5, 4.4) as figure:
        for column, name in enumerate(ESTIMATORS):
            axes = figure.add_subplot(1, 3, column + 1)
            best = _best(histories[name])
            problem, x0 = experiment.setup.heldout(histories[name].snapshots[best][None])
            t, states = paths(problem, x0, tolerance=PAPER_RTOL)
            distance = np.linalg.norm(states[..., :3], axis=2)
            axes.plot(t, distance, color=style_of(name).color, lw=0.8, alpha=0.7)
            axes.set(yscale="log", xlabel="time (s)", ylabel="distance from the origin (m)")
            axes.set_title(f"{name}, after {best} iterations", size="medium")
            loss = histories[name].column("loss")[best, 0]
            sentences.append(
                f"{name}: its best loss, {loss:,.0f}, is that of iteration {best}; with that "
                f"policy, solved at the paper's tolerance, "
                f"{np.isfinite(distance[-1]).sum()} of {len(x0)} held-out starts reach T, in the "
                f"median {np.nanmedian(distance[-1]):.3g} m from the origin."
            )
        axes = figure.add_subplot(1, 3, 3)
        draw_curves(axes, histories, "evals", "loss")
        axes.set(yscale="log", ylabel="loss of the batch, the estimator's own")
        axes.legend()
    return Found(figure, sentences)


def _best(history: History) -> int:
    """Return the iteration whose batch has the least loss, of those whose parameters are kept."""
    losses = history.column("loss")[:, 0]
    return min((k for k in history.snapshots if k < len(losses)), key=lambda k: losses[k])
