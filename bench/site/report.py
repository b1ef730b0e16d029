"""The report of a run: all of its files, one after the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from gradpareto.bench.draw.highlights import MOST_NAMED
from gradpareto.bench.judge.matrix import read_matrix
from gradpareto.bench.nearest import nearest
from gradpareto.bench.run.report import Report, silent
from gradpareto.bench.site.checkout import Checkout, published, read_checkout
from gradpareto.bench.site.checkout_pages import figure_path, history_page, learning_page
from gradpareto.bench.site.decision import Decision, decisions, kinds_of
from gradpareto.bench.site.estimator_page import Summaries, estimator_page, estimators_page
from gradpareto.bench.site.folder import demand_free, write_report
from gradpareto.bench.site.kind_page import kind_page
from gradpareto.bench.site.matrix_page import matrix_page
from gradpareto.bench.site.overview_page import overview_page
from gradpareto.bench.site.page import (
    ESTIMATORS,
    HISTORY,
    LEARNING,
    MATRIX,
    OVERVIEW,
    PAIRS,
    PROBLEMS,
    PROVENANCE,
    Page,
)
from gradpareto.bench.site.pair_page import pair_page, pair_path, pairs_page
from gradpareto.bench.site.pairs import Pair, named_estimators, pairs
from gradpareto.bench.site.problem_page import problem_page, problems_page
from gradpareto.bench.site.problem_run import Run, read_run
from gradpareto.bench.site.provenance_page import provenance_page
from gradpareto.bench.site.rendering import Site, assets, render
from gradpareto.bench.site.summary import summaries
from gradpareto.bench.store.records import RunFolder


@dataclass(frozen=True, eq=False)
class Contents:
    """All that a report shows: a run, the estimators with a page a pair, and the checkout's."""

    run: Run
    asked: Sequence[str]
    matrix: pd.DataFrame | None
    checkout: Checkout

    @cached_property
    def decided(self) -> list[Decision]:
        """The decision table."""
        return decisions(self.run.problems, self.run.costs)

    @cached_property
    def summed(self) -> Summaries:
        """The summary of each estimator on each problem."""
        return {problem.key: summaries(problem) for problem in self.run.problems}

    @cached_property
    def named(self) -> list[str]:
        """The estimators that have a page a pair."""
        return named_estimators(self.run, self.decided, self.asked)

    @cached_property
    def judged(self) -> list[Pair]:
        """The pairs that have a page."""
        return list(pairs(self.run.problems, self.named))

    def sections(self) -> list[tuple[str, str]]:
        """Return what every page links to."""
        return [
            (OVERVIEW, "index.html"),
            (PROBLEMS, "problems.html"),
            (ESTIMATORS, "estimators.html"),
            (PAIRS, "pairs.html"),
            *([(MATRIX, "matrix.html")] if self.matrix is not None else []),
            *([(LEARNING, "learning.html")] if self.checkout.learned else []),
            *([(HISTORY, "history.html")] if self.checkout.metrics else []),
            (PROVENANCE, "provenance.html"),
        ]

    def pages(self) -> Iterator[Page]:
        """Give all pages, each when it is made."""
        run = self.run
        yield overview_page(run, self.decided)
        yield from (kind_page(kind, self.decided) for kind in kinds_of(run.problems))
        yield problems_page(run, self.summed)
        for problem in run.problems:
            yield problem_page(run, problem, self.summed[problem.key])
        yield estimators_page(run, self.decided, self.summed)
        for name in run.estimators:
            yield estimator_page(run, name, self.decided, self.summed, self._pairs_of(name))
        yield pairs_page(self.named, self.judged, len(run.estimators) - len(self.named))
        yield from map(pair_page, self.judged)
        if self.matrix is not None:
            yield matrix_page(self.matrix)
        if self.checkout.learned:
            yield learning_page(self.checkout.learned)
        if self.checkout.metrics:
            yield history_page(self.checkout)
        yield provenance_page(run)

    def count(self) -> int:
        """Return the number of pages, without making any but the decision table."""
        named = len(self.named)
        there = self.matrix is not None, self.checkout.learned, self.checkout.metrics
        single = 5 + sum(map(bool, there))
        kinds = len(kinds_of(self.run.problems))
        of_pairs = named * (named - 1) // 2
        return single + kinds + len(self.run.problems) + len(self.run.estimators) + of_pairs

    def files(self, report: Report) -> Iterator[tuple[str, bytes]]:
        """Give all files by their paths, and tell the report of each page."""
        yield from assets().items()
        site = Site(self.run.name, self.sections())
        total = self.count()
        for done, page in enumerate(self.pages(), 1):
            yield page.path, render(page, site)
            report(page.path, done, total)
        for figure in (*self.checkout.learned, *self.checkout.history):
            yield figure_path(figure), figure.content

    def _pairs_of(self, name: str) -> list[tuple[str, str]]:
        """Return the others that have a page with an estimator, each with its path."""
        return [
            (pair.baseline if pair.new == name else pair.new, pair_path(pair.new, pair.baseline))
            for pair in self.judged
            if name in (pair.new, pair.baseline)
        ]


def write_site(
    folder: RunFolder, out: Path, asked: Sequence[str] = (), report: Report = silent
) -> int:
    """Write the report of a run folder to `out`; return the number of files.

    `asked` are the estimators that have a page a pair, at most MOST_NAMED; none stands for a
    choice. Raises UnusableFolder if there is no run with records, or if `out` is not free, and
    ValueError for an estimator that the run does not have and for too many of them.
    """
    folder.require()
    demand_free(out)
    run = read_run(folder)
    _check_asked(run, asked)
    contents = Contents(run, asked, read_matrix(folder.path), read_checkout(published()))
    return write_report(out, contents.files(report))


def _check_asked(run: Run, asked: Sequence[str]) -> None:
    """Raise ValueError for estimators that cannot have pages a pair."""
    for name in asked:
        if name not in run.estimators:
            hint = nearest(name, run.estimators)
            raise ValueError(f"the run has no estimator {name!r}{hint}")
    if len(set(asked)) > MOST_NAMED:
        raise ValueError(
            f"at most {MOST_NAMED} estimators have a page a pair, not {len(set(asked))}: "
            "compare others with gradpareto compare"
        )
