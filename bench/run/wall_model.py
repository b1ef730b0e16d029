"""A model of the time of oracle calls: what a call costs, and what each of its rows adds.

    T = a C_f + b R_f + c C_v + d R_v

C are the calls of f and of its vector-Jacobian product, and R their rows over all lanes.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.optimize import nnls

from gradpareto.bench.run.meter import COUNTED_IN
from gradpareto.bench.run.overhead import pull_through, seconds_of
from gradpareto.systems import Array, Problem

ROWS = (1, 4, 16, 64, 256, 1024)
"""The numbers of rows with which the oracles are timed."""
SECONDS = 0.02
"""The time for which a call is repeated; the fastest repetition counts."""


@dataclass(frozen=True)
class WallModel:
    """The seconds of a call, and of each of its rows, by the name of the oracle."""

    prices: Mapping[str, tuple[float, float]]

    def seconds(self, batches: Mapping[tuple[str, int], int]) -> float:
        """Return the time of calls, counted by oracle and number of rows, as a meter has them."""
        return sum(
            count * (self.prices[oracle][0] + self.prices[oracle][1] * rows)
            for (oracle, rows), count in batches.items()
        )

    @property
    def call_seconds(self) -> float:
        """The time of a call of one row, by the more expensive of f and its product."""
        return max(sum(self.prices[oracle]) for oracle in ("flow", "pullback"))

    def least_seconds(self, problem: Problem, evals: float) -> float:
        """Return the time that evaluations take at least: that of the cheapest rows, without calls.

        A row of an oracle is as many evaluations as a meter counts it for.
        """
        state_dim, flows = problem.system.state_dim, problem.system.pullback_flows or 1
        worth = {"flow": 1, "jacobian": state_dim * flows}
        rows = {name: row for name, (_, row) in self.prices.items() if name in COUNTED_IN}
        return evals * min(row / worth.get(name, flows) for name, row in rows.items())


def fit_wall_model(problem: Problem, x0: Array) -> WallModel:
    """Fit the model to calls in states x0 (B, state_dim), by the relative error of its times.

    The prices are not negative. It takes less than a second.
    """
    return WallModel(
        {
            oracle: _prices([_fastest(partial(call, *_states(x0, rows))) for rows in ROWS])
            for oracle, call in _oracles(problem, x0).items()
        }
    )


def _oracles(problem: Problem, x0: Array) -> dict[str, Callable[..., object]]:
    values = {rows: problem.policy_values(*_states(x0, rows)) for rows in ROWS}

    def pullback(lane: Array, t: Array, x: Array) -> object:
        return problem.pullback(lane, t, x, np.ones_like(x), np.ones_like(t))

    def pullback_with_values(lane: Array, t: Array, x: Array) -> object:
        return problem.pullback(lane, t, x, np.ones_like(x), np.ones_like(t), values[len(lane)])

    def linearise(lane: Array, t: Array, x: Array) -> object:
        return pull_through(problem, 0 * lane, t, x, np.ones_like(t))

    found = {
        "flow": problem.flow,
        "pullback": pullback,
        "policy_values": problem.policy_values,
        "pullback_with_values": pullback_with_values,
        "jacobian": problem.jacobian,
    }
    return found | ({"linearise": linearise} if problem.stages_at_once(1) else {})


def _states(x0: Array, rows: int) -> tuple[Array, Array, Array]:
    lane = np.arange(rows) % len(x0)
    return lane, np.zeros(rows), x0[lane]


def _fastest(call: Callable[[], object]) -> float:
    call()
    times: list[float] = []
    end = time.perf_counter() + SECONDS
    while not times or time.perf_counter() < end:
        times.append(seconds_of(call))
    return min(times)


def _prices(seconds: list[float]) -> tuple[float, float]:
    table = np.column_stack([np.ones(len(ROWS)), ROWS]) / np.array(seconds)[:, None]
    call, row = nnls(table, np.ones(len(ROWS)))[0].tolist()
    return call, row
