"""Tasks: a system as it is registered, with the policy that controls it and its presets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gradpareto.systems.names import fault_of, shown
from gradpareto.systems.policy import Policy
from gradpareto.systems.problem import Problem
from gradpareto.systems.system import Array, System
from gradpareto.systems.user_calls import made

Preset = Callable[[Policy], Array]
"""A function that makes the parameters theta (P,) of a policy."""
INITIAL_SEED = 20211
"""The seed of every preset `initial`."""
_TRAINED = Path(__file__).parent / "trained"


def initial(scale: float = 1.0) -> Preset:
    """Make the preset that learning starts from: a Glorot-uniform draw times `scale`."""
    return lambda policy: policy.glorot(np.random.default_rng(INITIAL_SEED), scale)


def trained_path(name: str) -> Path:
    """Return the file of a system's preset `trained`: `theta` in float32, and its `command`."""
    return _TRAINED / f"{name}.npz"


def trained(name: str) -> Preset:
    """Make the preset that this project's own learning run of a system produced."""
    return stored(trained_path(name))


def stored(path: Path) -> Preset:
    """Make the preset that `gradpareto learn --store-trained` wrote to a file."""

    def load(policy: Policy) -> Array:
        with np.load(path, allow_pickle=False) as file:
            return np.asarray(file["theta"], dtype=float)

    return load


@dataclass(frozen=True)
class Task:
    """A system, its policy, and presets: named parameter vectors, made from the policy on demand.

    `horizons` holds the horizons of those presets that are not measured over the system's own.
    """

    system: System
    policy: Policy
    presets: Mapping[str, Preset]
    horizons: Mapping[str, float] = field(default_factory=dict)

    def check_names(self) -> None:
        """Raise ValueError if a preset's name cannot stand in tables, figures and files.

        It is a text of 1 to 100 characters that can be printed in a line, without spaces at its
        ends.
        """
        for name in self.presets:
            if fault := fault_of(name):
                raise ValueError(f"a preset cannot be called {shown(name)}: its name {fault}")

    def problem(self, preset: str) -> Problem:
        """Make the problem at a preset's parameters.

        Raises KeyError if there is no such preset, and Unsound if it raises or makes anything but
        finite parameters (P,).
        """
        make, shape = self.presets[preset], (self.policy.size,)
        theta = made(f"the preset {preset!r}", make, self.policy, shape=shape)
        horizon = self.horizons.get(preset, self.system.horizon)
        return Problem(self.system, self.policy, theta, horizon)
