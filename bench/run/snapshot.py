"""The answers of all estimators at one commit, to compare with those at another.

A change that is for speed alone leaves counts, steps and statuses as they are, and moves a gradient
by roundings. A run's records cannot show that: they hold errors, and no gradient.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gradpareto.array_file import opened_arrays
from gradpareto.bench.run.attempt import attempt
from gradpareto.bench.run.report import Report
from gradpareto.bench.store.record import COUNTS
from gradpareto.estimators import ESTIMATORS, Estimator
from gradpareto.systems import TASKS, Array, Problem
from gradpareto.whole_file import replacing

SAMPLES = 4
TOLERANCES, STEPS, ROLLOUTS = (1e-2, 1e-4, 1e-7), (7, 16, 64), (4.0,)
"""The settings, from loose to tight; a number of steps divides the horizon."""
MOST_EVALS = 2**13
"""After a setting that took a sample more evaluations, no tighter one is asked for."""
ROUNDINGS = 1e-13
"""The relative difference up to which a gradient counts as the same."""

Key = tuple[str, str, str, float]
"""The system, the preset, the estimator and the setting."""


@dataclass(frozen=True)
class Answer:
    """The answer to a cell of B samples.

    `counts` (B, 5) are the four counts of oracle calls and the accepted steps. `numbers`
    (B, 1 + state_dim + P) are the loss and the stacked gradient. Where there is no estimate, both
    are empty, and the `status` says why.
    """

    status: str
    counts: Array
    numbers: Array


@dataclass(frozen=True)
class Difference:
    """The differences between an estimator's answers in two snapshots, over their common cells.

    `moved` cells have another status, count or number of steps. Of the `lanes` that have a gradient
    in both, `beyond` differ by more than ROUNDINGS; the largest relative difference is `largest`.
    """

    estimator: str
    cells: int
    moved: int
    lanes: int
    beyond: int
    largest: float
    where: str


def take_snapshot(
    problems: Sequence[tuple[str, str]], estimators: Sequence[str], report: Report
) -> dict[Key, Answer]:
    """Ask estimators for the gradients of problems, which are pairs of a system and a preset."""
    found: dict[Key, Answer] = {}
    for done, (system, theta) in enumerate(problems, 1):
        problem = TASKS[system].problem(theta)
        problem, x0 = problem.sample(np.random.default_rng(0), SAMPLES)
        for name in estimators:
            for setting, answer in _answers(ESTIMATORS[name], problem, x0):
                found[system, theta, name, setting] = answer
        report(f"{system} ({theta})", done, len(problems))
    return found


def _answers(estimator: Estimator, problem: Problem, x0: Array) -> Iterable[tuple[float, Answer]]:
    """Yield each setting with its answer; a batch that saves no time is of one sample."""
    declared = estimator.declares
    if declared.per_lane or declared.cost_grows_with_parameters:
        problem, x0 = problem.take(np.arange(1)), x0[:1]
    steps = tuple(problem.horizon / count for count in STEPS)
    settings = {"tolerance": TOLERANCES, "step": steps, "rollouts": ROLLOUTS}
    for setting in settings[declared.knob]:
        outcome = attempt(estimator, problem, x0, setting)
        estimate, empty = outcome.estimate, np.empty((len(x0), 0))
        if estimate is None:
            yield setting, Answer(f"{outcome.status}: {outcome.reason}", empty.astype(int), empty)
        else:
            columns = *(getattr(outcome.meter, name) for name in COUNTS), estimate.steps
            numbers = np.column_stack([estimate.loss, estimate.gradient]).astype(float)
            yield setting, Answer(outcome.status, np.column_stack(columns), numbers)
        if outcome.meter.evals.max() > MOST_EVALS:
            return


def differences(before: Mapping[Key, Answer], after: Mapping[Key, Answer]) -> pd.DataFrame:
    """Return a `Difference` for each estimator that is in both, the largest first."""
    common = [key for key in after if key in before]
    rows = [
        _difference(name, {key: (before[key], after[key]) for key in common if key[2] == name})
        for name in dict.fromkeys(key[2] for key in common)
    ]
    table = pd.DataFrame([asdict(row) for row in rows], columns=list(Difference.__annotations__))
    return table.sort_values(["moved", "largest"], ascending=False, ignore_index=True)


def _difference(name: str, pairs: Mapping[Key, tuple[Answer, Answer]]) -> Difference:
    moved = {key: _moved(*pair) for key, pair in pairs.items()}
    apart = {key: _apart(*pair) for key, pair in pairs.items() if not moved[key]}
    largest = {key: float(found.max(initial=0.0)) for key, found in apart.items()}
    worst = next((key for key in pairs if moved[key]), None) or max(
        largest, key=largest.__getitem__
    )
    return Difference(
        estimator=name,
        cells=len(pairs),
        moved=sum(moved.values()),
        lanes=sum(map(len, apart.values())),
        beyond=sum(int((found > ROUNDINGS).sum()) for found in apart.values()),
        largest=max(largest.values(), default=np.nan),
        where="{0} ({1}) at {3:.3g}".format(*worst),
    )


def _moved(before: Answer, after: Answer) -> bool:
    """Tell whether a status, a count, or which lanes have a gradient differs."""
    alike = before.status == after.status and np.array_equal(before.counts, after.counts)
    return not alike or not np.array_equal(_finite(before), _finite(after))


def _apart(before: Answer, after: Answer) -> Array:
    """Return the relative differences of the lanes that have a gradient."""
    lanes = _finite(before)
    old, new = before.numbers[lanes], after.numbers[lanes]
    size = np.linalg.norm(old, axis=1)
    return np.asarray(np.linalg.norm(new - old, axis=1) / np.where(size > 0, size, 1))


def _finite(answer: Answer) -> Array:
    return np.asarray(np.isfinite(answer.numbers).all(axis=1) & (answer.numbers.shape[1] > 0))


def write_snapshot(path: Path, snapshot: Mapping[Key, Answer]) -> None:
    """Write a snapshot as an .npz file. Raises OSError."""
    names = [key[:3] for key in snapshot]
    arrays: dict[str, Any] = {
        "names": np.array(names, dtype=str).reshape(-1, 3),
        "settings": np.array([key[3] for key in snapshot]),
        "statuses": np.array([answer.status for answer in snapshot.values()], dtype=str),
    }
    for place, answer in enumerate(snapshot.values()):
        arrays |= {f"counts {place}": answer.counts, f"numbers {place}": answer.numbers}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def read_snapshot(path: Path) -> dict[Key, Answer]:
    """Read what `write_snapshot` wrote. Raises OSError, and ValueError if it is no snapshot."""
    try:
        with opened_arrays(path) as read:
            names, settings = read("names", str, (None, 3)), read("settings", float, (None,))
            statuses = read("statuses", str, (len(names),)).tolist()
            keys = [
                (*row, setting)
                for row, setting in zip(names.tolist(), settings.tolist(), strict=True)
            ]
            return {
                key: Answer(
                    status,
                    read(f"counts {place}", int, (None, None)),
                    read(f"numbers {place}", float, (None, None)),
                )
                for place, (key, status) in enumerate(zip(keys, statuses, strict=True))
            }
    except OSError:
        raise
    except Exception as error:
        raise ValueError(f"{path} is no snapshot: {error}") from error
