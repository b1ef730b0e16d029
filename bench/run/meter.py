"""Counts what an estimator calls, lane by lane, from outside."""

import tracemalloc
from collections import Counter
from dataclasses import dataclass, field, fields

import numpy as np

from gradpareto.systems import Array, Factors, Problem


class Meter:
    """Oracle calls of one estimate of B samples.

    `f_evals`, `vjp_evals`, `jvp_evals` and `jac_evals` (B,) count rows, each for the sample that it
    belongs to; a Jacobian counts as one vector-Jacobian product a state, and a pullback that
    differences a simulator as so many calls of it, in `f_evals`.
    `batches` counts calls by oracle and number of rows. `stored_bytes` is what was held for each of
    the lanes that first asked for a derivative, at that moment, since the meter was made (None
    outside a tracemalloc session).
    """

    def __init__(self, lanes: int) -> None:
        self.f_evals, self.vjp_evals, self.jvp_evals, self.jac_evals = np.zeros(
            (4, lanes), dtype=int
        )
        self.batches: Counter[tuple[str, int]] = Counter()
        self.stored_bytes: float | None = None
        self._turned = not tracemalloc.is_tracing()
        self._at_start = tracemalloc.get_traced_memory()[0]

    @property
    def evals(self) -> Array:
        """All of them together (B,), each at the price of one; a Jacobian counts as state_dim."""
        return np.asarray(self.f_evals + self.vjp_evals + self.jvp_evals + self.jac_evals)

    def count(self, oracle: str, evals: Array, lane: Array, each: int = 1) -> None:
        self.batches[oracle, len(lane)] += 1
        evals += each * np.bincount(lane, minlength=len(evals))

    def turn(self, lanes: int) -> None:
        """The estimator goes from its forward to its backward pass."""
        if not self._turned:
            held = tracemalloc.get_traced_memory()[0] - self._at_start
            self._turned, self.stored_bytes = True, held / lanes


@dataclass(frozen=True)
class MeteredProblem(Problem):
    """A problem whose oracles count. The terminal cost and its gradient are free: no dynamics."""

    meter: Meter = field(kw_only=True, compare=False, repr=False)

    def flow(self, lane: Array, t: Array, x: Array) -> tuple[Array, Array]:
        self.meter.count("flow", self.meter.f_evals, lane)
        return super().flow(lane, t, x)

    def pullback(
        self, lane: Array, t: Array, x: Array, a: Array, c: Array
    ) -> tuple[Array, Factors]:
        self.meter.turn(len(lane))
        meter, flows = self.meter, self.system.pullback_flows
        meter.count("pullback", meter.f_evals if flows else meter.vjp_evals, lane, flows or 1)
        return super().pullback(lane, t, x, a, c)

    def jacobian(self, lane: Array, t: Array, x: Array) -> tuple[Array, Factors]:
        # An implicit forward solve asks for it too: this is no turn.
        meter, flows, width = self.meter, self.system.pullback_flows, x.shape[1]
        evals = meter.f_evals if flows else meter.jac_evals
        meter.count("jacobian", evals, lane, width * (flows or 1))
        return super().jacobian(lane, t, x)

    def terminal_gradient(self, x: Array) -> Array:
        self.meter.turn(len(x))
        return super().terminal_gradient(x)


def metered(problem: Problem, lanes: int) -> MeteredProblem:
    """The same problem, counted for a batch of so many samples."""
    given = (getattr(problem, part.name) for part in fields(problem) if part.init)
    return MeteredProblem(*given, meter=Meter(lanes))
