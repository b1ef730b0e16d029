"""A problem whose oracle calls are counted, lane by lane, from outside of the estimator."""

import tracemalloc
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from gradpareto.systems import Array, Factors, Linearisation, Problem, ThetaJacobian

COUNTED_IN = {
    "flow": "f_evals",
    "pullback": "vjp_evals",
    "pullback_with_values": "vjp_evals",
    "jacobian": "jac_evals",
    "linearise": "vjp_evals",
}
"""The count of each oracle: a pullback in rows whose policy values are given counts as any."""


class Meter:
    """The counts of the oracle calls of one estimate of B samples.

    `f_evals`, `vjp_evals`, `jvp_evals` and `jac_evals` (B,) count rows, each for the sample that it
    belongs to. A Jacobian counts as one vector-Jacobian product for each state, `linearise` as one
    for each row, since a row's cotangent can be pulled back once, and a pullback that
    differences a simulator counts, in `f_evals`, as the calls of the simulator that it makes.
    `batches` counts calls by oracle and number of rows. `stored_bytes` is the memory, per lane,
    that has been allocated since the meter was made and is held when the backward pass begins, at
    the first pullback or terminal gradient asked for; it is None outside a tracemalloc session. A
    subclass whose `see` does more can watch each call.
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
        """The sum of the four counts (B,), in which a Jacobian counts as state_dim products."""
        return np.asarray(self.f_evals + self.vjp_evals + self.jvp_evals + self.jac_evals)

    def see(self, problem: Problem, oracle: str, lane: Array, t: Array, *arrays: Array) -> None:
        """Count a call of R rows that is about to be made, given its name and its arguments."""
        if oracle not in ("flow", "jacobian"):  # an implicit forward solve asks for Jacobians too
            self.turn(len(lane))
        self.batches[oracle, len(lane)] += 1
        self.count(problem, oracle, lane)

    def count(self, problem: Problem, oracle: str, lane: Array) -> None:
        """Add the evaluations that an oracle of a problem takes for these rows."""
        if oracle not in COUNTED_IN:
            return
        flows = 0 if oracle == "flow" else problem.system.pullback_flows
        evals = self.f_evals if flows else getattr(self, COUNTED_IN[oracle])
        each = problem.system.state_dim if oracle == "jacobian" else 1
        evals += each * (flows or 1) * np.bincount(lane, minlength=len(evals))

    def turn(self, lanes: int) -> None:
        """Note that the estimator goes from its forward to its backward pass."""
        if not self._turned:
            held = tracemalloc.get_traced_memory()[0] - self._at_start
            self._turned, self.stored_bytes = True, held / lanes


class Turned(BaseException):
    """A gradient is ended where its backward pass begins: more was not to be known."""


class StoreMeter(Meter):
    """A meter that ends a gradient, by Turned, when it knows the bytes that it stores."""

    def turn(self, lanes: int) -> None:
        super().turn(lanes)
        raise Turned


@dataclass(frozen=True)
class MeteredProblem(Problem):
    """A problem whose meter sees every call of an oracle before it is made.

    The terminal cost and its gradient are free, since they evaluate no dynamics.
    """

    meter: Meter = field(kw_only=True, compare=False, repr=False)

    def flow(self, lane: Array, t: Array, x: Array) -> tuple[Array, Array]:
        self.meter.see(self, "flow", lane, t, x)
        return super().flow(lane, t, x)

    def pullback(
        self,
        lane: Array,
        t: Array,
        x: Array,
        a: Array,
        c: Array,
        values: Sequence[Array] | None = None,
    ) -> tuple[Array, Factors]:
        if values is None:  # asv measures commits at which a problem took none
            self.meter.see(self, "pullback", lane, t, x, a, c)
            return super().pullback(lane, t, x, a, c)
        self.meter.see(self, "pullback_with_values", lane, t, x, a, c, *values)
        return super().pullback(lane, t, x, a, c, values)

    def policy_values(self, lane: Array, t: Array, x: Array) -> tuple[Array, ...]:
        self.meter.see(self, "policy_values", lane, t, x)
        return super().policy_values(lane, t, x)

    def jacobian(self, lane: Array, t: Array, x: Array) -> tuple[Array, ThetaJacobian]:
        self.meter.see(self, "jacobian", lane, t, x)
        return super().jacobian(lane, t, x)

    def assembled(self, lane: Array, t: Array, x: Array, c: Array) -> Linearisation:
        rows = np.tile(lane, len(t)), t.ravel(), x.reshape(-1, x.shape[-1]), c.ravel()
        self.meter.see(self, "linearise", *rows)
        return super().assembled(lane, t, x, c)

    def terminal_gradient(self, x: Array) -> Array:
        self.meter.turn(len(x))
        return super().terminal_gradient(x)


def metered(problem: Problem, lanes: int) -> MeteredProblem:
    """Return the problem with a new meter for a batch of `lanes` samples."""
    return with_meter(problem, Meter(lanes))


def with_meter(problem: Problem, meter: Meter) -> MeteredProblem:
    """Return the problem with a meter that sees its calls."""
    return MeteredProblem(**parts_of(problem), meter=meter)


def parts_of(problem: Problem) -> dict[str, Any]:
    """Return the arguments that make a problem, by their names."""
    return {part.name: getattr(problem, part.name) for part in fields(Problem) if part.init}
