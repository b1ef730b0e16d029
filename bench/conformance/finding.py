"""What a check of an estimator found."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["passed", "failed", "noted"]


@dataclass(frozen=True)
class Finding:
    """What was expected and what was seen, and if it `failed` what to do about it.

    `noted` is what is neither right nor wrong, or could not be judged.
    """

    check: str
    status: Status
    expected: str
    seen: str
    advice: str = ""


def judged(check: str, good: bool, expected: str, seen: str, advice: str) -> Finding:
    """Passed or failed."""
    return Finding(check, "passed" if good else "failed", expected, seen, "" if good else advice)
