"""Verdicts as lines of text."""

import math
from collections.abc import Mapping, Sequence

from gradpareto.bench.judge.evidence import RULE, Rule
from gradpareto.bench.judge.over_problems import over_problems
from gradpareto.bench.judge.verdict import Verdict


def describe(verdicts: Mapping[float, list[Verdict]], rule: Rule = RULE) -> str:
    """Write some lines for each problem: the verdict at weight 1, and what other weights change.

    Where nothing is known of the two, there is one line, which says why. A last line sums up
    several problems.
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
            f"  {verdict.evidence} (simultaneous tests at {100 * rule.alpha:g} %, with a "
            f"margin of {100 * rule.margin:g} %)",
            *(f"  {cost.sentence(verdict.new)}" for cost in verdict.costs),
            f"  with a vjp weighted 2 or 3 times an f: {', '.join(others)}",
        ]
        if verdict.stops_at is not None:
            lines.append(
                f"  {verdict.new} stops improving at an error of {verdict.stops_at:.1g}, which "
                "finer settings do not lower: is its gradient wrong by that much?"
            )
    if summed := over_problems(verdicts[1.0]):
        first = verdicts[1.0][0]
        lines.append(summed.sentence(first.new, first.baseline))
    return "\n".join(lines)


def summary(judged: Sequence[Mapping[float, list[Verdict]]]) -> str:
    """Say in one line which of several estimators dominates the same baseline on all problems."""
    firsts = [verdicts[1.0] for verdicts in judged]
    winners = [one[0].new for one in firsts if all(v.answer == "dominates" for v in one)]
    where = f"{firsts[0][0].baseline} on every problem"
    named = f": {', '.join(winners)}" if winners else ""
    return f"{len(winners)} of {len(firsts)} dominate {where}{named}."


def number(value: float, form: str) -> str:
    """Return the formatted number, or "-" if it is not finite."""
    return format(value, form) if math.isfinite(value) else "-"
