"""The parts of every reproduced figure: its scale, its learning runs, and its findings."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from matplotlib.figure import Figure

from gradpareto.bench.learning.compare import Budget, Comparison, Summary, learn, summary
from gradpareto.bench.learning.history import History
from gradpareto.bench.learning.setups import Setup, setting_of, setup_of
from gradpareto.bench.run.report import Report


@dataclass(frozen=True)
class Scale:
    """The part of the paper's experiment that is run; None means all of it."""

    quick: bool = False
    iterations: int | None = None
    trials: int | None = None

    def of(self, iterations: int, trials: int, quick: tuple[int, int]) -> tuple[int, int]:
        """Return iterations and trials, given the paper's and those of the quick form."""
        least_iterations, least_trials = quick if self.quick else (iterations, trials)
        return self.iterations or least_iterations, self.trials or least_trials


@dataclass(frozen=True)
class Found:
    """A figure, and the sentences that say what it shows, with the numbers."""

    figure: Figure
    sentences: list[str] = field(default_factory=list)


Reproduce = Callable[[Scale, Path, Report], Found]
"""A function that makes a figure at a scale, and keeps what is measured in a folder."""


@dataclass(frozen=True)
class Experiment:
    """One comparison of a figure.

    During a run the held-out loss is taken `heldouts` times, and the first trial's gradient is
    compared with a reference `references` times. A `thinned` one publishes the iterations alone at
    which a held-out loss was taken.
    """

    name: str
    setup: Setup
    estimators: tuple[str, ...]
    iterations: int
    trials: int
    budget: Budget = "evals"
    snapshots: int = 20
    heldouts: int = 200
    references: int = 5
    thinned: bool = True

    @classmethod
    def registered(
        cls,
        name: str,
        estimators: tuple[str, ...],
        scale: Scale,
        trials: int,
        quick: tuple[int, int],
    ) -> Self:
        """Make the experiment of a registered system at a scale; `trials` are the paper's.

        The quick form compares one gradient with its reference, and not `references` of them.
        """
        setup = setup_of(name)
        iterations, trials = scale.of(setup.iterations, trials, quick)
        references = 1 if scale.quick else cls.references
        return cls(name, setup, estimators, iterations, trials, references=references)

    @property
    def comparison(self) -> Comparison:
        """The comparison of learners that the experiment makes."""
        return Comparison(
            name=self.name,
            setup=self.setup,
            settings={name: setting_of(self.setup, name) for name in self.estimators},
            trials=self.trials,
            iterations=self.iterations,
            budget=self.budget,
            heldout_every=max(1, self.iterations // self.heldouts) if self.heldouts else 0,
            reference_every=-(-self.iterations // self.references) if self.references else 0,
            snapshot_every=max(1, self.iterations // self.snapshots),
            thinned=self.thinned and bool(self.heldouts),
        )

    def learn(self, folder: Path, report: Report) -> dict[str, History]:
        """Train with each estimator, and return the histories by the estimators' names."""
        return learn(self.comparison, folder, report)

    def sentences(self, histories: Mapping[str, History]) -> list[str]:
        """Say where each estimator ended, and what it took to get as far as the worst did."""
        rows = summary(self.comparison, histories)
        lines = [
            f"{self.name}, {row.estimator} at {row.setting:g}: held-out loss "
            f"{row.heldout_before:.4g} -> {_loss(row.heldout_after)} in "
            f"{row.iterations:,} iterations, {row.evals:,.0f} evaluations and "
            f"{row.seconds:.3g} s a trial (medians of {self.trials}); {row.failures} samples "
            f"without a gradient{_error(row, bool(self.references))}."
            for row in rows
        ]
        return lines + _catching_up(self.name, histories)


def _error(row: Summary, asked: bool) -> str:
    """Say how far the gradient was off, or that no reference could judge it."""
    if not row.checks:
        return "; its gradient was not checked: no reference could judge it" if asked else ""
    checks = "" if row.checks == 1 else f" in the median of {row.checks} checks"
    return f"; a gradient off by {row.rel_error:.1e}{checks}"


def _loss(value: float) -> str:
    """Write a loss, or that it could not be solved."""
    return f"{value:.4g}" if np.isfinite(value) else "not solved"


def _catching_up(name: str, histories: Mapping[str, History]) -> list[str]:
    """Say what each needed until its median held-out loss was as low as everybody's gets."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # an iteration without a held-out loss
        medians = {
            key: np.nanmedian(history.column("heldout_loss"), axis=1)
            for key, history in histories.items()
        }
    if not all(np.isfinite(losses).any() for losses in medians.values()):
        return []
    reached = max(float(np.nanmin(losses)) for losses in medians.values())
    parts = []
    for key, losses in medians.items():
        before = max(int(np.flatnonzero(losses <= reached)[0]) - 1, 0)
        evals, seconds = histories[key].evals[before], histories[key].seconds[before]
        parts.append(f"{key} {np.median(evals):,.0f} evaluations and {np.median(seconds):.3g} s")
    return [f"{name}: to a held-out loss of {reached:.4g} it took {', '.join(parts)}."]
