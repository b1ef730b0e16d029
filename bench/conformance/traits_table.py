"""The table of what each estimator declares of itself, beside what is measured of it."""

from collections.abc import Iterable
from typing import Any

import pandas as pd
from threadpoolctl import threadpool_limits

from gradpareto.bench.conformance.problems import STIFF_RATE, orbit
from gradpareto.bench.conformance.traits import EXACT, STIFF_ERROR, STIFF_EVALS, measure_traits
from gradpareto.bench.run.report import Report, silent
from gradpareto.estimators import ESTIMATORS, Estimator

COLUMNS = {
    "estimator": "estimator",
    "knob": "knob",
    "order": "order",
    "observed_order": "measured order",
    "exact": "exact",
    "gap": "gap",
    "memory": "memory",
    "observed_memory": "measured memory",
    "calls_per_step": "calls per step",
    "observed_calls": "measured calls",
    "stiff": "stiff",
    "source": "source",
}
"""The columns of the CSV file, with their heads in the Markdown table."""
NOTES = f"""
- order: the power of the step with which the gradient's error falls. Where the knob is a \
tolerance, it is the power of 1 over the number of steps if the estimator is exact, and of 1 over \
the calls of f if it is not.
- exact: whether the gradient is, to rounding, that of the loss of the estimator's own \
discretisation.
- gap: the relative distance of the gradient from differences of that loss, with the steps frozen; \
up to {EXACT:.0e} it is rounding.
- memory: the power of the number of steps with which the bytes stored between the passes grow.
- calls per step: the calls of f and of its derivatives that one more step costs a sample of a \
system with 2 states and 6 parameters. Where the knob is not a step, nothing is declared, and all \
calls are divided by the number of steps.
- stiff: whether the gradient's error is at most {STIFF_ERROR:.0%} within {STIFF_EVALS:,} \
evaluations on a system that settles in 1/{STIFF_RATE:,.0f} of the horizon, where an \
explicit method is stable only with {STIFF_RATE:,.0f} evaluations or more.
"""


def traits_table(names: Iterable[str], report: Report = silent) -> pd.DataFrame:
    """Measure estimators by their names: a row for each, with the columns COLUMNS."""
    names, rows = list(names), []
    with threadpool_limits(1):
        for done, name in enumerate(names, 1):
            rows.append({"estimator": name} | _row(ESTIMATORS[name]))
            report(name, done, len(names))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(estimator: Estimator) -> dict[str, Any]:
    found = measure_traits(estimator)
    return {
        "knob": estimator.declares.knob,
        "order": estimator.declares.order,
        "observed_order": found.order,
        "exact": estimator.declares.exact,
        "gap": found.gap,
        "memory": estimator.declares.memory,
        "observed_memory": found.memory,
        "calls_per_step": _calls(estimator),
        "observed_calls": found.calls_per_step,
        "stiff": estimator.declares.stiff,
        "source": estimator.declares.source,
    }


def _calls(estimator: Estimator) -> float:
    """The calls of a fixed step that the estimator declares, for the LQR."""
    declared = estimator.declares.calls_per_step * estimator.solves(orbit(1.0))
    return declared if estimator.declares.knob == "step" else float("nan")


def traits_markdown(table: pd.DataFrame) -> str:
    """The table for people, with the notes that its columns need."""
    forms = {
        "observed_order": ".1f",
        "gap": ".0e",
        "observed_memory": ".2f",
        "observed_calls": ".3g",
    }
    rows = [
        [_text(row[name], forms.get(name, "g")) for name in COLUMNS]
        for row in table.to_dict("records")
    ]
    shown = pd.DataFrame(rows, columns=list(COLUMNS.values()))
    aligned = ["left", "left", *["right"] * 8, "left", "left"]
    return shown.to_markdown(index=False, disable_numparse=True, colalign=aligned) + "\n" + NOTES


def _text(value: object, form: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    return "-" if pd.isna(value) else format(value, form)  # type: ignore[call-overload]
