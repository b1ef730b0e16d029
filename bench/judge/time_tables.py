"""The tables of results/time.md: the overhead of estimators, and how their time grows."""

from typing import Any

import numpy as np
import pandas as pd


def overhead_markdown(table: pd.DataFrame) -> str:
    """Return the table of `gradpareto overhead` as Markdown, with quartiles in parentheses."""
    shown = table[table.reason.isna() | (table.reason == "")]
    rows = [
        {
            "problem": f"{row.system} ({row.theta})",
            "estimator": row.estimator,
            "setting": f"{row.setting:.3g}",
            "batch": row.batch,
            "gradient, ms": _spread(row, "gradient_ms"),
            "its calls alone, ms": f"{row.oracles_ms:.3g}",
            "model of the calls, ms": f"{row.model_ms:.3g}",
            "overhead factor": _spread(row, "factor"),
            "spent in": row.spent_in,
        }
        for row in shown.itertuples()
    ]
    return _markdown(pd.DataFrame(rows))


def model_sentence(table: pd.DataFrame) -> str:
    """Say how well the wall model predicts the columns `calls_ms` and `gradient_ms`.

    A setting that serves for several errors counts once.
    """
    cells = ["system", "theta", "estimator", "setting", "batch"]
    known = table[np.isfinite(table.calls_ms)].drop_duplicates(cells)
    calls = (known.model_ms / known.calls_ms - 1).abs()
    whole = (known.model_ms / known.gradient_ms - 1).abs()
    problems = len(known[["system", "theta"]].drop_duplicates())
    return (
        f"Over {known.estimator.nunique()} estimators, {problems} problems and batches of "
        f"{', '.join(map(str, sorted(known.batch.unique())))}, the model is off by "
        f"{100 * calls.median():.0f} % of the time of the calls in the median, and by "
        f"{100 * calls.max():.0f} % at worst. It knows the calls alone: of the time of a whole "
        f"gradient it misses {100 * whole.median():.0f} % in the median, and "
        f"{100 * whole.max():.0f} % at worst."
    )


def growth_markdown(exponents: pd.DataFrame) -> str:
    """Return the exponents of `gradpareto growth` as Markdown, a column for each axis.

    A cell has the exponent with its 95 % interval, and behind it the slope at the end.
    """
    cells = exponents.assign(
        cell=[
            f"{row.exponent:.2f}{_interval(row)}; {row.at_the_end:.2f}"
            for row in exponents.itertuples()
        ]
    )
    wide = cells.pivot_table(
        index="estimator", columns="axis", values="cell", aggfunc="first", sort=False
    )
    return _markdown(wide.fillna("").reset_index())


def _interval(row: Any) -> str:
    return f" ({row.low:.2f} to {row.high:.2f})" if np.isfinite(row.low) else ""


def peers_sentence(ratios: pd.DataFrame, error: float = 1e-6) -> str:
    """Say how long the fastest estimator takes beside the fastest peer, at one error.

    `ratios` is the table of `gradpareto peers`.
    """
    parts, shown = [], ratios[ratios.error == error].sort_values("batch")
    for (system, theta), own in shown.groupby(["system", "theta"]):
        told = " / ".join(f"{ratio:.2f}" for ratio in own.ratio)
        parts.append(f"{told} on {system} ({theta})")
    batches = " / ".join(map(str, sorted(ratios.batch.unique())))
    return (
        f"For a relative error of {error:.0e}, the fastest estimator takes this multiple of the "
        f"time of the fastest method of diffrax, CasADi and torchdiffeq, in a batch of {batches}: "
        f"{', '.join(parts)}."
    )


def _spread(row: Any, column: str) -> str:
    """Return a column's median, with its quartiles."""
    middle, low, high = (getattr(row, column + end) for end in ("", "_low", "_high"))
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"


def _markdown(table: pd.DataFrame) -> str:
    return table.to_markdown(index=False, disable_numparse=True)
