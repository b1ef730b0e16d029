"""The page on choices: the first of each problem and error counts."""

import numpy as np
import pandas as pd

from gradpareto.bench.judge.choices_table import choices_markdown, choices_sentence

CHOICES = pd.DataFrame(
    [
        ("lqr", "optimal", 1e-3, "spectral", 1.0, 2.0),
        ("lqr", "optimal", 1e-3, "bptt", 9.0, 2.0),
        ("lqr", "optimal", 1e-6, "spectral", 1.3, 7.0),
        ("heat", "initial", 1e-3, "radau-3", np.nan, 21.0),
    ],
    columns=["system", "theta", "error", "estimator", "over_the_best", "race_seconds"],
)


def test_a_row_a_problem_and_a_column_an_error() -> None:
    lines = choices_markdown(CHOICES).splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert rows[0] == ["problem", "1e-03", "1e-06"]
    assert rows[2] == ["heat (initial)", "radau-3, alone", ""]
    assert rows[3] == ["lqr (optimal)", "spectral, 1.00", "spectral, 1.30"]


def test_the_sentence_counts_first_choices_alone() -> None:
    told = choices_sentence(CHOICES)
    assert "in 1 of 2 cases, 1.15 times in the median and 1.30 times at worst" in told
    assert "took 14 s in the median, and 21 s at most" in told
