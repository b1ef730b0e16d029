"""The matrix of verdicts: every estimator against every other, on every problem of a run."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from gradpareto.bench.judge.evidence import Answer
from gradpareto.bench.judge.frontier import attainment
from gradpareto.bench.judge.medians import median_known
from gradpareto.bench.judge.paired import TIGHTEST, family_evidence
from gradpareto.bench.judge.pairs import (
    LOOSEST,
    compare_pairs,
    ladder,
    mean_log_ratios,
)
from gradpareto.whole_file import write_whole

COLUMNS = ["system", "theta", "new", "baseline", "answer", "ratio", "family"]


def verdict_matrix(
    records: pd.DataFrame,
    loosest: float = LOOSEST,
    report: Callable[[str, int, int], object] = lambda name, done, total: None,
) -> pd.DataFrame:
    """Judge every ordered pair of estimators with a common sample, in one row for each problem.

    The columns are COLUMNS. `ratio` is NEW's evaluations over BASELINE's at matched error, as
    `Verdict.ratio`; it is NaN where the two reach no error in common. `answer` is that of the pair
    alone, and `family` that of all pairs of the problem together. A sample whose true gradient is
    zero decides nothing, and a problem that has no others has no row. `report` is told each problem
    that was judged, and how many are.
    """
    rows, problems = [], records.groupby(["system", "theta"])
    for done, ((system, theta), group) in enumerate(problems, 1):
        names = list(dict.fromkeys(group.estimator))
        found = judge_pairs(group, names, loosest)
        rows += [(system, theta, *pair, *verdict) for pair, verdict in found.items()]
        report(f"verdicts on {system} ({theta})", done, len(problems))
    return pd.DataFrame(rows, columns=COLUMNS)


def judge_pairs(
    records: pd.DataFrame, names: Sequence[str], loosest: float = LOOSEST
) -> dict[tuple[str, str], tuple[Answer, float, Answer]]:
    """Return `compare`'s answer, its ratio and the family's answer, for each ordered pair."""
    samples = sorted(records["sample"].unique().tolist())
    groups = dict(list(records.groupby("estimator")))
    reached = [attainment(groups[name]) for name in names]
    log_ratios = compare_pairs(reached, samples, loosest).log_ratios
    ratios = np.exp(median_known(mean_log_ratios(log_ratios)))
    told = family_evidence(records, ladder(loosest, TIGHTEST))
    return {
        (names[k], names[j]): (
            told[names[k], names[j]][0],
            float(ratios[k, j]),
            told[names[k], names[j]][1],
        )
        for k, own in enumerate(reached)
        for j, other in enumerate(reached)
        if j != k and own.curves.keys() & other.curves.keys()
    }


def winners(matrix: pd.DataFrame) -> pd.DataFrame:
    """Find the estimators that nobody dominates, in one row for each problem.

    Those with most victories come first; `dominates` has the number of others that each dominates.
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
    """Count the problems on which NEW (row) dominates BASELINE (column), and all in common."""
    names = list(dict.fromkeys(matrix.new))
    won = matrix.assign(won=matrix.answer == "dominates")
    cells = won.pivot_table(index="new", columns="baseline", values="won", aggfunc=["sum", "size"])
    won_of, run_of = (
        pd.DataFrame(cells[kind]).reindex(index=names, columns=names).fillna(0).astype(int)
        for kind in ("sum", "size")
    )
    return won_of, run_of


def read_matrix(folder: Path) -> pd.DataFrame | None:
    """Read the matrix of a run folder; None if it has none."""
    found = sorted(folder.glob("matrix.csv*"))
    return pd.read_csv(found[0]) if found else None


def winners_markdown(table: pd.DataFrame) -> str:
    """Write the Markdown table of `winners`, with the number of others that each dominates."""
    rows = []
    for row in table.to_dict("records"):
        best = zip(row["winners"].split(), row["dominates"].split(), strict=True)
        shown = ", ".join(f"{name} ({count})" for name, count in best)
        rows.append((f"{row['system']} ({row['theta']})", str(row["estimators"]), shown))
    heads = ["problem", "estimators", "dominated by nobody (how many others it dominates)"]
    return pd.DataFrame(rows, columns=heads).to_markdown(index=False, disable_numparse=True) + "\n"


def write_matrix(matrix: pd.DataFrame, folder: Path) -> list[Path]:
    """Write matrix.csv, winners.csv and winners.md, and return their paths."""
    best = winners(matrix)
    contents = {
        "matrix.csv": matrix.to_csv(index=False),
        "winners.csv": best.to_csv(index=False),
        "winners.md": winners_markdown(best),
    }
    for name, content in contents.items():
        write_whole(folder / name, content)
    return [folder / name for name in contents]
