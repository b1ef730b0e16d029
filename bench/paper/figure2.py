"""Figure 2: accuracy against evaluations on the optimal LQR, in float32 and float64."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradpareto.bench.draw.panel import ERROR, EVALS
from gradpareto.bench.draw.sheet import sheet
from gradpareto.bench.draw.styles import style_of
from gradpareto.bench.paper.reproduction import Found, Scale
from gradpareto.bench.run.attempt import attempt
from gradpareto.bench.run.report import Report
from gradpareto.bench.store.provenance import session
from gradpareto.bench.store.records import RunFolder
from gradpareto.estimators import ESTIMATORS
from gradpareto.reference import default_folder, load_or_certify
from gradpareto.systems import TASKS, Array, Problem

SAMPLES = 2500
STEPS = tuple(float(step) for step in np.logspace(0, -5, 11))
TOLERANCES = tuple(10.0**-k for k in range(10))
SETTINGS = {
    "bptt": STEPS,
    "bptt-dop853": tuple(10.0 / 2**k for k in range(9)),
    "neural_ode": TOLERANCES,
    "neural_ode-checkpointed": TOLERANCES,
    "ctpg": TOLERANCES,
}
"""The paper's four estimators at its settings, and a rival that it left out."""
LANE_STEPS = 4_000_000
"""The most steps of all samples together; at a small step, only the first samples are measured."""
LEAST_IN_EPS = 10.0
"""Settings of fewer roundings than this are left out: adaptive steps would fall to nothing."""
PRECISIONS = ("float32", "float64")


def reproduce(scale: Scale, folder: Path, report: Report) -> Found:
    """Measure every estimator at its settings, and draw the errors of a sample.

    The `scale` counts samples where other figures have trials.
    """
    samples = scale.trials or (32 if scale.quick else SAMPLES)
    problem, x0 = TASKS["lqr"].problem("optimal").sample(np.random.default_rng(0), samples)
    # Drawn in float32, so that both precisions start from the same states.
    x0 = x0.astype(np.float32).astype(float)
    truth = load_or_certify(problem, x0, default_folder()).demanded()
    settings = {
        name: values[: len(values) // 2] if scale.quick else values
        for name, values in SETTINGS.items()
    }
    cells = [
        (precision, name, value)
        for precision in PRECISIONS
        for name, values in settings.items()
        for value in values
        if value > LEAST_IN_EPS * np.finfo(precision).eps
    ]
    held, rows = RunFolder(folder), []
    with held.opened({"figure": 2, "samples": samples}):
        for done, (precision, name, setting) in enumerate(cells, 1):
            rows.append(_measure(problem, x0, truth, precision, name, setting))
            report(f"{name} {setting:g} {precision}", done, len(cells))
        table = pd.concat(rows, ignore_index=True)
        medians = table.groupby(["precision", "estimator", "setting"]).median().reset_index()
        medians["samples"] = table.groupby(["precision", "estimator", "setting"]).size().to_numpy()
        held.add_session(session({}))
        held.publish_table(medians)
    return Found(_figure(table, medians), _sentences(medians))


def _measure(
    problem: Problem, x0: Array, truth: Array, precision: str, name: str, setting: float
) -> pd.DataFrame:
    """Measure each sample's evaluations and absolute error, in a row of its own."""
    estimator, own = ESTIMATORS[name], x0
    if estimator.declares.knob == "step":
        calls = problem.horizon / setting * estimator.declares.calls_per_step / 2
        own = x0[: max(1, int(LANE_STEPS / calls))]
    cast = problem.with_theta(problem.theta.astype(precision))
    with np.errstate(all="ignore"):
        outcome = attempt(estimator, cast, own.astype(precision), setting)
    error = np.full(len(own), np.nan)
    if outcome.estimate is not None:
        found = outcome.estimate.gradient.astype(float)
        error = np.linalg.norm(found - truth[: len(own)], axis=1)
    return pd.DataFrame(
        {
            "precision": precision,
            "estimator": name,
            "setting": setting,
            "evals": outcome.meter.evals,
            "abs_error": error,
        }
    )


def _figure(table: pd.DataFrame, medians: pd.DataFrame) -> Figure:
    """Draw a panel for each precision."""
    with sheet(13, 5) as figure:
        axes: list[Axes] = list(figure.subplots(1, 2, sharey=True, sharex=True))
        for panel, precision in zip(axes, PRECISIONS, strict=True):
            _draw(
                panel, table[table.precision == precision], medians[medians.precision == precision]
            )
            panel.set(xscale="log", yscale="log", xlabel=EVALS.label, title=precision)
        axes[0].set_ylabel(ERROR.replace("relative", "absolute"))
        axes[1].legend()
    return figure


def _draw(axes: Axes, table: pd.DataFrame, medians: pd.DataFrame) -> None:
    """Draw the first hundred samples of each setting as dots, and a line of medians."""
    for name in SETTINGS:
        style, own = style_of(name), table[table.estimator == name]
        shown = own.groupby("setting").head(100)
        axes.plot(shown.evals, shown.abs_error, ".", ms=2, color=style.color, alpha=0.2, mew=0)
        middle = medians[medians.estimator == name].sort_values("setting")
        axes.plot(middle.evals, middle.abs_error, label=name, **style.median())


def _sentences(medians: pd.DataFrame) -> list[str]:
    """Say the least median error of each estimator, and what it cost."""
    lines = []
    for (precision, name), own in medians.groupby(["precision", "estimator"], sort=False):
        best = own.sort_values("abs_error").iloc[0]
        lines.append(
            f"{precision} {name}: least median error {best.abs_error:.1e} at {best.evals:,.0f} "
            f"evaluations, setting {best.setting:g} ({best.samples:.0f} samples)."
        )
    return lines
