"""The quadrotor whose policy observes no tangents, and which learns to fly to the origin."""

from dataclasses import dataclass

import numpy as np

from gradpareto.systems.policy import Policy
from gradpareto.systems.quadrotor import ANGLES, Quadrotor, columns
from gradpareto.systems.system import Array
from gradpareto.systems.task import Task, initial, trained

SIN, COS, STATE = slice(0, 3), slice(3, 6), slice(6, 18)


@dataclass(frozen=True)
class SmoothQuadrotor(Quadrotor):
    """The quadrotor, observed by smooth functions of its state.

    The policy observes the sines and the cosines of the three angles, and the raw state. The
    observation of `Quadrotor` has tangents of angles and rates besides, whose poles a training
    that turns the quadrotor runs into.
    """

    observation_dim = 18

    def observe(self, t: Array, x: Array) -> Array:
        o = np.empty((18, len(x)), x.dtype)
        o[STATE] = x.T
        angles = o[STATE][ANGLES]
        np.sin(angles, out=o[SIN])
        np.cos(angles, out=o[COS])
        return columns(o)

    def observe_pullback(self, t: Array, x: Array, o: Array) -> Array:
        gx = o[:, STATE].copy()
        angles, seen = columns(x[:, ANGLES]), columns(o[:, :6])
        gx[:, ANGLES] += columns(seen[SIN] * np.cos(angles) - seen[COS] * np.sin(angles))
        return gx


TASK = Task(
    system=SmoothQuadrotor(),
    policy=Policy(sizes=(18, 64, 64, 4), activations=("tanh", "tanh", "identity")),
    presets={"initial": initial(0.1), "trained": trained("quadrotor_smooth")},
)
