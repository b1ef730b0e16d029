"""Verdicts on two disjoint halves of the samples: how often they are the same."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from gradpareto.bench.judge.evidence import LEAST_SAMPLES, evidence
from gradpareto.bench.judge.paired import MIRROR, all_pairs

COLUMNS = ["system", "theta", "pairs", "verdicts", "decided", "both_decided", "differ", "reversed"]
UNDECIDED = "not enough evidence"


def halves(
    records: pd.DataFrame,
    report: Callable[[str, int, int], object] = lambda name, done, total: None,
) -> pd.DataFrame:
    """Judge each pair of estimators twice, on every second sample: a row for each problem.

    The columns are COLUMNS. `decided` counts the verdicts, two for each pair, that say more than
    UNDECIDED, and `both_decided` the pairs of which both do. Of these, `differ` have two different
    answers, and `reversed` two opposite ones. Pairs with fewer than twice LEAST_SAMPLES common
    samples are left out, since neither half of them could decide. `report` is told each problem.
    """
    rows, problems = [], records.groupby(["system", "theta"])
    for done, ((system, theta), group) in enumerate(problems, 1):
        rows.append((system, theta, *_counts(group)))
        report(f"halves of {system} ({theta})", done, len(problems))
    return pd.DataFrame(rows, columns=COLUMNS)


def _counts(records: pd.DataFrame) -> tuple[int, ...]:
    """Return the numbers of one problem."""
    common = [ratios for _, ratios in all_pairs(records).values()]
    enough = [ratios for ratios in common if len(ratios) >= 2 * LEAST_SAMPLES]
    told = [(evidence(own[::2]).answer, evidence(own[1::2]).answer) for own in enough]
    decided = np.array([[answer != UNDECIDED for answer in pair] for pair in told]).reshape(-1, 2)
    both = [pair for pair, known in zip(told, decided, strict=True) if known.all()]
    differ = [pair for pair in both if pair[0] != pair[1]]
    opposite = [pair for pair in differ if MIRROR.get(pair[0]) == pair[1]]
    return len(told), 2 * len(told), int(decided.sum()), len(both), len(differ), len(opposite)


def halves_sentence(table: pd.DataFrame) -> str:
    """Say how often the verdicts of two halves are the same, over all problems."""
    sums = table[COLUMNS[2:]].sum()
    share = sums.differ / max(sums.both_decided, 1)
    return (
        f"On {len(table)} problems, {sums.pairs:,} pairs of estimators were judged twice, on "
        f"disjoint halves of the samples. Of the {sums.verdicts:,} verdicts, "
        f"{sums.decided / sums.verdicts:.0%} are decided. Of the {sums.both_decided:,} pairs that "
        f"both halves decide, {sums.differ:,} have different answers "
        f"({share:.1%}), and {sums.reversed:,} have opposite ones."
    )
