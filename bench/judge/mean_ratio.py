"""The mean of ratios of costs over problems, in which the presets of a system share its weight."""

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

ProblemKey = tuple[str, str]
"""A system and a preset."""


def mean_ratio(ratios: Mapping[ProblemKey, float]) -> float:
    """Return the geometric mean over systems of that over each one's presets; NaN of none.

    The presets of a system are not independent.
    """
    logs = defaultdict(list)
    for (system, _), ratio in ratios.items():
        logs[system].append(np.log(ratio))
    return float(np.exp(np.mean([np.mean(own) for own in logs.values()]))) if logs else np.nan
