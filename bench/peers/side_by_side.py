"""This project's estimators and other libraries, side by side at equal error."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gradpareto.bench.peers.matching import matched
from gradpareto.bench.peers.peer import Ready
from gradpareto.bench.peers.race import Contender, Race, first_seconds, race
from gradpareto.bench.peers.registry import load_peer
from gradpareto.bench.run.loosest_setting import Reached
from gradpareto.bench.run.overhead import Spread, oracle_calls
from gradpareto.bench.run.report import Report
from gradpareto.bench.run.samples import Samples, certified
from gradpareto.bench.run.wall_model import WallModel, fit_wall_model
from gradpareto.estimators import ESTIMATORS

SLOW = 3.0
"""A peer that one sample takes longer than it takes the fastest peer, by this factor at each
error, is compiled for no batch."""


@dataclass(frozen=True)
class Sides:
    """The estimators and the peers to compare on problems, pairs of a system and a preset.

    They are compared in batches, which repeat the certified ones of the `samples` that a system
    draws from `seed`, at relative `errors`; a comparison takes about `seconds`.
    """

    problems: Sequence[tuple[str, str]]
    estimators: Sequence[str]
    peers: Sequence[str]
    batches: Sequence[int]
    errors: Sequence[float]
    samples: int
    seed: int
    seconds: float
    cache: Path


@dataclass(frozen=True)
class Row:
    """A row of the table of all: a contender's setting, achieved error and milliseconds.

    The quartiles are those of `rounds` rounds; a contender with 0 rounds was slower than another of
    its side by far, and has the milliseconds of one gradient. `compile_s` was spent before.
    """

    system: str
    theta: str
    batch: int
    error: float
    name: str
    setting: float
    rel_error: float
    ms: float
    ms_low: float = np.nan
    ms_high: float = np.nan
    rounds: int = 0
    compile_s: float = 0.0


@dataclass(frozen=True)
class Best:
    """The fastest estimator and the fastest peer of a cell, and the ratio of their times.

    `model_ms` is the wall model's prediction for the estimator's oracle calls alone.
    """

    system: str
    theta: str
    batch: int
    error: float
    estimator: str
    setting: float
    rel_error: float
    ms: float
    ms_low: float
    ms_high: float
    model_ms: float
    peer: str
    peer_setting: float
    peer_rel_error: float
    peer_ms: float
    peer_ms_low: float
    peer_ms_high: float
    ratio: float
    ratio_low: float
    ratio_high: float
    rounds: int


Settings = Mapping[str, Mapping[float, Reached]]
"""The setting of each contender that reaches an error, by its name and the error."""


def side_by_side(sides: Sides, report: Report) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare on every problem in every batch at every error: the tables of `Row` and of `Best`."""
    rows: list[Row] = []
    best: list[Best] = []
    parts = len(sides.estimators) + len(sides.peers) + len(sides.batches) * len(sides.errors)
    done, total = count(1), len(sides.problems) * parts
    for names in sides.problems:
        samples = certified(*names, sides.samples, sides.seed, sides.cache)
        model = fit_wall_model(samples.problem, samples.x0)
        told = partial(_tell, report, "{} ({})".format(*names), done, total)
        for batch, error, found in _races(sides, samples, told):
            rows += [Row(*names, batch, error, *numbers) for numbers in _numbers(found)]
            best += [
                Best(*names, batch, error, *numbers)
                for numbers in _compared(found, samples, batch, model)
            ]
    return pd.DataFrame(map(asdict, rows)), pd.DataFrame(map(asdict, best))


def _tell(report: Report, problem: str, done: Iterator[int], total: int, part: str) -> None:
    report(f"{problem}, {part}", next(done), total)


def _races(
    sides: Sides, samples: Samples, report: Callable[[str], None]
) -> Iterator[tuple[int, float, Race]]:
    """Find the settings on a problem, and race in every batch at every error."""
    own = {name: ESTIMATORS[name] for name in sides.estimators}
    singles = {name: load_peer(name).ready(samples.problem, 1) for name in sides.peers}
    settings: dict[str, dict[float, Reached]] = {}
    for name, estimator in (own | singles).items():
        lanes = 1 if name in singles else len(samples.x0)
        settings[name] = matched(estimator, samples, sides.errors, lanes)
        report(name)
    worth = _worth_a_batch(singles, settings, samples)
    behind: dict[float, set[str]] = {error: set() for error in sides.errors}
    for batch in sorted(sides.batches):
        ready = (
            singles
            if batch == 1
            else {name: load_peer(name).ready(samples.problem, batch) for name in worth}
        )
        for error in sides.errors:
            entered = [
                Contender(name, estimator, reached.setting, reached.rel_error)
                for name, estimator in (own | ready).items()
                if name not in behind[error] and (reached := settings[name].get(error))
            ]
            if entered:
                found = race(entered, samples, batch, sides.seconds)
                behind[error] |= found.far_behind()
                yield batch, error, found
            report(f"batch {batch}, error {error:g}")


def _worth_a_batch(singles: Mapping[str, Ready], settings: Settings, samples: Samples) -> list[str]:
    """Return the peers that are near the fastest at some error, with one sample."""
    seconds = pd.DataFrame(
        {
            name: {
                error: first_seconds(Contender(name, ready, at.setting, at.rel_error), samples, 1)
                for error, at in settings[name].items()
            }
            for name, ready in singles.items()
        }
    )
    near = seconds.le(SLOW * seconds.min(axis=1), axis=0).any()
    return [str(name) for name in near.index[near]]


def _numbers(found: Race) -> Iterator[tuple[Any, ...]]:
    """Yield the numbers of each contender, from its name on."""
    for one in found.contenders:
        spent = found.spread(one.name)
        yield (*_known(one), *_ms(spent), len(found.seconds), one.compile_s)
    for one, seconds in found.dropped:
        yield (*_known(one), 1e3 * seconds, np.nan, np.nan, 0, one.compile_s)


def _compared(
    found: Race, samples: Samples, batch: int, model: WallModel
) -> Iterator[tuple[Any, ...]]:
    """Yield the numbers of the fastest of both sides, from the estimator's name on, if both are."""
    own, peer = found.fastest(is_peer=False), found.fastest(is_peer=True)
    if own is None or peer is None:
        return
    problem, x0 = samples.batch(batch)
    calls = oracle_calls(problem, own.estimator, x0, own.setting)
    predicted = model.seconds({key: made.count for key, made in calls.items()})
    ratio = found.ratio(own.name, peer.name)
    spent = [(*_known(one), *_ms(found.spread(one.name))) for one in (own, peer)]
    yield (
        *spent[0],
        1e3 * predicted,
        *spent[1],
        ratio.median,
        ratio.low,
        ratio.high,
        len(found.seconds),
    )


def _known(one: Contender) -> tuple[str, float, float]:
    return one.name, one.setting, one.rel_error


def _ms(spent: Spread) -> tuple[float, float, float]:
    return 1e3 * spent.median, 1e3 * spent.low, 1e3 * spent.high
