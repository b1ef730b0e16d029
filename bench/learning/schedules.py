"""Schedules: how a horizon or a rate changes as a training proceeds.

Progress runs from 0, before the first iteration, to 1, behind the last.
"""

from dataclasses import dataclass
from math import cos, pi


@dataclass(frozen=True)
class GrowingHorizon:
    """A horizon that grows in proportion to the progress: from `start` to the whole at `until`.

    Raises ValueError if the start is not positive, or `until` is not above 0 and at most 1.
    """

    start: float
    until: float

    def __post_init__(self) -> None:
        if not self.start > 0:
            raise ValueError(f"a horizon cannot start at {self.start:g}: it must be positive")
        if not 0 < self.until <= 1:
            raise ValueError(
                f"a horizon cannot grow until {self.until:g} of the training: it must be a share "
                "above 0 and at most 1"
            )

    def at(self, progress: float, whole: float) -> float:
        """Return the horizon at a progress; `whole` is what it grows to."""
        share = min(progress / self.until, 1.0)
        return self.start + (whole - self.start) * share


@dataclass(frozen=True)
class CosineDecay:
    """A rate that falls along half a cosine, to the share `end` of what it was.

    Loshchilov and Hutter (2017), Eq. 5, without restarts. Raises ValueError if `end` is not a share
    from 0 to 1.
    """

    end: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.end <= 1:
            raise ValueError(
                f"a rate cannot fall to {self.end:g} of itself: it must be from 0 to 1"
            )

    def at(self, progress: float) -> float:
        """Return what the optimiser's step is multiplied by."""
        return self.end + (1 - self.end) * (1 + cos(pi * min(progress, 1.0))) / 2
