"""The matrix of verdicts: every estimator against every other, on every problem of a run.

All pairs of a problem are judged at once, by the same rules as `bench.judge.verdict.compare`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from gradpareto.bench.judge.frontier import Attainment, attainment, evals_at
from gradpareto.bench.judge.verdict import LOOSEST, Answer, ahead, answer, ladder, median_known
from gradpareto.bench.store.records import write_whole
from gradpareto.systems import Array

COLUMNS = ["system", "theta", "new", "baseline", "answer", "ratio"]


def verdict_matrix(records: pd.DataFrame, loosest: float = LOOSEST) -> pd.DataFrame:
    """A row for each problem and ordered pair with a common sample: COLUMNS.

    `ratio`: NEW's evaluations over BASELINE's at matched error, as `Verdict.ratio`; NaN where the
    two reach no error in common.
    """
    rows = []
    for (system, theta), group in records.groupby(["system", "theta"]):
        names = list(dict.fromkeys(group.estimator))
        found = judge_pairs(group, names, loosest)
        rows += [(system, theta, *pair, *verdict) for pair, verdict in found.items()]
    return pd.DataFrame(rows, columns=COLUMNS)


def judge_pairs(
    records: pd.DataFrame, names: Sequence[str], loosest: float = LOOSEST
) -> dict[tuple[str, str], tuple[Answer, float]]:
    """What `compare` answers, and its ratio, for every ordered pair, on one problem."""
    samples = sorted(records["sample"].unique().tolist())
    groups = dict(list(records.groupby("estimator")))
    reached = [attainment(groups[name]) for name in names]
    targets = _ladders(reached, samples, loosest)
    # log evals (E, other, S, T); NaN in samples that were not measured, or not known.
    needed = np.stack([_log_needed(*pair, samples) for pair in zip(reached, targets, strict=True)])
    found: dict[tuple[str, str], tuple[Answer, float]] = {}
    for k, name in enumerate(names):
        with np.errstate(invalid="ignore"):
            ratios = needed[k] - needed[:, k]
        signs, middles = ahead(ratios), _mean_ratios(ratios)
        common = _measured(reached[k], samples) & np.stack([_measured(r, samples) for r in reached])
        for j in np.flatnonzero(common.any(axis=1)).tolist():
            if j != k:
                found[name, names[j]] = answer(signs[j]), float(middles[j])
    return found


def winners(matrix: pd.DataFrame) -> pd.DataFrame:
    """A row a problem: who is dominated by nobody there, most victories first, and how many are.

    `dominates` has the number of others that each of them dominates.
    """
    rows = []
    for (system, theta), group in matrix.groupby(["system", "theta"]):
        beats = group[group.answer == "dominates"].new.value_counts()
        beaten = set(group[group.answer == "is dominated"].new)
        best = sorted(set(group.new) - beaten, key=lambda name: (-beats.get(name, 0), name))
        rows.append(
            {
                "system": system,
                "theta": theta,
                "estimators": group.new.nunique(),
                "undominated": len(best),
                "winners": " ".join(best),
                "dominates": " ".join(str(beats.get(name, 0)) for name in best),
            }
        )
    return pd.DataFrame(rows)


def counts(matrix: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """On how many problems NEW (row) dominates BASELINE (column), and on how many both were run."""
    names = list(dict.fromkeys(matrix.new))
    won = matrix.assign(won=matrix.answer == "dominates")
    cells = won.pivot_table(index="new", columns="baseline", values="won", aggfunc=["sum", "size"])
    won_of, run_of = (
        pd.DataFrame(cells[kind]).reindex(index=names, columns=names).fillna(0).astype(int)
        for kind in ("sum", "size")
    )
    return won_of, run_of


def winners_markdown(table: pd.DataFrame) -> str:
    """A row a problem: who is dominated by nobody, with how many others each dominates."""
    rows = [["problem", "estimators", "dominated by nobody (dominates so many)"], ["---"] * 3]
    for row in table.to_dict("records"):
        best = zip(row["winners"].split(), row["dominates"].split(), strict=True)
        shown = ", ".join(f"{name} ({count})" for name, count in best)
        rows.append([f"{row['system']} ({row['theta']})", str(row["estimators"]), shown])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def write_matrix(matrix: pd.DataFrame, folder: Path) -> list[Path]:
    """Write matrix.csv, winners.csv and winners.md; their paths."""
    best = winners(matrix)
    contents = {
        "matrix.csv": matrix.to_csv(index=False),
        "winners.csv": best.to_csv(index=False),
        "winners.md": winners_markdown(best),
    }
    for name, content in contents.items():
        write_whole(folder / name, content)
    return [folder / name for name in contents]


def _measured(reached: Attainment, samples: Sequence[int]) -> Array:
    return np.array([sample in reached.fronts for sample in samples])


def _ladders(reached: Sequence[Attainment], samples: Sequence[int], loosest: float) -> Array:
    """The errors at which each pair is compared (E, E, T), NaN behind the tightest."""
    best = np.full((len(reached), len(samples)), np.nan)
    for row, own in zip(best, reached, strict=True):
        for k, sample in enumerate(samples):
            if sample in own.fronts:
                row[k] = np.min(own.fronts[sample].error, initial=np.inf)
    both = ~np.isnan(best)[:, None] & ~np.isnan(best)[None]
    tightest = median_known(np.where(both, best[:, None], np.nan))
    tightest = np.fmin(np.fmin(tightest, tightest.T), loosest)
    ladders = {value: ladder(loosest, value) for value in np.unique(tightest)}
    targets = np.full((*tightest.shape, max(map(len, ladders.values()))), np.nan)
    for at, value in np.ndenumerate(tightest):
        targets[at][: len(ladders[value])] = ladders[value]
    return targets


def _log_needed(reached: Attainment, targets: Array, samples: Sequence[int]) -> Array:
    """log evaluations (E, S, T) of one estimator for its targets (E, T) against each other."""
    known = ~np.isnan(targets)
    needed = np.full((len(samples), *targets.shape), np.nan)
    for row, sample in zip(needed, samples, strict=True):
        if sample in reached.fronts:
            at = evals_at(reached.fronts[sample], targets[known])
            unknown = np.isinf(at) & (sample in reached.floored)
            row[known] = np.where(unknown, np.nan, np.log(at))
    return needed.transpose(1, 0, 2)


def _mean_ratios(ratios: Array) -> Array:
    """The median over samples of the geometric means over the targets, (E,)."""
    finite = np.isfinite(ratios)
    number = finite.sum(axis=2)
    sums = np.where(finite, ratios, 0).sum(axis=2)
    means = np.where(number > 0, sums / np.maximum(number, 1), np.nan)
    return np.exp(median_known(means))
