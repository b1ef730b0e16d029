"""The table of a run: the evaluations of each estimator for each accuracy, and the verdicts."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from gradpareto.bench.judge.frontier import comparable, limit_at, median_points, observed_order
from gradpareto.bench.judge.paired import evals_needed, reference_floors
from gradpareto.bench.judge.wording import listed
from gradpareto.systems import Array

TARGETS = (1e-2, 1e-4, 1e-6, 1e-9)
BYTES_AT = 1e-4


def summarise(
    records: pd.DataFrame, limits: Mapping[tuple[str, str], pd.DataFrame]
) -> pd.DataFrame:
    """Summarise a run in one row for each system, preset and estimator.

    `evals_1e-2` ... are the median sample's evaluations: inf if the error is not reached, NaN if
    that is not known, since the error is below the reference's floor for most samples.
    `limit_ratio_1e-2` ... are these over the quadrature limit's. `floor` is the smallest median
    error, and `order` the observed order in evaluations. `peak_bytes` is a sample's, at the
    cheapest setting whose median error is at most BYTES_AT. `ok` is the share of records that did
    not fail, and `samples` the number of samples measured. Samples whose true gradient is zero are
    left out; a problem that has no others has no row.
    """
    rows = []
    known = comparable(records)
    for (system, theta), of_problem in known.groupby(["system", "theta"]):
        limit = limit_at(limits[str(system), str(theta)], np.array(TARGETS))
        everybody = sorted(of_problem["sample"].unique().tolist())
        floors = pd.Series(reference_floors(of_problem, everybody), everybody)
        rows += [
            {"system": system, "theta": theta, "estimator": estimator} | _row(group, limit, floors)
            for estimator, group in of_problem.groupby("estimator")
        ]
    return pd.DataFrame(rows)


def _row(records: pd.DataFrame, limit: Array, floors: pd.Series) -> dict[str, float]:
    samples = sorted(records["sample"].unique().tolist())
    known = evals_needed(records, samples, floors[samples].to_numpy(), np.array(TARGETS))
    needed = median_of_most(known)
    row: dict[str, float] = {"samples": len(samples)}
    row |= {f"evals_{t:.0e}": v for t, v in zip(TARGETS, needed, strict=True)}
    with np.errstate(invalid="ignore"):
        ratios = np.where(np.isinf(needed), np.inf, needed / limit)
    row |= {f"limit_ratio_{t:.0e}": v for t, v in zip(TARGETS, ratios, strict=True)}
    points = median_points(records)
    row["floor"] = smallest_error(points)
    row["order"] = observed_order(records)
    at = cheapest(points, BYTES_AT)
    row["peak_bytes"] = np.nan if at is None else float(at.peak_bytes)
    row["ok"] = float((records.status == "ok").mean())
    return row


def median_of_most(needed: Array) -> Array:
    """Return the medians (T,) of the known evaluations (S, T), NaN where most are not known."""
    medians = pd.DataFrame(needed).median().to_numpy()
    return np.where(np.isnan(needed).mean(axis=0) > 0.5, np.nan, medians)


def smallest_error(points: pd.DataFrame) -> float:
    """Return the smallest error of `median_points`, or NaN if there is none that is finite."""
    error = points.rel_error.min()
    return float(error) if np.isfinite(error) else float("nan")


def cheapest(points: pd.DataFrame, error: float) -> pd.Series | None:
    """Return the cheapest of `median_points` with an error of at most `error`, or None.

    The name of the series is the setting.
    """
    reached = points[points.rel_error <= error]
    return reached.sort_values("evals").iloc[0] if len(reached) else None


def evals_cell(evals: float) -> str:
    """Return evaluations as text: "-" if an error is never reached, "?" if that is not known."""
    if np.isnan(evals):
        return "?"
    return f"{evals:,.0f}" if np.isfinite(evals) else "-"


def markdown(table: pd.DataFrame) -> str:
    """Write the Markdown table of `summarise`: one row per estimator, one column per problem.

    A cell has the `evals_cell` of each target, and is empty where the estimator was not measured.
    """
    cells = table.assign(
        problem=table.system + " (" + table.theta + ")",
        evals=[
            " / ".join(map(evals_cell, row))
            for row in table[[f"evals_{target:.0e}" for target in TARGETS]].to_numpy()
        ],
    ).pivot(index="estimator", columns="problem", values="evals")
    aligned = ["left", *["right"] * len(cells.columns)]
    return cells.fillna("").to_markdown(disable_numparse=True, colalign=aligned) + "\n"


def markdown_fewest(table: pd.DataFrame) -> str:
    """Write the Markdown table of the fewest evaluations for each target, with the estimator.

    It has one row for each problem and one column for each target.

    A cell is "-" where no estimator reaches the target, and "?" where one may that is at the
    reference's floor.
    """
    rows = []
    for (system, theta), group in table.groupby(["system", "theta"]):
        row = {"problem": f"{system} ({theta})"}
        for target in TARGETS:
            needed = group.set_index("estimator")[f"evals_{target:.0e}"]
            row[f"{target:.0e}"] = _fewest(needed)
        rows.append(row)
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True) + "\n"


def _fewest(needed: pd.Series) -> str:
    """Return the smallest number with its estimator, or what `evals_cell` has for none."""
    if np.isfinite(needed).any():
        return f"{needed.min():,.0f} {needed.idxmin()}"
    return evals_cell(needed.max(skipna=False))


def sentences(records: pd.DataFrame, matrix: pd.DataFrame) -> list[str]:
    """Return one sentence per problem: the undominated estimators and what each dominates.

    `matrix` has the verdicts on these records (`bench.judge.matrix.verdict_matrix`).
    """
    texts = []
    won = matrix[matrix.answer == "dominates"].groupby(["system", "theta"])
    for (system, theta), group in comparable(records).groupby(["system", "theta"]):
        names = list(dict.fromkeys(group.estimator))
        own = won.get_group((system, theta)) if (system, theta) in won.groups else matrix[:0]
        pairs = set(zip(own.new, own.baseline, strict=True))
        beats = {one: [other for other in names if (one, other) in pairs] for one in names}
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
        return "all others" if not spared else f"all others but {listed(spared)}"
    return listed(beaten)
