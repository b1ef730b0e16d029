"""Verdicts as lines of text."""

import math
from collections.abc import Mapping

from gradpareto.bench.judge.verdict import Verdict


def describe(verdicts: Mapping[float, list[Verdict]]) -> str:
    """Write five lines for each problem: the verdict at weight 1, and what other weights change.

    Where nothing is known of the two, there is one line, which says why.
    """
    lines = []
    for k, verdict in enumerate(verdicts[1.0]):
        if verdict.unknown:
            lines.append(verdict.sentence())
            continue
        ratio, low, high, epsilon = (
            number(value, ".3g")
            for value in (verdict.ratio, verdict.ratio_low, verdict.ratio_high, verdict.epsilon)
        )
        others = [f"{row[k].answer} at {w:g}" for w, row in verdicts.items() if w != 1]
        lines += [
            verdict.sentence(),
            f"  evaluations at matched error, {verdict.new} over {verdict.baseline}: {ratio} "
            f"(median of {verdict.samples} samples, 95 % bootstrap {low} to {high})",
            f"  beats {verdict.beaten} of {verdict.points} frontier points; multiplicative epsilon "
            f"{epsilon}; dominates on {verdict.samples_dominated} of {verdict.samples} samples",
            f"  {verdict.evidence} (simultaneous tests at 5 %, with a margin of 2 %)",
            f"  with a vjp weighted 2 or 3 times an f: {', '.join(others)}",
        ]
    return "\n".join(lines)


def number(value: float, form: str) -> str:
    """Return the formatted number, or "-" if it is not finite."""
    return format(value, form) if math.isfinite(value) else "-"
