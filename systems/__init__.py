"""Systems, policies, and the problems they make. A new system is registered in TASKS."""

from importlib import import_module
from importlib.util import find_spec

from gradpareto.systems import (
    cartpole,
    differential_drive,
    electric,
    heat,
    lorenz,
    lqr,
    quadrotor,
    quadrotor_smooth,
    stiff,
)
from gradpareto.systems.freed_memory import keep_freed_memory
from gradpareto.systems.linearisation import Linearisation
from gradpareto.systems.lqr import LQR
from gradpareto.systems.policy import Factors, Policy, ThetaJacobian, WeightedSums
from gradpareto.systems.problem import Problem
from gradpareto.systems.system import Array, System
from gradpareto.systems.task import Task

keep_freed_memory()

TASKS: dict[str, Task] = {
    "lqr": lqr.TASK,
    "differential_drive": differential_drive.TASK,
    "quadrotor": quadrotor.TASK,
    "quadrotor_smooth": quadrotor_smooth.TASK,
    "electric": electric.TASK,
    "cartpole": cartpole.TASK,
    "stiff": stiff.TASK,
    "lorenz": lorenz.TASK,
    "heat": heat.TASK,
}

OPTIONAL: dict[str, str] = {"mujoco_cartpole": "mujoco", "taichi_electric": "taichi"}
"""Systems that need another project's simulator, each with the name of its extra, which is also the
name of the simulator's package."""

NEEDS: dict[str, str] = {}
"""Systems whose simulator is not installed, each with the command that installs it."""

for _name, _extra in OPTIONAL.items():
    if find_spec(_extra) is None:
        NEEDS[_name] = f"pip install 'gradpareto[{_extra}]'"
    else:
        TASKS[_name] = import_module(f"{__name__}.{_name}").TASK

__all__ = [
    "LQR",
    "NEEDS",
    "OPTIONAL",
    "TASKS",
    "Array",
    "Factors",
    "Linearisation",
    "Policy",
    "Problem",
    "System",
    "Task",
    "ThetaJacobian",
    "WeightedSums",
]
