"""The table of results/time.md: the overhead of estimators."""

from typing import Any

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
        }
        for row in shown.itertuples()
    ]
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


def _spread(row: Any, column: str) -> str:
    """Return a column's median, with its quartiles."""
    middle, low, high = (getattr(row, column + end) for end in ("", "_low", "_high"))
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"
