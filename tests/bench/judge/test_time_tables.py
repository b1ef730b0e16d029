"""The table of times, cell by cell."""

import numpy as np
import pandas as pd

from gradpareto.bench.judge.time_tables import overhead_markdown


def cells(page: str) -> list[list[str]]:
    """The cells of a Markdown table, its head first."""
    lines = [line for line in page.splitlines() if not line.startswith("|:") and "---" not in line]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_overhead_has_medians_with_quartiles_and_leaves_out_what_is_not_reached() -> None:
    """Truth: by hand."""
    row = {
        "system": "lqr",
        "theta": "optimal",
        "estimator": "bptt",
        "batch": 32,
        "setting": 0.25,
        "gradient_ms": 12.34,
        "gradient_ms_low": 12.0,
        "gradient_ms_high": 13.0,
        "oracles_ms": 10.0,
        "model_ms": 9.5,
        "factor": 1.234,
        "factor_low": 1.2,
        "factor_high": 1.3,
        "reason": np.nan,
    }
    table = pd.DataFrame([row, row | {"estimator": "ctpg", "reason": "no setting reaches 1e-20"}])
    assert cells(overhead_markdown(table))[1:] == [
        [
            *("lqr (optimal)", "bptt", "0.25", "32", "12.3 (12 to 13)", "10", "9.5"),
            "1.23 (1.2 to 1.3)",
        ]
    ]
