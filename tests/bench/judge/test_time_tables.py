"""The tables of times, cell by cell."""

import numpy as np
import pandas as pd

from gradpareto.bench.judge.time_tables import (
    growth_markdown,
    model_sentence,
    overhead_markdown,
    peers_sentence,
)


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
        "spent_in": "oracle calls 80 %",
        "reason": np.nan,
    }
    table = pd.DataFrame([row, row | {"estimator": "ctpg", "reason": "no setting reaches 1e-20"}])
    assert cells(overhead_markdown(table))[1:] == [
        [
            *("lqr (optimal)", "bptt", "0.25", "32", "12.3 (12 to 13)", "10", "9.5"),
            "1.23 (1.2 to 1.3)",
            "oracle calls 80 %",
        ]
    ]


def test_growth_has_an_exponent_for_each_axis_in_its_order() -> None:
    """Truth: by hand; nothing was fitted to the steps of the second."""
    columns = ["axis", "estimator", "exponent", "low", "high", "at_the_end"]
    table = pd.DataFrame(
        [
            ("steps", "bptt", 1.0, 0.9, 1.1, 1.01),
            ("batch", "bptt", 0.5, 0.25, 0.75, 0.99),
            ("batch", "ctpg", 0.6, np.nan, np.nan, 0.6),
        ],
        columns=columns,
    )
    assert cells(growth_markdown(table)) == [
        ["estimator", "steps", "batch"],
        ["bptt", "1.00 (0.90 to 1.10); 1.01", "0.50 (0.25 to 0.75); 0.99"],
        ["ctpg", "", "0.60; 0.60"],
    ]


def test_the_sentence_has_each_problem_s_ratios_in_the_order_of_batches() -> None:
    """Truth: by hand; another error's ratio is not told."""
    rows = [
        ("lqr", "perturbed", 256, 1e-6, 0.5),
        ("lqr", "perturbed", 1, 1e-6, 2.0),
        ("lqr", "perturbed", 1, 1e-9, 9.0),
        ("quadrotor", "initial", 1, 1e-6, 5.25),
        ("quadrotor", "initial", 256, 1e-6, 0.4),
    ]
    table = pd.DataFrame(rows, columns=["system", "theta", "batch", "error", "ratio"])
    told = peers_sentence(table)
    assert "in a batch of 1 / 256: " in told
    assert "2.00 / 0.50 on lqr (perturbed), 5.25 / 0.40 on quadrotor (initial)." in told


def test_the_sentence_on_the_model_has_its_median_and_its_worst_error() -> None:
    """Truth: by hand; a row without times is left out."""
    columns = ["system", "theta", "estimator", "batch", "setting"]
    columns += ["gradient_ms", "calls_ms", "model_ms"]
    rows = [
        ("lqr", "perturbed", "bptt", 1, 0.1, 10.0, 8.0, 6.0),
        ("lqr", "perturbed", "ctpg", 1, 0.1, 20.0, 10.0, 11.0),
        ("lqr", "perturbed", "ctpg", 32, 0.1, 40.0, 10.0, 15.0),
        ("lqr", "perturbed", "ctpg", 32, 0.1, 40.0, 10.0, 15.0),  # the setting for another error
        ("lqr", "perturbed", "mali", 32, 0.1, np.nan, np.nan, np.nan),
    ]
    table = pd.DataFrame(rows, columns=columns)
    told = model_sentence(table)
    assert told.startswith(
        "Over 2 estimators, 1 problems and batches of 1, 32, the model is off by"
    )
    assert "25 % of the time of the calls in the median, and by 50 % at worst" in told
    assert "misses 45 % in the median, and 62 % at worst" in told
