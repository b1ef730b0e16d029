"""The pages of what the checkout has published: the figures of learning, and the history."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradpareto.bench.site.checkout import Checkout, PublishedFigure
from gradpareto.bench.site.page import HISTORY, LEARNING, Page, number

ALT = {
    "asv": "Evaluations for an error of 1e-6 on six problems against commits, a line for each "
    "estimator.",
    "figure3": "Loss and the error of the reconstructed initial state against iterations on the "
    "LQR, with two estimators.",
    "figure5": "Loss of the electric task against evaluations and against seconds, with two "
    "estimators, and the path of the charge.",
    "figure6": "States that training the cart-pole visited, and its held-out loss against "
    "evaluations, with two estimators.",
    "figure7": "Loss of the quadrotor against evaluations and against seconds, and how far from "
    "the origin it then flies, with several estimators.",
    "budget": "Held-out loss of four tasks against the price or the error of a gradient, or "
    "against the evaluations of all, with several estimators.",
}
"""The contents of a folder's figures, in words."""


def figure_path(figure: PublishedFigure) -> str:
    """Return the path of a figure in the report."""
    return f"figures/{figure.folder}-{figure.name}"


def learning_page(figures: Sequence[PublishedFigure]) -> Page:
    """Return the page of the figures of learning."""
    shown = {"figures": _shown(figures)}
    return Page("learning.html", LEARNING, "Learning", "learning.html", shown)


def _shown(figures: Sequence[PublishedFigure]) -> list[dict[str, Any]]:
    return [
        {
            "path": figure_path(one),
            "alt": ALT[one.folder],
            "width": one.width,
            "height": one.height,
            "source": f"results/{one.folder}/{one.name}",
            "findings": one.findings,
        }
        for one in figures
    ]


def history_page(checkout: Checkout) -> Page:
    """Return the page with the figure, and a table for each benchmark."""
    tables = [
        {
            "heading": f"{one.name.rpartition('.')[2]} ({one.unit})",
            "commits": one.commits,
            "rows": [_row(key, values) for key, values in one.values.items()],
        }
        for one in checkout.metrics
    ]
    shown = {"tables": tables, "figures": _shown(checkout.history)}
    return Page("history.html", HISTORY, "History", "history.html", shown)


def _row(key: tuple[str, ...], values: tuple[float, ...]) -> dict[str, Any]:
    system, estimator = (*key, "", "")[:2]
    known = [value for value in values if np.isfinite(value) and value > 0]
    change = known[-1] / known[0] if len(known) > 1 else np.nan
    numbers = [*(number(value, ".4g") for value in values), number(change, ".3g")]
    return {"system": system, "estimator": estimator, "numbers": numbers}
