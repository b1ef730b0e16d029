"""Makes tasks of what a person brings as a system: a task, a system, or an object with a flow."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gradpareto.bench.plugins.source import Source, Unusable, module_of
from gradpareto.bench.reasons import reason_of
from gradpareto.systems import Policy, System, Task
from gradpareto.systems.derive import Derived, derived
from gradpareto.systems.faults import Unsound
from gradpareto.systems.task import Preset, initial, stored, trained_path

HIDDEN = 32
"""The neurons in each of the two hidden layers of a policy that a system does not bring."""


def brings_a_system(given: object) -> bool:
    """Tell whether an object is a task or a system, or has a flow and draws, or is a class of such.

    Anything else is an estimator, or nothing that is known.
    """
    kind = given if isinstance(given, type) else type(given)
    return issubclass(kind, (Task, System)) or callable(getattr(given, "flow", None))


def as_task(given: Any, source: Source, name: str) -> Task:
    """Make the task of an object that brings a system, with the derivatives that it lacks.

    A task keeps its policy and presets. Any other object may have a `policy` and `presets`; its
    usual ones are a perceptron of two layers of HIDDEN tanh, and its draw `initial`. A policy that
    `learn` has stored is the preset `trained`. Raises Unusable.
    """
    try:
        if isinstance(given, Task):
            task = replace(given, system=derived(given.system))
        else:
            written = _instance(given, source)
            task = _task(derived(written), written, source)
    except (Unusable, MemoryError):
        raise
    except Exception as error:
        told = error if isinstance(error, Unsound) else reason_of(error)
        raise Unusable(f"{source}: {told}") from error
    path = stored_policy_path(name, source)
    if "trained" not in task.presets and path.exists():
        task = replace(task, presets={**task.presets, "trained": stored(path)})
    return task


def stored_policy_path(name: str, source: Source | None) -> Path:
    """Return the file of a system's preset `trained`, in a folder beside a plug-in's own file."""
    if source is None:
        return trained_path(name)
    file = module_of(source).__file__
    return Path(file or source.where).resolve().parent / "trained" / f"{name}.npz"


def derivatives_of(task: Task) -> Mapping[str, str]:
    """Say of each method of a task's system how its derivative was made, if it was made."""
    system = task.system
    made = system.derivatives if isinstance(system, Derived) else {}
    return {name: str(one) for name, one in made.items()}


def compares_in_time(task: Task) -> bool:
    """Tell whether a system's times are comparable with those of one that is derived by hand."""
    return not isinstance(task.system, Derived) or task.system.compares_in_time


def _instance(given: Any, source: Source) -> Any:
    if not isinstance(given, type):
        return given
    if missing := getattr(given, "__abstractmethods__", None):
        raise Unusable(f"{source} has no {', '.join(sorted(missing))}: define it")
    try:
        return given()
    except Exception as error:
        raise Unusable(
            f"{source} cannot be made without arguments ({error}): name an object of it instead"
        ) from error


def _task(system: System, written: Any, source: Source) -> Task:
    sizes = (system.observation_dim, HIDDEN, HIDDEN, system.control_dim)
    policy = getattr(written, "policy", None)
    if policy is None:
        policy = Policy(sizes, ("tanh", "tanh", "identity"))
    if not isinstance(policy, Policy):
        raise Unusable(f"{source}: its policy is of type {type(policy).__name__}, not Policy")
    if (policy.sizes[0], policy.sizes[-1]) != (sizes[0], sizes[-1]):
        raise Unusable(
            f"{source}: its policy goes from {policy.sizes[0]} to {policy.sizes[-1]} numbers, and "
            f"the system from {sizes[0]} observations to {sizes[-1]} controls"
        )
    presets: Mapping[str, Preset] = getattr(written, "presets", None) or {"initial": initial()}
    return Task(system, policy, presets)
