"""The trajectories of a few samples of a problem, solved anew, and their figure."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, pairwise
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from scipy.integrate import solve_ivp

from gradpareto.bench.run.samples import drawn
from gradpareto.bench.site.pair_plot import LOOK
from gradpareto.bench.site.problem_run import ProblemRun, Run
from gradpareto.bench.site.svg import inline_svg
from gradpareto.systems import TASKS, Array, Problem

SHOWN, POINTS, MOST_STATES, COLUMNS = 4, 150, 12, 3
"""The samples, the times of each stretch, and the states that are drawn."""
TOLERANCE, MOST_CALLS = 1e-8, 100_000
"""The tolerance of a solve, and the most calls of the dynamics that a sample may take."""
DRAWN_BY_SYSTEM = "drawn by each system"
COLORS = ("#1b4189", "#c92300", "#2b8452", "#e0b700")
DASHES = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class Trajectories:
    """The states (S, K, state_dim) of S samples at times (K,)."""

    times: Array
    states: Array


@dataclass(frozen=True)
class Shown:
    """A figure of trajectories, or the reason why there is none."""

    svg: Markup | None
    reason: str = ""


def show_trajectories(run: Run, problem: ProblemRun) -> Shown:
    """Solve and draw the first samples of a problem, as the registered system of that name has it.

    A trajectory that cannot be solved becomes a reason.
    """
    task = TASKS.get(problem.system)
    if task is None or problem.theta not in task.presets:
        return Shown(None, "the system is not registered where this page was made")
    if run.shared.get("x0", DRAWN_BY_SYSTEM) != DRAWN_BY_SYSTEM:
        return Shown(None, "the run took its initial states from a file")
    samples, seed = int(run.shared["samples"]), int(run.shared["seed"])
    try:
        found = drawn(task.problem(problem.theta).exact, samples, seed)
        return Shown(_figure(solve(found.problem, found.x0[:SHOWN]), problem.title))
    except Exception as fault:  # a system of a user's may raise anything
        return Shown(None, f"they cannot be solved: {fault}")


def solve(problem: Problem, x0: Array) -> Trajectories:
    """Solve the closed loop from x0 (S, state_dim) by SciPy's LSODA, one sample at a time.

    Raises ArithmeticError if a solve does not reach the horizon, or takes too long.
    """
    ends = problem.segments
    states, times = [], np.array([])
    for lane, start in enumerate(x0):
        parts, at = [], start
        row, calls = np.array([lane]), count(1)

        def slope(t: float, x: Array, row: Array = row, calls: Iterator[int] = calls) -> Array:
            if next(calls) > MOST_CALLS:
                raise ArithmeticError(f"sample {row[0]} takes more than {MOST_CALLS:,} calls")
            return np.asarray(problem.flow(row, np.array([t]), x[None])[0][0])

        stretches = [np.linspace(a, b, POINTS) for a, b in pairwise(ends)]
        for stretch in stretches:
            span = stretch[0], stretch[-1]
            inside = np.nextafter(stretch[0], stretch[-1]), np.nextafter(stretch[-1], stretch[0])
            found: Any = solve_ivp(
                lambda t, x, inside=inside: slope(np.clip(t, *inside), x),
                *(span, at, "LSODA", stretch),
                rtol=TOLERANCE,
                atol=TOLERANCE,
            )
            if not found.success or not np.isfinite(found.y).all():
                raise ArithmeticError(f"sample {lane} does not reach t = {stretch[-1]:g}")
            parts.append(found.y.T)
            at = found.y[:, -1]
        states.append(np.concatenate(parts))
        times = np.concatenate(stretches)
    return Trajectories(times, np.stack(states))


def _figure(found: Trajectories, title: str) -> Markup:
    """Draw a panel for each state, at most MOST_STATES."""
    panels = min(found.states.shape[2], MOST_STATES)
    rows = -(-panels // COLUMNS)
    height = 1.5 * rows + 0.5
    with mpl.rc_context(LOOK):
        figure = Figure((8.6, height))
        figure.subplots_adjust(
            left=0.07, right=0.99, bottom=0.45 / height, top=1 - 0.22 / height, hspace=0.55
        )
        for state in range(panels):
            axes = figure.add_subplot(rows, COLUMNS, state + 1)
            for sample, values in enumerate(found.states[:, :, state]):
                look: dict[str, Any] = {"color": COLORS[sample], "linestyle": DASHES[sample]}
                axes.plot(found.times, values, lw=1.3, **look)
            axes.set_title(f"state {state}", loc="left", size=8, pad=3)
            axes.tick_params(length=0)
        figure.supxlabel("time", size=8, y=0.06 / height)
    shown = f"The first {panels} of {found.states.shape[2]} states" if panels else "No states"
    label = f"{shown} of {len(found.states)} samples of {title} against time."
    return inline_svg(figure, "states-", label)
