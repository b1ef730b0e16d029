"""The page of a problem, and the list of all problems."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gradpareto.bench.draw.families import family_of
from gradpareto.bench.site.costs import COSTS_WITH_TIMES, Recorded
from gradpareto.bench.site.failures import MOST_REASONS, failures
from gradpareto.bench.site.frontier_plot import frontier_plot
from gradpareto.bench.site.page import PROBLEMS, Page, count, number, page_of
from gradpareto.bench.site.problem_run import ProblemRun, Run
from gradpareto.bench.site.summary import HEADS, MATCHED, Summary, heads
from gradpareto.bench.site.swatch import swatch
from gradpareto.bench.site.trajectories import show_trajectories
from gradpareto.systems import TASKS

LEAST_SAMPLES_TOLD = "Fewer than 6 samples decide no verdict."


def problems_page(run: Run, summed: Mapping[tuple[str, str], Mapping[str, Summary]]) -> Page:
    """Return the list of problems."""
    rows = []
    for problem in run.problems:
        needed = {name: one.evals[MATCHED] for name, one in summed[problem.key].items()}
        finite = {name: value for name, value in needed.items() if np.isfinite(value)}
        best = min(finite, key=lambda name: finite[name]) if finite else ""
        rows.append(
            {
                "system": problem.system,
                "theta": problem.theta,
                "kind": problem.kind,
                "samples": count(len(problem.samples)),
                "estimators": count(problem.records.estimator.nunique()),
                "fewest": number(finite.get(best, np.inf), ",.0f"),
                "best": best,
                "failed": count(len(problem.failed)),
            }
        )
    return Page("problems.html", PROBLEMS, "Problems", "problems.html", {"rows": rows})


def problem_page(run: Run, problem: ProblemRun, summed: Mapping[str, Summary]) -> Page:
    """Return the page of a problem."""
    failed = failures(problem.failed)
    plots = [_plot(problem, cost) for cost in problem.costs if isinstance(cost, Recorded)]
    data = {
        "heading": problem.title,
        "told": _told(problem.system),
        "facts": _facts(run, problem),
        "unjudged": _unjudged(problem),
        "plots": plots,
        "names": sorted(summed),
        "targets": HEADS,
        "heads": heads(problem.costs),
        "timing": problem.costs is COSTS_WITH_TIMES,
        "rows": [
            {"estimator": name, "family": family_of(name), "numbers": one.cells()}
            for name, one in summed.items()
        ],
        "failures": failed,
        "failed_text": _failed_text(problem, len(failed)),
        "certificate": _certificate(problem.certificate),
        "trajectories": show_trajectories(run, problem),
    }
    path = page_of("problems", *problem.key)
    return Page(path, PROBLEMS, problem.title, "problem.html", data)


def _failed_text(problem: ProblemRun, shown: int) -> str:
    text = f"{len(problem.failed):,} of {len(problem.records):,} records are failures."
    return f"{text} The {shown} most frequent are shown." if shown == MOST_REASONS else text


def _told(system: str) -> str:
    """Return the first sentence of a system's docstring, if it is registered here."""
    task = TASKS.get(system)
    text = inspect.getdoc(type(task.system)) if task is not None else None
    return (text or "").partition("\n")[0]


def _facts(run: Run, problem: ProblemRun) -> list[tuple[str, str]]:
    facts = [
        ("kind", problem.kind),
        ("samples judged", f"{len(problem.samples)} of {run.shared['samples']}"),
        ("estimators", str(problem.records.estimator.nunique())),
    ]
    task = TASKS.get(problem.system)
    if task is not None:
        horizon = task.horizons.get(problem.theta, task.system.horizon)
        facts += [
            ("states", str(task.system.state_dim)),
            ("controls", str(task.system.control_dim)),
            ("parameters of the policy", f"{task.policy.size:,}"),
            ("horizon", f"{horizon:g}"),
        ]
    return facts


def _unjudged(problem: ProblemRun) -> str:
    """Say what keeps the problem from being judged, or ""."""
    if not problem.samples:
        return "No sample of this problem can be judged: see the certificate for the reasons."
    return LEAST_SAMPLES_TOLD if len(problem.samples) < 6 else ""


def _plot(problem: ProblemRun, cost: Recorded) -> dict[str, Any]:
    drawn = frontier_plot(problem, cost)
    shown: dict[str, Any] = {"name": cost.name, "svg": None, "named": [], "others": 0}
    if drawn is None:
        measured = problem.is_measured(cost)
        return shown | {"none": "No setting has an error to draw." if measured else "Not measured."}
    named = [{"name": name, "swatch": swatch(name)} for name in drawn.named]
    return shown | {
        "svg": drawn.svg,
        "named": named,
        "others": len(drawn.others),
        "limit": drawn.has_limit,
    }


def _certificate(table: pd.DataFrame) -> list[dict[str, str]]:
    """Return the verdicts, each with its samples."""
    untested = table.untested.fillna("").astype(str)
    groups = table.assign(untested=untested).groupby(["verdict", "untested"], sort=False)
    return [
        {
            "verdict": str(verdict),
            "untested": str(missing),
            "samples": ranges(rows["sample"].tolist()),
            "uncertainty": f"{rows.rel_uncertainty.max():.1e}",
            "resolution": f"{rows.resolution.max():.3g}",
        }
        for (verdict, missing), rows in groups
    ]


def ranges(numbers: Sequence[int]) -> str:
    """Write numbers in rising order as "0 to 4, 7"."""
    parts: list[list[int]] = []
    for one in sorted(numbers):
        if parts and one == parts[-1][-1] + 1:
            parts[-1].append(one)
        else:
            parts.append([one])
    return ", ".join(f"{p[0]} to {p[-1]}" if len(p) > 1 else str(p[0]) for p in parts)
