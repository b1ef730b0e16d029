"""What is controlled: systems, policies, and the problems they make. Register a system in TASKS."""

from systems import differential_drive, heat, lorenz, lqr, quadrotor, stiff
from systems.lqr import LQR
from systems.policy import Factors, Policy
from systems.problem import Problem
from systems.system import Array, System
from systems.task import Task

TASKS: dict[str, Task] = {
    "lqr": lqr.TASK,
    "differential_drive": differential_drive.TASK,
    "quadrotor": quadrotor.TASK,
    "stiff": stiff.TASK,
    "lorenz": lorenz.TASK,
    "heat": heat.TASK,
}

__all__ = ["LQR", "TASKS", "Array", "Factors", "Policy", "Problem", "System", "Task"]
