"""Counts how often the rules of a verdict are right, on drawn samples whose truth is known."""

from collections import Counter

import numpy as np
import pandas as pd

from gradpareto.bench.judge.evidence import evidence
from gradpareto.bench.judge.pairs import ahead, answer
from gradpareto.systems import Array

SAMPLES = (6, 8, 16, 32)
DRAWS, TARGETS = 200, 10
SPREAD, OWN = 0.3, 0.1
"""The deviation of a sample's log ratio that all targets share, and that of each target alone."""
TRUTHS = {
    "equal": (0.0, 0.0),
    "10 % fewer": (float(np.log(0.9)), 0.0),
    "30 % fewer": (float(np.log(0.7)), 0.0),
    "crossing": (0.0, 0.7),
}
"""The mean log ratio of evaluations, and how far it falls from the loosest target to the tightest:
from twice the evaluations to half of them, where the curves cross."""


def drawn(samples: int, shift: float, slope: float) -> Array:
    """Draw log ratios (DRAWS, samples, TARGETS) of NEW's evaluations over BASELINE's."""
    rng = np.random.default_rng(samples)
    shared = SPREAD * rng.standard_normal((DRAWS, samples, 1))
    own = OWN * rng.standard_normal((DRAWS, samples, TARGETS))
    return np.asarray(shift - slope * np.linspace(-1, 1, TARGETS) + shared + own)


def calibration() -> pd.DataFrame:
    """Return how many of 100 comparisons have each answer, by the truth and the samples.

    The last columns are the answers of the median at each error alone, without a test.
    """
    rows = []
    for truth, law in TRUTHS.items():
        for samples in SAMPLES:
            found = drawn(samples, *law)
            told = Counter(evidence(one).answer for one in found)
            untested = Counter(answer(ahead(one)) for one in found)
            rows.append(
                {
                    "truth": truth,
                    "samples": samples,
                    **{name: told[name] for name in ("dominates", "is dominated", "neither")},
                    **{f"{name}, untested": untested[name] for name in ("dominates", "neither")},
                }
            )
    table = pd.DataFrame(rows)
    counts = table.columns[2:]
    table[counts] = (100 / DRAWS * table[counts]).round().astype(int)
    return table


def calibration_markdown() -> str:
    """Return the table in Markdown."""
    return calibration().to_markdown(index=False)
