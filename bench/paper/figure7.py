"""Figure 7: the quadrotor, CTPG against Euler at the same number of evaluations."""

from pathlib import Path

import numpy as np

from bench.figures import sheet, style_of
from bench.learning.curves import draw_curves
from bench.learning.paths import paths
from bench.learning.setups import SETUPS
from bench.learning.train import Report
from bench.paper.reproduction import Experiment, Found, Scale

ESTIMATORS = ("ctpg", "bptt")


def reproduce(scale: Scale, folder: Path, report: Report) -> Found:
    setup = SETUPS["quadrotor"]
    iterations, trials = scale.of(setup.iterations, 1, quick=(2, 1))
    # Solved tight, a spinning quadrotor takes minutes, and then has no reference.
    experiment = Experiment(
        "quadrotor", setup, ESTIMATORS, iterations, trials, heldouts=0, references=1
    )
    histories = experiment.learn(folder, report)
    sentences = experiment.sentences(histories)
    with sheet(14.5, 4.4) as figure:
        for column, name in enumerate(ESTIMATORS):
            axes = figure.add_subplot(1, 3, column + 1)
            problem, x0 = setup.heldout(histories[name].state.theta)
            t, states = paths(problem, x0)
            distance = np.linalg.norm(states[..., :3], axis=2)
            axes.plot(t, distance, color=style_of(name).color, lw=0.8, alpha=0.7)
            axes.set(yscale="log", xlabel="time (s)", ylabel="distance from the origin (m)")
            axes.set_title(f"{name}, {len(x0)} held-out starts", size="medium")
            arrived = distance[-1][np.isfinite(distance[-1])]
            sentences.append(
                f"{name}: solved tight, {len(arrived)} of {len(x0)} held-out starts reach T; there "
                f"the distance from the origin is {np.median(arrived, axis=0):.3g} m in the median."
                if len(arrived)
                else f"{name}: solved tight, none of {len(x0)} held-out starts reaches T."
            )
        axes = figure.add_subplot(1, 3, 3)
        draw_curves(axes, histories, "evals", "loss")
        axes.set(yscale="log", ylabel="loss of the batch, the estimator's own")
        axes.legend()
    return Found(figure, sentences)
