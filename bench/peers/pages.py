"""The tables of a comparison as Markdown."""

import numpy as np
import pandas as pd


def ratios_page(best: pd.DataFrame) -> str:
    """Write the table of ratios: a row for each problem and error, a column for each batch.

    A cell has the ratio with its quartiles, and the two that it compares; behind the estimator's
    time is what the wall model predicts for its oracle calls. `best` has the columns of `Best`.
    """
    table = best.assign(
        problem=best.system + " (" + best.theta + ")",
        cell=[
            f"{row.ratio:.2f} ({row.ratio_low:.2f} to {row.ratio_high:.2f}): {row.estimator} "
            f"{row.ms:.3g} ms, of which calls {row.model_ms:.3g}; {row.peer} {row.peer_ms:.3g} ms"
            for row in best.itertuples()
        ],
    )
    cells = table.pivot(index=["problem", "error"], columns="batch", values="cell")
    cells = cells.sort_index(ascending=[True, False])
    cells.columns = [f"batch {batch}" for batch in cells.columns]
    cells = cells.fillna("-").reset_index()
    cells["error"] = cells.error.map("{:.0e}".format)
    return cells.to_markdown(index=False, disable_numparse=True) + "\n"


def tolerances_page(errors: pd.DataFrame) -> str:
    """Write the table of true errors: a row for each problem and tolerance, a column for each peer.

    A cell has the median relative error and the evaluations of a sample. `errors` has the columns
    of `AtTolerance`.
    """
    table = errors.assign(
        problem=errors.system + " (" + errors.theta + ")",
        cell=errors.rel_error.map("{:.1e}".format)
        + errors.evals.map(lambda evals: f", {evals:,.0f}" if np.isfinite(evals) else ""),
    )
    cells = table.pivot(index=["problem", "tolerance"], columns="name", values="cell")
    cells = cells.sort_index(ascending=[True, False]).reset_index()
    cells["tolerance"] = cells.tolerance.map("{:.0e}".format)
    return cells.fillna("-").to_markdown(index=False, disable_numparse=True) + "\n"
