"""The failures among records, with their reasons, counted."""

from dataclasses import dataclass

import pandas as pd

from gradpareto.bench.site.page import Cell, count

MOST_SETTINGS = 3
MOST_REASONS = 300
"""The most rows of a table of failures, so that no page grows without bound."""


@dataclass(frozen=True)
class Failure:
    """Records of an estimator on a problem that failed in one way for one reason."""

    system: str
    theta: str
    estimator: str
    status: str
    reason: str
    records: Cell
    settings: str


def failures(failed: pd.DataFrame) -> list[Failure]:
    """Count records that are failures, the most frequent first, in at most MOST_REASONS rows."""
    keys = ["system", "theta", "estimator", "status", "reason"]
    failed = failed.assign(reason=failed.reason.fillna("").astype(str))
    groups = sorted(failed.groupby(keys), key=lambda one: (-len(one[1]), one[0]))
    found = []
    for key, rows in groups[:MOST_REASONS]:
        system, theta, estimator, status, reason = map(str, key)
        settings = _settings(rows)
        counted = count(len(rows))
        found.append(Failure(system, theta, estimator, status, reason, counted, settings))
    return found


def _settings(rows: pd.DataFrame) -> str:
    found = sorted(rows.setting.unique().tolist())
    if len(found) <= MOST_SETTINGS:
        return ", ".join(f"{value:.4g}" for value in found)
    return f"{len(found)} from {found[0]:.4g} to {found[-1]:.4g}"
