"""Sends problems to worker processes, which load a plug-in's code before its objects."""

import pickle
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from typing import Any

import numpy as np

from gradpareto.bench.plugins import SYSTEM_PLUGINS, Plugin, load_again
from gradpareto.bench.run.engines.task import Died, Limited, Shared
from gradpareto.bench.run.engines.worker import TaskFault
from gradpareto.reference import Reference, refuse
from gradpareto.systems import Array, Problem


def schedule(
    executor: Executor,
    systems: Iterable[str],
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    seconds: float | None = None,
    parts: tuple[Shared, ...] = (),
    alone: bool = False,
    luggage: Shared | None = None,
) -> Future[Any]:
    """Have a worker call function(*arguments, *parts) on problems of these systems.

    A class from a plug-in's file can be unpickled only where that file is loaded: the arguments
    are sent in pickled form, and the worker loads the file first. The call raises Unusable if the
    file was changed meanwhile.
    """
    plugins = [SYSTEM_PLUGINS[name] for name in systems if name in SYSTEM_PLUGINS]
    packed = pickle.dumps((function, arguments))
    return executor.submit(Limited(_call, seconds, alone, luggage), plugins, packed, *parts)


def certified(future: Future[Reference], problem: Problem, x0: Array) -> Reference:
    """Wait for the reference of x0, which is refused if certifying it ended its process."""
    try:
        return future.result()
    except (Died, TaskFault) as error:
        return refuse(problem, np.arange(len(x0)), str(error))


def _call(plugins: list[Plugin], packed: bytes, *parts: Shared | bytes) -> Any:
    for plugin in plugins:
        load_again(plugin)
        SYSTEM_PLUGINS[plugin.name] = plugin
    function, arguments = pickle.loads(packed)
    texts = (one.packed if isinstance(one, Shared) else one for one in parts)
    return function(*arguments, *map(pickle.loads, texts))
