"""The table of what `choose` chooses, beside the best setting that a whole sweep has."""

import numpy as np
import pandas as pd


def choices_markdown(choices: pd.DataFrame) -> str:
    """Return the first choice for each problem and error as Markdown, a column for each error.

    A cell has the estimator, and its evaluations over those of the best setting of the sweep that
    reaches the error. It is empty where no estimator reaches it.
    """
    first = choices.groupby(["system", "theta", "error"], sort=True).head(1)
    cells = first.assign(
        problem=first.system + " (" + first.theta + ")",
        text=[
            f"{name}, {over:.2f}" if np.isfinite(over) else f"{name}, alone"
            for name, over in zip(first.estimator, first.over_the_best.to_numpy(float), strict=True)
        ],
    ).pivot(index="problem", columns="error", values="text")
    cells = cells[sorted(cells.columns, reverse=True)].fillna("").reset_index()
    cells.columns = [str(cells.columns[0]), *(f"{error:.0e}" for error in cells.columns[1:])]
    return cells.to_markdown(index=False, disable_numparse=True) + "\n"


def choices_sentence(choices: pd.DataFrame) -> str:
    """Say how often the first choice is within 20 % of the best, and how long the races took."""
    first = choices.groupby(["system", "theta", "error"]).head(1)
    known = first.over_the_best[np.isfinite(first.over_the_best)]
    seconds = first.groupby(["system", "theta"]).race_seconds.max()
    return (
        f"The first choice takes at most 1.2 times the evaluations of the best in "
        f"{(known <= 1.2).sum()} of {len(known)} cases, {known.median():.2f} times in the "
        f"median and {known.max():.2f} times at worst. All errors of a problem took "
        f"{seconds.median():.0f} s in the median, and {seconds.max():.0f} s at most."
    )
