"""Where the time of a gradient goes: oracle calls, the contraction, and the estimator's modules."""

import cProfile
import pstats
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gradpareto import estimators, systems

SYSTEMS, ESTIMATORS = (Path(package.__path__[0]) for package in (systems, estimators))
CONTRACTING = {"contract", "weighted_sums", "write"}
"""The functions of a problem that contract factors to the gradient in theta."""
CALLS, CONTRACTION = "oracle calls", "contraction"
SHOWN = 4
"""The parts that a sentence names."""

Function = tuple[str, int, str]
"""A function as a profile knows it: its file, the line and its name."""
Profile = dict[Function, Any]


def shares(call: Callable[[], object]) -> dict[str, float]:
    """Return the share of a call's time in each part of a gradient, the largest first.

    The parts are the oracle calls, the contraction, and the modules of `estimators`. Each has the
    time of the functions of Python and NumPy that it calls.
    """
    profiler = cProfile.Profile()
    profiler.runcall(call)
    profile: Profile = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    spent: dict[str, float] = defaultdict(float)
    for function in profile:
        for part, seconds in _own_time(function, profile):
            spent[part] += seconds
    whole = sum(spent.values())
    largest = sorted(spent, key=spent.__getitem__, reverse=True)
    return {part: spent[part] / whole for part in largest}


def shares_sentence(found: dict[str, float]) -> str:
    """Name the largest shares in percent."""
    return ", ".join(f"{part} {100 * found[part]:.0f} %" for part in list(found)[:SHOWN])


def _own_time(function: Function, profile: Profile) -> Iterator[tuple[str, float]]:
    """Yield parts and the seconds that a function itself adds to each."""
    _, _, own, _, callers = profile[function]
    if _inside(function, SYSTEMS):
        part = CONTRACTION if function[2] in CONTRACTING else CALLS
        # With all that it calls, where an estimator calls it.
        yield from ((part, made[3]) for by, made in callers.items() if not _inside(by, SYSTEMS))
    elif part := _module(function, profile):
        yield part, own
    else:
        for by, made in callers.items():
            yield from ((part, made[2] * share) for part, share in _owners(by, profile, ()))


def _owners(
    function: Function, profile: Profile, seen: tuple[Function, ...]
) -> Iterator[tuple[str, float]]:
    """Yield the modules on whose behalf a function is called, with the share of each."""
    if _inside(function, SYSTEMS) or function in seen:
        return
    if part := _module(function, profile):
        yield part, 1.0
        return
    callers = profile[function][4]
    whole = sum(made[3] for made in callers.values())
    for by, made in callers.items():
        for part, share in _owners(by, profile, (*seen, function)):
            yield part, share * made[3] / whole


def _module(function: Function, profile: Profile) -> str:
    """Return the name of an estimator's module, or "" for what others call as a tool.

    A plug-in, which lives elsewhere, is what the profiler itself called.
    """
    file = Path(function[0])
    if _inside(function, ESTIMATORS):
        return ".".join(file.relative_to(ESTIMATORS).with_suffix("").parts[-2:])
    return file.stem if file.suffix == ".py" and not profile[function][4] else ""


def _inside(function: Function, folder: Path) -> bool:
    return Path(function[0]).is_relative_to(folder)
