"""The true errors of peers at their tolerances, and what they evaluate for them."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
import pandas as pd

from gradpareto.bench.peers.matching import rel_error
from gradpareto.bench.peers.peer import Oracles, Peer
from gradpareto.bench.peers.registry import load_peer
from gradpareto.bench.peers.side_by_side import Sides
from gradpareto.bench.run.attempt import attempt
from gradpareto.bench.run.report import Report
from gradpareto.bench.run.samples import Samples, certified

TOLERANCES = tuple(10.0**-k for k in range(2, 13))
COUNTED = 2
"""Samples whose evaluations are counted, since each of them is a call from compiled code."""
MOST_EVALS = 2_000
"""The evaluations of a sample after which no finer tolerance is counted."""
MOST_SECONDS = 20.0
"""No finer tolerance is tried when the samples take longer than this."""


@dataclass(frozen=True)
class AtTolerance:
    """A peer at a tolerance: the median relative error of all samples, and what a sample takes.

    `f_evals` and `vjp_evals` are medians over COUNTED samples of what was evaluated, NaN where it
    was not counted. An f is the dynamics, the running cost, or both, and counts each time that the
    library evaluates it, also inside a vector-Jacobian product if the library does so. `ms` is the
    mean time of the samples one by one, `peak_bytes` what a sample's call holds at most, and
    `compile_s` what was spent before.
    """

    system: str
    theta: str
    name: str
    tolerance: float
    rel_error: float
    f_evals: float
    vjp_evals: float
    evals: float
    ms: float
    peak_bytes: float
    compile_s: float


def true_errors(sides: Sides, tolerances: Sequence[float], report: Report) -> pd.DataFrame:
    """Measure peers whose knob is a tolerance: an `AtTolerance` for each problem and tolerance."""
    chosen = {name: load_peer(name) for name in sides.peers}
    adaptive = {name: p for name, p in chosen.items() if p.declares.knob == "tolerance"}
    total = len(sides.problems) * len(adaptive)
    rows: list[AtTolerance] = []
    for number, names in enumerate(sides.problems):
        samples = certified(*names, sides.samples, sides.seed, sides.cache)
        for place, (name, peer) in enumerate(adaptive.items()):
            rows += [
                AtTolerance(*names, name, *numbers)
                for numbers in _at_tolerances(peer, samples, tolerances)
            ]
            done = number * len(adaptive) + place + 1
            report("{} ({}), {}".format(*names, name), done, total)
    columns = [part.name for part in fields(AtTolerance)]
    return pd.DataFrame(map(asdict, rows), columns=columns)


def _at_tolerances(
    peer: Peer, samples: Samples, tolerances: Sequence[float]
) -> Iterator[tuple[float, ...]]:
    ready = peer.ready(samples.problem, 1)
    counting = peer.ready(samples.problem, 1, Oracles())
    counts = np.zeros(2)
    for tolerance in sorted(tolerances, reverse=True):
        rel_error(ready, samples, tolerance, 1)  # CasADi builds a solver for each tolerance
        error, seconds = rel_error(ready, samples, tolerance, 1)
        if counts.sum() <= MOST_EVALS:
            meter = attempt(counting, *samples.batch(COUNTED), tolerance).meter
            counts = np.median([meter.f_evals, meter.vjp_evals], axis=1)
        else:
            counts = np.full(2, np.nan)
        f, vjp = counts.tolist()
        ms = 1e3 * seconds / len(samples.x0)
        yield tolerance, error, f, vjp, f + vjp, ms, ready.peak_bytes, ready.compile_s
        if seconds > MOST_SECONDS:
            return
