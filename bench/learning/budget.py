"""The budget study: trainings that differ in what a gradient may cost, and in nothing else."""

from dataclasses import dataclass, replace

import numpy as np

from gradpareto.bench.learning.compare import Comparison
from gradpareto.bench.learning.optimiser import Adam
from gradpareto.bench.learning.schedules import CosineDecay
from gradpareto.bench.learning.setups import Setup, setup_of

TRIALS = 3
TOLERANCES = (1.0, 1e-1, 1e-2, 1e-3)
ADAMS = TOLERANCES[:3]
"""Adams' methods spend ten times the time of other estimators here, and few evaluations."""
ROLLOUTS = (2.0, 4.0)
EULER, RK4 = (8, 16, 32, 64, 128), (2, 4, 8, 16, 32)
"""The numbers of steps over the horizon."""
ESTIMATORS = ("bptt", "bptt-rk4", "ctpg", "multistep_adjoint", "neural_ode", "spsa")
SAMPLE_EVALS = 2_000
"""The evaluations that a sample of a gradient may take: one that takes more is lost."""
CHECKPOINTS, HELDOUTS = 4, 20
"""The parts of a training between which its gradient is judged, and its held-out losses."""


@dataclass(frozen=True)
class Task:
    """A task of the study, with the settings of each estimator from cheap to expensive.

    `linear` is set where losses are negative, and cannot be drawn on a logarithmic axis.
    """

    setup: Setup
    iterations: int
    linear: bool = False

    @property
    def settings(self) -> dict[str, tuple[float, ...]]:
        """The settings of each estimator."""
        whole = self.setup.whole
        return {
            "bptt": tuple(whole / count for count in EULER),
            "bptt-rk4": tuple(whole / count for count in RK4),
            "ctpg": TOLERANCES,
            "multistep_adjoint": ADAMS,
            "neural_ode": TOLERANCES,
            "spsa": ROLLOUTS,
        }


def tasks() -> dict[str, Task]:
    """Return the tasks by their systems. All learn with Adam, a falling rate and clipped norms."""
    return {
        "differential_drive": Task(_setup("differential_drive", 2e-2, 8), 400),
        "cartpole": Task(_setup("cartpole", 5e-3, 4), 150, linear=True),
        "electric": Task(_setup("electric", 3e-2, 8), 300),
        "quadrotor_smooth": Task(_setup("quadrotor_smooth", 3e-3, 32), 600),
    }


def _setup(system: str, rate: float, batch: int) -> Setup:
    return replace(
        setup_of(system),
        optimiser=Adam(rate),
        batch=batch,
        decay=CosineDecay(),
        clip=np.inf,
        clip_norm=10.0,
        sample_evals=SAMPLE_EVALS,
    )


@dataclass(frozen=True)
class Training:
    """One estimator at one setting on one task: `trials` seeds as lanes of one batch."""

    system: str
    estimator: str
    setting: float
    trials: int
    iterations: int
    setup: Setup

    @property
    def name(self) -> str:
        """The name of the training's folder."""
        return f"{self.system}-{self.estimator}-{self.setting:.4g}"

    @property
    def comparison(self) -> Comparison:
        """The comparison, of this one estimator, that `learn` makes."""
        return Comparison(
            self.system,
            self.setup,
            {self.estimator: self.setting},
            trials=self.trials,
            iterations=self.iterations,
            budget="iterations",
            heldout_every=max(1, self.iterations // HELDOUTS),
            snapshot_every=max(1, self.iterations // CHECKPOINTS),
        )


def trainings(
    systems: tuple[str, ...] = (),
    estimators: tuple[str, ...] = (),
    trials: int = TRIALS,
    iterations: int | None = None,
    quick: bool = False,
) -> list[Training]:
    """Return the trainings of some tasks with some estimators, all unless they are named.

    The quick form has one setting of each estimator and two iterations, and shows nothing but that
    it runs. Raises KeyError for a system or an estimator that the study does not have.
    """
    known = tasks()
    return [
        Training(
            system,
            estimator,
            setting,
            1 if quick else trials,
            iterations or (2 if quick else known[system].iterations),
            known[system].setup,
        )
        for system in systems or known
        for estimator in estimators or ESTIMATORS
        for setting in _shown(known[system].settings[estimator], quick)
    ]


def _shown(settings: tuple[float, ...], quick: bool) -> tuple[float, ...]:
    return settings[len(settings) // 2 :][:1] if quick else settings
