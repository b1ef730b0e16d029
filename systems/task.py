"""A task: a system as it is registered, with the policy that controls it and its presets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gradpareto.systems.policy import Policy
from gradpareto.systems.problem import Problem
from gradpareto.systems.system import Array, System

INITIAL_SEED = 20211
"""Seed of every `initial` preset's draw."""
_TRAINED = Path(__file__).parent / "trained"


def initial(scale: float = 1.0) -> Callable[[Policy], Array]:
    """The preset that learning starts from: a Glorot-uniform draw times `scale`."""
    return lambda policy: policy.glorot(np.random.default_rng(INITIAL_SEED), scale)


def trained_path(name: str) -> Path:
    """Where the preset `trained` of a system is kept: `theta` in float32, and the `command`."""
    return _TRAINED / f"{name}.npz"


def trained(name: str) -> Callable[[Policy], Array]:
    """The preset that this project's own learning run of a system produced."""

    def load(policy: Policy) -> Array:
        with np.load(trained_path(name), allow_pickle=False) as file:
            return file["theta"].astype(float)

    return load


@dataclass(frozen=True)
class Task:
    """A system, its policy, and named parameter vectors (made on demand from the policy).

    `horizons` has those of presets that are measured over another than the system's.
    """

    system: System
    policy: Policy
    presets: Mapping[str, Callable[[Policy], Array]]
    horizons: Mapping[str, float] = field(default_factory=dict)

    def problem(self, preset: str) -> Problem:
        """The problem at a preset's parameters. Raises KeyError if there is no such preset."""
        theta = self.presets[preset](self.policy)
        horizon = self.horizons.get(preset, self.system.horizon)
        return Problem(self.system, self.policy, theta, horizon)
