"""The table of what each estimator declares of itself, beside what is measured of it."""

from collections.abc import Iterable
from typing import Any

import pandas as pd
from threadpoolctl import threadpool_limits

from gradpareto.bench.conformance.problems import orbit
from gradpareto.bench.conformance.traits import EXACT, measure_traits
from gradpareto.bench.run.report import Report, silent
from gradpareto.estimators import ESTIMATORS, Estimator

COLUMNS = {
    "estimator": "estimator",
    "knob": "knob",
    "order": "order",
    "observed_order": "observed",
    "exact": "exact",
    "gap": "gap",
    "memory": "memory",
    "observed_memory": "measured",
    "calls_per_step": "calls a step",
    "observed_calls": "measured",
    "stiff": "stiff",
    "source": "source",
}
"""The columns of the CSV file, with their heads in the Markdown table."""
NOTES = f"""
order: of the gradient's error in the step, declared and observed (where the knob is a \
tolerance, over steps of what is exact and calls of f of what is not). exact: the gradient of its \
own discretised loss, to rounding; gap: its relative distance from differences of that loss, with \
the steps frozen ({EXACT:.0e} is rounding). \
memory: the exponent of the bytes stored between the passes in the number of steps. calls a step: \
of f and of its products, by a fixed step (by an accepted one, where the knob is a tolerance) of a \
sample with 2 states and 6 parameters. stiff: reaches 1 % on a system with a time scale of 1e-4 \
within a ration below what stability asks of an explicit method.
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
