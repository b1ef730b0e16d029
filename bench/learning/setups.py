"""The learning set-up of every system: the paper's where there is one."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import numpy as np

from gradpareto.bench.learning.optimiser import Adam, Momentum, Optimiser
from gradpareto.bench.learning.schedules import CosineDecay, GrowingHorizon
from gradpareto.estimators import ESTIMATORS
from gradpareto.systems import TASKS, Array, Policy, Problem, System
from gradpareto.systems.task import INITIAL_SEED

HELDOUT = 32
"""The number of initial states on which every estimator's policies are judged."""
_HELDOUT_SEED = 20213
PAPER_RTOL = 1e-3
Precision = Literal["float32", "float64"]
TINY = np.finfo(float).tiny


@dataclass(frozen=True)
class Setup:
    """A system, the policy that is learned, and the optimiser that learns it.

    Each trial starts from a Glorot-uniform draw times `scale`, with a seed of its own. A step
    follows the mean gradient of `batch` initial states, each entry clipped to +-`clip`, and then
    the whole scaled down to a 2-norm of `clip_norm`. `horizon` is the training's, where it is not
    the system's; with `growth` it grows to that, and with `decay` the rate falls. Gradients are
    estimated in `precision`, and each sample of a gradient may take `sample_evals` evaluations: one
    that takes more is lost. Held-out losses are solved to `heldout_tolerance`, in at most
    `heldout_attempts` steps. `settings` maps estimators to their settings; those of others come
    from `setting_of`.

    Raises ValueError if the horizon grows from beyond its whole.
    """

    system: System
    policy: Policy
    optimiser: Optimiser
    batch: int
    iterations: int
    scale: float = 0.1
    clip: float = np.inf
    clip_norm: float = np.inf
    horizon: float | None = None
    growth: GrowingHorizon | None = None
    decay: CosineDecay | None = None
    precision: Precision = "float64"
    sample_evals: float = np.inf
    heldout_tolerance: float = 1e-6
    heldout_attempts: int = 20_000
    settings: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.growth is not None and self.growth.start > self.whole:
            raise ValueError(
                f"the horizon grows from {self.growth.start:g}, which is beyond its whole, "
                f"{self.whole:g}"
            )

    @property
    def whole(self) -> float:
        """The horizon of the training, or what it grows to."""
        return self.horizon or self.system.horizon

    def initial_theta(self, trials: int) -> Array:
        """Draw parameters (trials, P); the first are those of a preset `initial(scale)`."""
        seeds = INITIAL_SEED + np.arange(trials)
        return np.stack([self.policy.glorot(np.random.default_rng(s), self.scale) for s in seeds])

    def problem(self, theta: Array) -> Problem:
        """Make the problem at theta (P,), over the whole horizon, without a context."""
        return Problem(self.system, self.policy, theta, self.whole)

    def batch_of(
        self, theta: Array, trials: Array, seed: int, iteration: int, progress: float = 1.0
    ) -> tuple[Problem, Array]:
        """Draw the problem and x0 (N * batch, state_dim) of N trials' iteration at theta (N, P).

        A trial's draw depends on the seed, its number and the iteration alone. The horizon is that
        of the progress, from 0 to 1, which the training has made.
        """
        keys = [(seed, int(trial), iteration) for trial in trials]
        problem, x0 = self._joined(theta, [self._draw(key, self.batch) for key in keys])
        if self.growth is not None:
            problem = replace(problem, horizon=self.growth.at(progress, self.whole))
        if self.precision == "float32":
            problem = problem.with_theta(problem.theta.astype(np.float32))
        return problem, x0.astype(self.precision, copy=False)

    def clipped(self, gradient: Array) -> Array:
        """Clip the entries and the 2-norms of gradients (N, P)."""
        entries = np.clip(gradient, -self.clip, self.clip)
        norm = np.linalg.norm(entries, axis=1, keepdims=True)
        return np.asarray(entries * np.minimum(1, self.clip_norm / np.maximum(norm, TINY)))

    def heldout(self, theta: Array) -> tuple[Problem, Array]:
        """Make a problem and x0 (N * HELDOUT, state_dim), the same states for each of N trials."""
        return self._joined(theta, [self._draw((_HELDOUT_SEED,), HELDOUT)] * len(theta))

    def _draw(self, key: tuple[int, ...], samples: int) -> tuple[Problem, Array]:
        bare = self.problem(np.zeros(self.policy.size))
        return bare.sample(np.random.default_rng(key), samples)

    def _joined(self, theta: Array, draws: list[tuple[Problem, Array]]) -> tuple[Problem, Array]:
        x0 = np.concatenate([x for _, x in draws])
        contexts = [problem.context for problem, _ in draws if problem.context is not None]
        context = np.concatenate(contexts) if contexts else None
        horizon = draws[0][0].horizon
        if len(theta) == 1:
            return Problem(self.system, self.policy, theta[0], horizon, context), x0
        trial = np.repeat(np.arange(len(theta)), len(x0) // len(theta))
        return Problem(self.system, self.policy, theta, horizon, context, trial), x0


PAPER_MOMENTUM = Momentum(1e-3)
SWING_UP = partial(
    Setup,
    optimiser=Adam(1e-3),
    batch=4,
    iterations=200,
    scale=1.0,
    settings={"bptt": 0.01, "bptt-semi-implicit": 0.01},
)
CHARGE = partial(
    Setup,
    optimiser=PAPER_MOMENTUM,
    batch=1,
    iterations=100_000,
    settings={"bptt": 0.03, "bptt-semi-implicit": 0.03},
)
RECIPES: Mapping[str, partial[Setup]] = {
    "lqr": partial(Setup, optimiser=PAPER_MOMENTUM, batch=8, iterations=1_000, clip=10),
    "differential_drive": partial(
        Setup,
        optimiser=PAPER_MOMENTUM,
        batch=8,
        iterations=10_000,
        clip=10,
        # 48 steps: the evaluations that ctpg spends at the start.
        settings={"bptt": 5 / 48},
    ),
    "quadrotor": partial(
        Setup,
        optimiser=PAPER_MOMENTUM,
        batch=32,
        iterations=10_000,
        clip=10,
        settings={"bptt": 0.05},
    ),
    # From the whole horizon at the start it learns later, or with RK4 at this step not at all.
    "quadrotor_smooth": partial(
        Setup,
        optimiser=Adam(3e-3),
        batch=32,
        iterations=1_500,
        clip_norm=10,
        growth=GrowingHorizon(1.0, 0.6),
        decay=CosineDecay(),
        settings={"bptt": 0.05, "bptt-rk4": 0.05},
    ),
    "electric": CHARGE,
    "taichi_electric": CHARGE,
    "cartpole": SWING_UP,
    "mujoco_cartpole": SWING_UP,
    "stiff": partial(Setup, optimiser=Adam(1e-2), batch=4, iterations=100, scale=1.0),
    # Over the whole horizon of 20 the gradient is a million times larger than a step should follow.
    "lorenz": partial(
        Setup, optimiser=Adam(1e-2), batch=16, iterations=300, scale=1.0, horizon=4.0
    ),
}
"""The set-ups of systems that are learned in a way of their own, but for system and policy."""
USUAL_RECIPE = partial(
    Setup, optimiser=Adam(1e-2), batch=16, iterations=300, scale=1.0, clip_norm=10.0
)
"""The set-up of every other system, a plug-in too."""


def setup_of(system: str) -> Setup:
    """Make the set-up of a registered system, whenever it was registered.

    Raises KeyError if there is no such system.
    """
    task = TASKS[system]
    return RECIPES.get(system, USUAL_RECIPE)(task.system, task.policy)


def setting_of(setup: Setup, estimator: str) -> float:
    """Return the set-up's setting, or the paper's tolerance, a hundredth of T, or 64 rollouts."""
    usual = {"tolerance": PAPER_RTOL, "step": setup.whole / 100, "rollouts": 64.0}
    return setup.settings.get(estimator, usual[ESTIMATORS[estimator].declares.knob])


def check_allowance(setup: Setup, settings: Mapping[str, float]) -> None:
    """Raise ValueError if no sample of an estimator at its setting can keep to `sample_evals`.

    Fixed steps tell beforehand what they take over the whole horizon; others take a step at least.
    """
    problem, most = setup.problem(np.zeros(setup.policy.size)), setup.sample_evals
    for name, setting in settings.items():
        estimator = ESTIMATORS[name]
        calls = estimator.calls(problem, setting)
        least = calls if np.isfinite(calls) else estimator.declares.calls_per_step
        if least > most:
            raise ValueError(
                f"{name} at {setting:g} takes at least {least:,.0f} evaluations a sample, and "
                f"{most:,.0f} are allowed"
            )
