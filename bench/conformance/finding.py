"""The finding of one check of an estimator."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["passed", "failed", "noted"]


@dataclass(frozen=True)
class Finding:
    """The result of a check: what was expected, what was seen, and what to do if it `failed`.

    A finding is `noted` if it is neither right nor wrong, or if it could not be judged.
    """

    check: str
    status: Status
    expected: str
    seen: str
    advice: str = ""


def judged(check: str, good: bool, expected: str, seen: str, advice: str) -> Finding:
    """A finding that passed or failed."""
    return Finding(check, "passed" if good else "failed", expected, seen, "" if good else advice)
