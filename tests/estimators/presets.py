"""The presets that tests of all estimators run on: two of them for each, all for one of a class."""

from collections.abc import Mapping
from typing import Any

import pytest

from gradpareto.systems import TASKS

EXACT = [name for name, task in TASKS.items() if task.system.truth is None]
PRESETS = [(name, key) for name in EXACT for key in TASKS[name].presets if key != "trained"]
"""Tasks whose own derivatives are exact. Trained parameters are faster than drawn ones, and others
after every training: the horizons and rates in conftest.py are for those here."""
SOME = [("quadrotor", "initial"), ("electric", "initial")]
"""One is nonlinear with many states, the other depends on time and on each sample's own goal."""


def on_presets(name: str, methods: Mapping[str, object]) -> Any:
    """Parametrise a test by `name`, a key of `methods`, and by `preset`.

    Every method runs on SOME presets, the first of each class on all: methods of a class differ in
    their coefficients, and share the code that meets a system.
    """
    first = {type(method): key for key, method in reversed(list(methods.items()))}
    pairs = [
        pytest.param(key, preset, id="-".join((key, *preset)))
        for key, method in methods.items()
        for preset in (PRESETS if first[type(method)] == key else SOME)
    ]
    return pytest.mark.parametrize((name, "preset"), pairs)
