"""The cart-pole swing-up in MuJoCo, a black box whose derivatives are finite differences."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from gradpareto.systems import cartpole
from gradpareto.systems.system import Array, System
from gradpareto.systems.task import Task

EPS = 1e-6
"""The step of the central differences, which is the paper's."""

# Without the rail's end and the control's range, as in systems/cartpole.py: a clipped control would
# be differenced across the edge.
_MODEL = """
<mujoco model="cartpole">
  <option gravity="0 0 -9.81"> <flag contact="disable"/> </option>
  <worldbody>
    <body name="cart">
      <joint name="slider" type="slide" axis="1 0 0" damping="5e-4"/>
      <geom type="box" size="0.2 0.15 0.1" mass="1"/>
      <body name="pole">
        <joint name="hinge" type="hinge" axis="0 1 0" damping="2e-6"/>
        <geom type="capsule" fromto="0 0 0 0 0 1" size="0.045" mass="0.1"/>
      </body>
    </body>
  </worldbody>
  <actuator> <motor joint="slider" gear="10"/> </actuator>
</mujoco>
"""
_TRUTH = cartpole.CartPole()


class SimulatorWarning(ArithmeticError):  # noqa: N818 (a warning of MuJoCo's)
    """MuJoCo warns of a position, velocity, control or acceleration that is huge or not finite."""


@dataclass(frozen=True)
class MujocoCartPole(System):
    """MuJoCo's cart-pole, with the states, control and cost of `CartPole`, which judges it.

    MuJoCo gives the accelerations and integrates nothing here; their derivatives are central
    differences. The cost, and that positions change by the velocities, are known. Every method
    raises SimulatorWarning where MuJoCo warns.
    """

    horizon: float = 3.0
    state_dim = 4
    control_dim = 1
    observation_dim = 4
    velocity_of: ClassVar[Mapping[int, int]] = MappingProxyType({0: 2, 1: 3})
    pullback_flows: ClassVar[int] = 2 * (4 + 1)
    truth = _TRUTH

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        acceleration = simulate(t, np.concatenate([x, u], axis=1))
        return np.concatenate([x[:, 2:], acceleration], axis=1), _TRUTH.cost(x)

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        moves = EPS * np.concatenate([np.eye(5), -np.eye(5)])
        moved = np.concatenate([x, u], axis=1) + moves[:, None]
        found = simulate(np.tile(t, len(moves)), moved.reshape(-1, 5)).reshape(2, 5, len(x), 2)
        g = np.einsum("jrk,rk->rj", (found[0] - found[1]) / (2 * EPS), a[:, 2:])
        gx = _TRUTH.cost_pullback(x, c) + g[:, :4]
        gx[:, 2:] += a[:, :2]
        return gx, g[:, 4:]

    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        return _TRUTH.sample_x0(rng, samples)


def simulate(t: Array, xu: Array) -> Array:
    """Ask MuJoCo for accelerations (R, 2) at times t (R,), states and controls xu (R, 5).

    That is one call for each row. Raises SimulatorWarning.
    """
    mujoco, model, data = _simulator()
    acceleration = np.empty((len(xu), 2))
    with _heard(mujoco) as warnings:
        for row, now in enumerate(t):
            data.time, data.qpos, data.qvel, data.ctrl = now, xu[row, :2], xu[row, 2:4], xu[row, 4:]
            mujoco.mj_checkPos(model, data)
            mujoco.mj_checkVel(model, data)
            mujoco.mj_forward(model, data)
            mujoco.mj_checkAcc(model, data)
            acceleration[row] = data.qacc
            if warnings:
                mujoco.mj_resetData(model, data)  # else it is silent the next time
                raise SimulatorWarning(f"MuJoCo warns: {warnings[0]}")
    return acceleration


@cache
def _simulator() -> tuple[Any, Any, Any]:
    """Load MuJoCo, the model and its data, once in a process."""
    import mujoco  # noqa: PLC0415 (a quarter of a second)

    model = mujoco.MjModel.from_xml_string(_MODEL)
    return mujoco, model, mujoco.MjData(model)


@contextmanager
def _heard(mujoco: Any) -> Iterator[list[str]]:
    """Collect MuJoCo's warnings, which else go to standard output and MUJOCO_LOG.TXT."""
    warnings: list[str] = []
    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(warnings.append)
    try:
        yield warnings
    finally:
        mujoco.set_mju_user_warning(before)


TASK = Task(system=MujocoCartPole(), policy=cartpole.TASK.policy, presets=cartpole.TASK.presets)
