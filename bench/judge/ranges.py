"""Ranges of errors in which one of two estimators is ahead."""

from dataclasses import dataclass
from itertools import groupby

from gradpareto.systems import Array


@dataclass(frozen=True)
class Range:
    """The errors from `loosest` to `tightest`, where `better` is ahead ("" for a tie)."""

    loosest: float
    tightest: float
    better: str

    def __str__(self) -> str:
        return f"{self.better or 'neither'} ahead from {self.loosest:.2g} to {self.tightest:.2g}"


def ranges(targets: Array, signs: Array, new: str, baseline: str) -> tuple[Range, ...]:
    """Return the longest ranges of target errors (T,) in which the same one is ahead.

    Signs (T,) are -1 where NEW is ahead, 1 where BASELINE is, and 0 where neither is.
    """
    names = {-1.0: new, 0.0: "", 1.0: baseline}
    runs: list[Range] = []
    start = 0
    for sign, group in groupby(signs.tolist()):
        end = start + len(list(group))
        edge = min(end, len(targets) - 1)
        runs.append(Range(float(targets[start]), float(targets[edge]), names[sign]))
        start = end
    return tuple(runs)
