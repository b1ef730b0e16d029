"""The numbers of the README and of the pages in results/, filled in from the published records.

A page is Markdown with blocks, each between `<!-- NAME: COMMAND -->` and `<!-- /NAME -->`. The text
around the blocks is written by hand and has no measured number. At the root of the repository,
`python -m gradpareto.bench.judge.pages` fills every block anew.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from gradpareto.bench.judge.calibration import calibration_markdown
from gradpareto.bench.judge.choices_table import choices_markdown, choices_sentence
from gradpareto.bench.judge.describe import describe
from gradpareto.bench.judge.halves import halves_sentence
from gradpareto.bench.judge.table import markdown, markdown_fewest, summarise
from gradpareto.bench.judge.time_tables import (
    growth_markdown,
    model_sentence,
    overhead_markdown,
    peers_sentence,
)
from gradpareto.bench.judge.verdict import Verdict, judge_all
from gradpareto.bench.judge.wording import listed
from gradpareto.bench.store.gradient_times import read_times
from gradpareto.bench.store.records import RunFolder
from gradpareto.systems import TASKS
from gradpareto.whole_file import write_whole

BLOCK = re.compile(r"(<!-- ([^:>]+): [^>]*-->\n).*?(<!-- /\2 -->)", flags=re.DOTALL)
PAGES = (
    "README.md",
    "results/verdicts.md",
    "results/field.md",
    "results/findings.md",
    "results/rules.md",
    "results/time.md",
)
FIGURES = range(2, 8)
MATCHED = "evals_1e-06"
"""The column of evaluations that sentences compare: those for a relative error of 1e-6."""
PAIRS = (
    ("ctpg", "bptt"),
    ("bptt-dop853", "ctpg"),
    ("multistep_adjoint", "ctpg"),
    ("neural_ode", "ctpg"),
)
"""NEW and BASELINE of the verdicts that are shown."""


@dataclass(frozen=True)
class Comparison:
    """Two estimators on one problem of the field's run, and what their comparison shows."""

    shows: str
    system: str
    theta: str
    new: str
    baseline: str

    def sentence(self, table: pd.DataFrame) -> str:
        """Return what it shows, and the evaluations that each of the two needs for MATCHED."""
        rows = table[(table.system == self.system) & (table.theta == self.theta)]
        needed = rows.set_index("estimator")[MATCHED]
        new, baseline = (f"`{name}` {_needs(needed[name])}" for name in (self.new, self.baseline))
        return f"- {self.shows} On {self.system} ({self.theta}), {new} and {baseline}."


def _needs(evals: float) -> str:
    """Return a verb with the evaluations that are needed, if they are known and finite."""
    if np.isnan(evals):
        return "has errors at the reference's floor, too small to compare"
    return f"needs {evals:,.0f}" if np.isfinite(evals) else "never gets there"


ADVICE = (
    Comparison(
        "**Smooth trajectories**: `bptt-dop853`, fixed steps of high order.",
        *("quadrotor", "trained", "bptt-dop853", "ctpg"),
    ),
    Comparison(
        "**Fast and slow phases in one trajectory**: `multistep_adjoint`.",
        *("quadrotor", "initial", "multistep_adjoint", "ctpg"),
    ),
    Comparison(
        "**Stiff, linear or diffusive systems**: `gauss_legendre-2`, which is implicit.",
        *("stiff", "initial", "gauss_legendre-2", "ctpg"),
    ),
    Comparison(
        "**Little memory**: `revolve-rk4`, which stores few states and pays for it in evaluations.",
        *("quadrotor", "initial", "revolve-rk4", "bptt-rk4"),
    ),
)
"""The estimators that the README recommends, each with the problem that shows why."""
FIELD = (
    Comparison(
        "Where time scales vary, steps that adapt win, and multistep methods most of all.",
        *("quadrotor", "initial", "multistep_adjoint", "gauss_adjoint-uneven"),
    ),
    Comparison(
        "Where a trajectory is smooth, fixed steps of order 5 to 9 are hard to beat.",
        *("electric", "trained", "bptt-vern9", "ctpg"),
    ),
    Comparison(
        "Implicit collocation wins on linear systems, where Newton's iteration converges at once.",
        *("lqr", "optimal", "gauss_legendre-4", "bptt-dop853"),
    ),
    Comparison("It wins on diffusion as well.", *("heat", "initial", "gauss_legendre-4", "ctpg")),
    Comparison(
        "On a stiff system an explicit method pays for stability, whatever the accuracy.",
        *("stiff", "initial", "radau-3", "bptt-rk4"),
    ),
    Comparison(
        "A poor interpolant costs evaluations: here a natural spline replaces Tsit5's own.",
        *("quadrotor", "initial", "ctpg-spline", "ctpg"),
    ),
    Comparison(
        "Linear interpolation costs more than that.",
        *("quadrotor", "initial", "ctpg-linear", "ctpg"),
    ),
    Comparison(
        "Checkpoints save memory and cost evaluations.",
        *("quadrotor", "initial", "revolve-rk4", "bptt-rk4"),
    ),
    Comparison(
        "Reversible steps save memory too, and cost more.",
        *("quadrotor", "initial", "reversible-rk4", "bptt-rk4"),
    ),
    Comparison("Stochastic estimators lose everywhere.", *("lqr", "optimal", "spsa", "bptt-rk4")),
)
"""The findings of the whole field."""
TABLES = {
    "peers": "peers/ratios.md",
    "tolerances": "peers/tolerances.md",
    "needed": "budget/needed.md",
    "cheapest": "budget/cheapest.md",
}
"""The blocks that are tables as the run wrote them."""


def blocks(results: Path) -> dict[str, str]:
    """Return {name: text} of every block, from records published in a folder like results/."""
    verdicts, table = published_verdicts(results / "default"), summary(results / "published")
    said = {
        "table": markdown(summary(results / "default")),
        "result": result(verdicts, table),
        "advice": advice(table),
        "fewest": markdown_fewest(table),
        "field": "\n".join(comparison.sentence(table) for comparison in FIELD),
    }
    for (new, baseline), found in verdicts.items():
        said[f"{new} {baseline}"] = f"```\n{describe(found)}\n```"
    for number in FIGURES:
        path = results / f"figure{number}" / "findings.txt"
        lines = path.read_text(encoding="utf-8").splitlines()
        said[f"figure {number}"] = "\n".join(f"- {line}" for line in lines)
    said |= {name: (results / path).read_text(encoding="utf-8") for name, path in TABLES.items()}
    chosen = pd.read_csv(results / "choices" / "choices.csv")
    return said | {
        "choices": f"{choices_sentence(chosen)}\n\n{choices_markdown(chosen)}",
        "calibration": calibration_markdown(),
        "halves": halves_sentence(pd.read_csv(results / "published" / "halves.csv")),
        "fast": peers_sentence(pd.read_csv(results / "peers" / "ratios.csv")),
        "overhead": overhead_markdown(pd.read_csv(results / "overhead" / "overhead.csv")),
        "model": model_sentence(_timed(results)),
        "growth": growth_markdown(pd.read_csv(results / "growth" / "exponents.csv")),
    }


def _timed(results: Path) -> pd.DataFrame:
    """Return the times of the field, or else those of the few estimators of `overhead`."""
    field = read_times(results / "published")
    if len(field):
        return field
    few = pd.read_csv(results / "overhead" / "overhead.csv")
    return few.rename(columns={"oracles_ms": "calls_ms"})


def filled(page: str, texts: Mapping[str, str]) -> str:
    """Return the page with its blocks filled. Raises KeyError on a block that has no text."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{texts[found[2]].strip()}\n\n{found[3]}", page)


@cache
def summary(run: Path) -> pd.DataFrame:
    """Return the table of a published run."""
    folder = RunFolder(run)
    records = folder.read_cells()
    problems = zip(records.system, records.theta, strict=True)
    return summarise(records, {problem: folder.read_limit(*problem) for problem in set(problems)})


@cache
def published_verdicts(run: Path) -> dict[tuple[str, str], dict[float, list[Verdict]]]:
    """Judge PAIRS for each weight of a vjp, with the problems in the order of `compare`."""
    records = RunFolder(run).read_cells()
    measured = set(zip(records.system, records.theta, strict=True))
    known = [(system, theta) for system, task in TASKS.items() for theta in task.presets]
    problems = [problem for problem in known if problem in measured]
    return {pair: judge_all(records, problems, *pair) for pair in PAIRS}


def result(
    verdicts: Mapping[tuple[str, str], Mapping[float, list[Verdict]]], table: pd.DataFrame
) -> str:
    """Return the three sentences of the README that say what was found."""
    against_euler, against_order_8 = (verdicts[pair][1.0] for pair in PAIRS[:2])
    won = sum(verdict.answer == "dominates" for verdict in against_euler)
    fewer = sorted(1 / verdict.ratio for verdict in against_euler)
    answers = [verdict.answer for verdict in against_order_8]
    known = table.dropna(subset=[MATCHED])
    fewest = known.loc[known.groupby(["system", "theta"])[MATCHED].idxmin()]
    best = fewest[np.isfinite(fewest[MATCHED])].estimator.value_counts()
    problems = len(table.groupby(["system", "theta"]))
    best_named = [f"`{name}`" for name in sorted(best.index[best == best.max()])]
    return (
        f"Continuous-time gradients (`ctpg`) beat back-propagation through Euler's steps (`bptt`) "
        f"on {won} of {len(against_euler)} problems: they need {fewer[0]:.0f} to {fewer[-1]:.0f} "
        f"times fewer evaluations for the same accuracy.\n"
        f"Back-propagation through steps of order 8 (`bptt-dop853`) beats `ctpg` on "
        f"{answers.count('dominates')} of these problems and loses to it on "
        f"{answers.count('is dominated')}: it is order that Euler's steps lack, more than "
        f"continuous time.\n"
        f"No estimator wins everywhere: of {table.estimator.nunique()} estimators on {problems} "
        f"problems, none needs the fewest evaluations for a relative error of 1e-6 on more than "
        f"{best.max()}, as {listed(best_named)} "
        f"{'do' if len(best_named) > 1 else 'does'}."
    )


def advice(table: pd.DataFrame) -> str:
    """Return the five lines of the README that recommend an estimator."""
    name, problems = unsure(table)
    last = (
        f"- **You do not know**: `{name}`. It reaches that error on {problems} of "
        f"{len(table.groupby(['system', 'theta']))} problems, as no estimator does on more, and "
        "needs the fewest evaluations of those that reach it on as many."
    )
    return "\n".join([*(comparison.sentence(table) for comparison in ADVICE), last])


def unsure(table: pd.DataFrame) -> tuple[str, int]:
    """Return the estimator for those who do not know their problem, and how many it solves.

    It reaches MATCHED on the most problems, and of several that do, it has the smallest geometric
    mean of evaluations on the problems that all of these reach.
    """
    needed = table.pivot(index=["system", "theta"], columns="estimator", values=MATCHED)
    needed = needed.where(np.isfinite(needed))
    reached = needed.notna().sum()
    best = needed[reached.index[reached == reached.max()]].dropna()
    return str(np.log(best).mean().idxmin()), int(reached.max())


def main() -> None:
    """Fill the pages of the repository whose root is the current folder."""
    texts = blocks(Path("results"))
    for path in map(Path, PAGES):
        write_whole(path, filled(path.read_text(encoding="utf-8"), texts))


if __name__ == "__main__":
    main()
