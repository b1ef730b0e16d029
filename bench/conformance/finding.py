"""The finding of one check of an estimator."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["passed", "failed", "noted", "timeout"]


@dataclass(frozen=True)
class Finding:
    """The result of a check: what was expected, what was seen, and what to do if it did not pass.

    A finding is `noted` if there is nothing to judge, and a `timeout` if the check did not come to
    an end in its time: then the estimator is neither right nor wrong, and is not said to pass.
    """

    check: str
    status: Status
    expected: str
    seen: str
    advice: str = ""


def judged(check: str, good: bool, expected: str, seen: str, advice: str) -> Finding:
    """A finding that passed or failed."""
    return Finding(check, "passed" if good else "failed", expected, seen, "" if good else advice)


def passes(findings: list[Finding]) -> bool:
    """Tell whether each check came to its end and none failed."""
    return all(finding.status in ("passed", "noted") for finding in findings)
