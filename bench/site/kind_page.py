"""The evidence of the decision table for one kind of system."""

from collections.abc import Sequence
from typing import Any

from gradpareto.bench.judge.mean_ratio import ProblemKey
from gradpareto.bench.site.decision import Decision, Ranked
from gradpareto.bench.site.overview_page import decision_cell
from gradpareto.bench.site.page import OVERVIEW, Page, error_text, page_of
from gradpareto.systems.kinds import KINDS

SHOWN = 10
EXPLAINED: dict[str, str] = {str(kind): sentence for kind, sentence in KINDS.items()}


def kind_page(kind: str, decided: Sequence[Decision]) -> Page:
    """Return the page with the best estimators for each cost and error."""
    own = [one for one in decided if one.kind == kind]
    data = {
        "kind": kind,
        "explained": EXPLAINED.get(kind, "These systems declare no kind."),
        "decided": [_decided(one) for one in own if one.winner is not None],
        "undecided": [_heading(one) for one in own if one.measured and one.winner is None],
        "unmeasured": [_heading(one) for one in own if not one.measured],
        "any": any(one.total for one in own),
    }
    return Page(page_of("kinds", kind), OVERVIEW, f"{kind} systems", "kind.html", data)


def _heading(decision: Decision) -> str:
    return f"{decision.cost.heading} for an error of {error_text(decision.target)}"


def _decided(decision: Decision) -> dict[str, Any]:
    shown = decision_cell(decision)
    least = [decision.least[key] for key in decision.problems]
    return {
        "anchor": decision.name,
        "heading": _heading(decision),
        "sentence": f"{shown.winner}: {shown.rests}; {shown.margin}.",
        "problems": decision.problems,
        "total": decision.total,
        "least": [(name, decision.cost.text(cost)) for name, cost in least],
        "rows": [
            {
                "estimator": one.estimator,
                "reached": one.reached,
                "over_least": f"{one.over_least:.3g}",
                "costs": [_text(decision, one, key) for key in decision.problems],
            }
            for one in decision.ranking[:SHOWN]
        ],
    }


def _text(decision: Decision, one: Ranked, key: ProblemKey) -> str:
    """Write a cost: "?" if it is not known, "-" if the estimator does not reach the error."""
    if key in one.costs:
        return decision.cost.text(one.costs[key])
    return "?" if key in one.unknown else "-"
