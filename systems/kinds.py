"""The kind of each registered system: what decides which estimators do well on it.

The kinds stand here, and not in the tasks, since a reference and a measurement are kept until the
code of their system changes, and a kind changes neither.
"""

from typing import Literal, get_args

from gradpareto.systems import TASKS

Kind = Literal["smooth", "stiff", "kinked", "jumping", "chaotic"]
KINDS: dict[Kind, str] = {
    "smooth": "x' (with the policy) and the running cost have many derivatives along a path.",
    "stiff": "A part of the state settles far faster than the rest: explicit steps must be short.",
    "kinked": "A derivative of x' jumps at some states, which holds back high orders.",
    "jumping": "x' or the running cost jumps at a time that is known beforehand.",
    "chaotic": "Close trajectories part exponentially, and so do the errors of a gradient.",
}
"""The kinds, each with the sentence that explains it, in the order of a table."""
UNDECLARED = "undeclared"
"""The kind of a system that declares none."""

OF_SYSTEM: dict[str, Kind] = {
    "lqr": "smooth",
    "differential_drive": "smooth",
    "quadrotor": "smooth",
    "quadrotor_smooth": "smooth",
    "stiff": "stiff",
    "heat": "stiff",
    "cartpole": "kinked",
    "mujoco_cartpole": "kinked",
    "electric": "jumping",
    "taichi_electric": "jumping",
    "lorenz": "chaotic",
}


def kind_of(system: str) -> str:
    """Return the kind of a system by its name, or UNDECLARED.

    A system from outside the repository declares it in an attribute `kind`.
    """
    if system in OF_SYSTEM:
        return OF_SYSTEM[system]
    task = TASKS.get(system)
    kind = None if task is None else getattr(task.system, "kind", None)
    return str(kind) if kind in get_args(Kind) else UNDECLARED
