"""The discrete adjoint of explicit Runge-Kutta steps, whether their stages are kept or recomputed.

The steps are swept in chunks, since all their stages are known before the first cotangent is: a
problem may evaluate in one call what does not depend on the cotangents (`Problem.linearise`).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from gradpareto.estimators.solvers.explicit.stages import as_column
from gradpareto.estimators.solvers.explicit.tableaus import Tableau
from gradpareto.estimators.solvers.reverse.recurrences import Recurrence, Transposed
from gradpareto.estimators.solvers.row_blocks import add_sums, neighbours
from gradpareto.systems import Array, Factors, Problem

CHUNK_BYTES = 4_000_000
"""theta-cotangents are held up to this size, or twice that of their sum if that is more, and then
contracted in one product."""
TRANSPOSED = Transposed()


@dataclass(frozen=True)
class Step:
    """One step of R lanes, with stage times t (s, R), length h (R,), and stage states (s, R, d)."""

    lane: Array
    t: Array
    h: Array
    stages: Array


class ThetaSum:
    """The theta-gradient (B, P) as a sum of cotangents, contracted when many are held.

    The cotangents held together belong to the same lanes, so that one product serves all of them.
    """

    def __init__(self, problem: Problem, lanes: int, precision: np.dtype) -> None:
        self.problem = problem
        self.value = np.zeros((lanes, problem.policy.size), precision)
        # With less, a sum over many lanes would be written more often than it is worth.
        self._most = max(CHUNK_BYTES, 2 * self.value.nbytes)
        self._lane: Array = np.arange(0)
        self._held: list[Factors] = []
        self._weights: list[Array] = []
        self._count, self._room = 0, 0

    def add(self, lane: Array, factors: Factors, weight: Array | None = None) -> None:
        """Add cotangents of one row of each lane in `lane` (R,), times weights (R,) if given."""
        own = np.ones(len(lane)) if weight is None else weight
        self.hold(lane, tuple(part[None] for part in factors), own[None])

    def add_nodes(self, lane: Array, factors: Factors, weights: Array | None = None) -> None:
        """Add cotangents of s rows of each lane in `lane` (R,), given in factors (R, s, m).

        They are multiplied by weights (s, R) if these are given.
        """
        nodes = tuple(part.swapaxes(0, 1) for part in factors)
        own = np.ones(nodes[0].shape[:2]) if weights is None else weights
        at_once = 1 + self._most // sum(part[0].nbytes for part in nodes)
        while len(own):
            room = at_once - self._count if _equal(lane, self._lane) else at_once
            self.hold(lane, tuple(part[:room] for part in nodes), own[:room])
            nodes, own = tuple(part[room:] for part in nodes), own[room:]

    def hold(self, lane: Array, factors: Factors, weights: Array) -> None:
        """Hold s rows of each lane in `lane` (R,), in factors (s, R, m), with weights (s, R)."""
        if not self._held or not _equal(lane, self._lane):
            self.flush()
            self._lane, self._room = lane, self._most // sum(part[0].nbytes for part in factors)
        self._held.append(factors)
        self._weights.append(weights)
        self._count += len(weights)
        if self._count > self._room:
            self.flush()

    def flush(self) -> Array:
        """Contract the cotangents that are held, and return the sum so far."""
        if self._held:
            weights = np.concatenate(self._weights)[None]
            add_sums(self.value, self._lane, self.problem.weighted_sums(self._held, weights))
            self._held.clear()
            self._weights.clear()
            self._count = 0
        return self.value


def reverse(
    problem: Problem,
    tableau: Tableau,
    steps: Iterable[Step],
    adjoint: Array,
    coupled: tuple[list[int], list[int]] = ([], []),
    recurrence: Recurrence = TRANSPOSED,
) -> tuple[Array, Array]:
    """Sweep back from the final states' cotangent to the gradients in x0 (B, d) and theta (B, P).

    `steps` come last first; a step's lanes are a subset of the batch, each on a mesh of its own.
    `coupled` are positions and their velocities, which semi-implicit Euler's method updates first.
    """
    adjoint = adjoint.copy()
    theta = ThetaSum(problem, len(adjoint), adjoint.dtype)
    positions, velocities = coupled
    for steps_at_once in _chunks(problem, tableau, steps):
        chunk = Chunk(problem, tableau, steps_at_once, recurrence)
        rows = neighbours(steps_at_once[0].lane)
        for step in steps_at_once:
            pulled = add_columns(adjoint[rows], step.h, velocities, positions)
            adjoint[rows] += chunk.pull(step, pulled)
        chunk.finish(theta)
    return adjoint, theta.flush()


def _chunks(problem: Problem, tableau: Tableau, steps: Iterable[Step]) -> Iterator[list[Step]]:
    """Yield the steps in groups of the same lanes, as large as is of use."""
    chunk: list[Step] = []
    for step in steps:
        most = problem.stages_at_once(len(step.lane)) // tableau.stages
        if chunk and (len(chunk) >= most or not _equal(step.lane, chunk[0].lane)):
            yield chunk
            chunk = []
        chunk.append(step)
    if chunk:
        yield chunk


def _equal(lanes: Array, others: Array) -> bool:
    return lanes is others or (len(lanes) == len(others) and np.array_equal(lanes, others))


class Chunk:
    """Steps of the same lanes, last first, whose stages are pulled back in that order."""

    def __init__(
        self,
        problem: Problem,
        tableau: Tableau,
        steps: list[Step],
        recurrence: Recurrence = TRANSPOSED,
    ) -> None:
        self.tableau, self.recurrence, self.lane = tableau, recurrence, steps[0].lane
        parts = [(step.t, step.stages, self._over(step, recurrence.costs)) for step in steps[::-1]]
        t, x, costs = parts[0] if len(parts) == 1 else map(np.concatenate, zip(*parts, strict=True))
        self.products = problem.linearise(self.lane, t, x, costs)
        self._weights = np.concatenate(
            [self._over(step, recurrence.weights) for step in steps[::-1]]
        )

    def _over(self, step: Step, of_stages: Callable[[Tableau, Array], Array]) -> Array:
        return of_stages(self.tableau, step.h.astype(step.stages.dtype, copy=False))

    def pull(self, step: Step, pulled: Array) -> Array:
        """Return the part of the cotangent of the step's initial state (R, d) that its stages add.

        `pulled` (R, d) is the cotangent of x+. The steps are given in turn, last first.
        """
        h = step.h.astype(pulled.dtype, copy=False)
        return self.recurrence.pull(self.tableau, h, pulled, self.products)

    def finish(self, theta: ThetaSum) -> None:
        """Add the theta-cotangents of all steps, after all were pulled."""
        start = 0
        for factors in self.products.factors():
            end = start + len(factors[0])
            theta.hold(self.lane, factors, self._weights[start:end])
            start = end


def pull_step(
    problem: Problem,
    tableau: Tableau,
    step: Step,
    pulled: Array,
    theta: ThetaSum,
    recurrence: Recurrence = TRANSPOSED,
) -> Array:
    """Return what `Chunk.pull` does for a step alone, and add its theta-cotangents to `theta`."""
    chunk = Chunk(problem, tableau, [step], recurrence)
    added = chunk.pull(step, pulled)
    chunk.finish(theta)
    return added


def add_columns(values: Array, h: Array, into: list[int], source: list[int]) -> Array:
    """Add h (R,) times the columns `source` of values (R, d) to their columns `into`."""
    if into:
        values = values.copy()
        values[:, into] += as_column(h, values) * values[:, source]
    return values
