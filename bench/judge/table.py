"""The table of a run: the evaluations of each estimator for each accuracy, and the verdicts."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from gradpareto.bench.judge.frontier import (
    attained,
    attainment,
    deciding,
    limit_at,
    median_points,
    observed_order,
)
from gradpareto.bench.judge.matrix import judge_pairs
from gradpareto.systems import Array

TARGETS = (1e-2, 1e-4, 1e-6, 1e-9)
BYTES_AT = 1e-4


def summarise(
    records: pd.DataFrame, limits: Mapping[tuple[str, str], pd.DataFrame]
) -> pd.DataFrame:
    """Summarise a run in one row for each system, preset and estimator.

    `evals_1e-2` ... are the median sample's evaluations (inf if it is not reached), and
    `limit_ratio_1e-2` ... are these over the quadrature limit's. `floor` is the smallest median
    error, and `order` the observed order in evaluations. `peak_bytes` is a sample's, at the
    cheapest setting whose median error is at most BYTES_AT. `ok` is the share of records that did
    not fail, and `samples` the number of samples measured.
    """
    rows = []
    for (system, theta, estimator), group in records.groupby(["system", "theta", "estimator"]):
        problem = (str(system), str(theta))
        limit = limit_at(limits[problem], np.array(TARGETS))
        rows.append({"system": system, "theta": theta, "estimator": estimator} | _row(group, limit))
    return pd.DataFrame(rows)


def _row(records: pd.DataFrame, limit: Array) -> dict[str, float]:
    usable = deciding(records)
    samples = sorted(records["sample"].unique().tolist())
    needed = np.median(attained(attainment(records), samples, np.array(TARGETS)), axis=0)
    finished = records[records.status == "ok"]
    floor = finished.groupby("setting").rel_error.median().min() if len(finished) else np.nan
    row: dict[str, float] = {"samples": len(samples)}
    row |= {f"evals_{t:.0e}": v for t, v in zip(TARGETS, needed, strict=True)}
    with np.errstate(invalid="ignore"):
        ratios = np.where(np.isfinite(needed), needed / limit, np.inf)
    row |= {f"limit_ratio_{t:.0e}": v for t, v in zip(TARGETS, ratios, strict=True)}
    row["floor"] = float(floor)
    row["order"] = observed_order(usable)
    at = cheapest(finished, BYTES_AT)
    row["peak_bytes"] = np.nan if at is None else float(at.peak_bytes)
    row["ok"] = len(finished) / len(records)
    return row


def cheapest(finished: pd.DataFrame, error: float) -> pd.Series | None:
    """Return the medians at the cheapest setting whose median error is at most `error`, or None.

    The name of the series is the setting.
    """
    points = median_points(finished) if len(finished) else finished
    points = points[points.rel_error <= error]
    return points.sort_values("evals").iloc[0] if len(points) else None


def markdown(table: pd.DataFrame) -> str:
    """Write the Markdown table of `summarise`: one row per estimator, one column per problem.

    A cell has the evaluations for each target, "-" for one that is never reached, and is empty
    where the estimator was not measured.
    """
    shown = table.assign(
        problem=table.system + " (" + table.theta + ")",
        evals=[
            " / ".join(f"{v:,.0f}" if np.isfinite(v) else "-" for v in row)
            for row in table[[f"evals_{target:.0e}" for target in TARGETS]].to_numpy()
        ],
    ).pivot(index="estimator", columns="problem", values="evals")
    aligned = ["left", *["right"] * len(shown.columns)]
    return shown.fillna("").to_markdown(disable_numparse=True, colalign=aligned) + "\n"


def markdown_fewest(table: pd.DataFrame) -> str:
    """Write the Markdown table of the fewest evaluations for each target, with the estimator.

    It has one row for each problem and one column for each target.

    A cell is "-" where no estimator reaches the target.
    """
    rows = []
    for (system, theta), group in table.groupby(["system", "theta"]):
        row = {"problem": f"{system} ({theta})"}
        for target in TARGETS:
            needed = group.set_index("estimator")[f"evals_{target:.0e}"]
            reached = needed[np.isfinite(needed)]
            fewest = f"{reached.min():,.0f} {reached.idxmin()}" if len(reached) else "-"
            row[f"{target:.0e}"] = fewest
        rows.append(row)
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True) + "\n"


def sentences(records: pd.DataFrame) -> list[str]:
    """Return one sentence per problem: the undominated estimators and what each dominates."""
    texts = []
    for (system, theta), group in records.groupby(["system", "theta"]):
        names = list(dict.fromkeys(group.estimator))
        answers = judge_pairs(group, names)
        beats = {
            one: [other for other in names if answers.get((one, other), ("",))[0] == "dominates"]
            for one in names
        }
        beaten = {loser for row in beats.values() for loser in row}
        best = sorted((name for name in names if name not in beaten), key=lambda n: -len(beats[n]))
        parts = [f"{name} dominates {_others(name, beats[name], names)}" for name in best]
        texts.append(f"{system} ({theta}), dominated by nobody: {'; '.join(parts)}.")
    return texts


def _others(own: str, beaten: list[str], names: list[str]) -> str:
    spared = [name for name in names if name not in beaten and name != own]
    if not beaten:
        return "nobody"
    if len(beaten) > 3 and len(spared) < len(beaten):
        return "all others" if not spared else f"all others but {_and(spared)}"
    return _and(beaten)


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
