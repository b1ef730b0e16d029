"""Figure 3: a Neural ODE and CTPG learn to stabilise an LQR over a long horizon."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gradpareto.bench.draw.sheet import sheet
from gradpareto.bench.learning.optimiser import Adam
from gradpareto.bench.learning.setups import Setup
from gradpareto.bench.paper.reproduction import Experiment, Found, Scale
from gradpareto.bench.run.report import Report
from gradpareto.systems import LQR, Array, Policy

HORIZON = 25.0
ESTIMATORS = ("neural_ode", "ctpg")
BLUE, RED, GREY = "#1b4189", "#c92300", "#6b6b6b"


@dataclass(frozen=True, eq=False)
class FromOneOne(LQR):
    """The paper's LQR, which always starts at x(0) = (1, 1)."""

    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        return np.ones((samples, 2))


_I = np.eye(2)
SETUP = Setup(
    system=FromOneOne(A=0 * _I, B=_I, Q=_I, R=_I, Q_T=0 * _I, horizon=HORIZON),
    policy=Policy((2, 32, 2), ("tanh", "identity")),
    optimiser=Adam(1e-3),
    batch=1,
    iterations=1000,
)
OPTIMAL = 2 * np.tanh(HORIZON)
"""The optimal loss x'Px, where P = tanh(T - t) I solves the Riccati equation."""


def reproduce(scale: Scale, folder: Path, report: Report) -> Found:
    """Train with a Neural ODE and with CTPG, and draw loss and reconstruction error."""
    iterations, trials = scale.of(SETUP.iterations, 1, quick=(30, 1))
    experiment = Experiment("lqr", SETUP, ESTIMATORS, iterations, trials, budget="iterations")
    histories = experiment.learn(folder, report)
    sentences = experiment.sentences(histories)
    with sheet(10.5, 4.2) as figure:
        for index, name in enumerate(ESTIMATORS):
            axes, history = figure.add_subplot(1, 2, index + 1), histories[name]
            axes.plot(history.column("loss")[:, 0], color=BLUE, label="loss")
            axes.axhline(OPTIMAL, color=GREY, ls="--", label="optimal loss")
            missed = history.column("reconstruction")[:, 0] ** 2
            if np.isfinite(missed).any():
                axes.plot(missed, color=RED, lw=1, label="|x(0) - reconstruction|²")
            else:
                axes.plot([], [], color=RED, label="|x(0) - reconstruction|²: 0, x is stored")
            axes.set(yscale="log", ylim=(1e-6, 1e7), xlabel="iterations", title=name)
            axes.set_ylabel("" if index else "loss; squared distance")
            axes.legend()
    missed = histories["neural_ode"].column("reconstruction")[:, 0] ** 2
    sentences.append(
        f"neural_ode: |x(0) - reconstruction|² is {missed[0]:.1e} at the start, "
        f"{np.nanmax(missed):.1e} at most and {missed[-1]:.1e} at the end; the optimal loss is "
        f"{OPTIMAL:.4g}."
    )
    return Found(figure, sentences)
