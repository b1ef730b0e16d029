"""Losses and trajectories of a batch of initial states, to a stated tolerance.

The running cost is integrated with the state, as one more component of y = (x, int w dt), so that
the step control sees its error too. DOP853 (see `ivp`) starts anew at every breakpoint.
"""

from itertools import pairwise

import numpy as np

from gradpareto.reference.ivp import StepControl, solve_to
from gradpareto.systems import Array, Problem


def solve_loss(
    problem: Problem, x0: Array, tolerance: float, attempts: int = StepControl.attempts
) -> Array:
    """Solve for the loss (B,) of initial states x0 (B, state_dim) to a relative tolerance.

    A lane that cannot be solved in `attempts` steps a segment has a loss of NaN. A system that is
    not its own `truth` is judged by its truth. Raises ValueError on an x0 of the wrong shape or not
    finite.
    """
    return solve_loss_by(problem, x0, StepControl(tolerance, attempts=attempts))


def solve_loss_by(problem: Problem, x0: Array, control: StepControl) -> Array:
    """Solve for the loss as `solve_loss` does, with another control of the steps."""
    problem = problem.exact
    end = _solve(problem, x0, np.array(problem.segments), control)[-1]
    return np.asarray(end[:, -1] + problem.terminal(end[:, :-1]))


def solve_states(
    problem: Problem,
    x0: Array,
    times: Array,
    tolerance: float,
    attempts: int = StepControl.attempts,
) -> Array:
    """Solve for the states (K, B, state_dim) at ascending times (K,) from 0 to T.

    The tolerance, the truth and the errors raised are those of `solve_loss`. A lane is NaN
    from the time on beyond which it cannot be solved, in `attempts` steps from one time to the
    next.
    """
    problem = problem.exact
    stops = np.union1d(times, problem.segments)
    # From one stop to the next it is often a single step.
    found = _solve(problem, x0, stops, StepControl(tolerance, first=1.0, attempts=attempts))
    return found[np.searchsorted(stops, times), :, :-1]


def _solve(problem: Problem, x0: Array, stops: Array, control: StepControl) -> Array:
    """Return y (K, B, state_dim + 1) at the stops (K,), of which the first is 0."""
    x0 = problem.check_x0(x0).astype(float)

    def slope(lane: Array, t: Array, y: Array) -> Array:
        return np.column_stack(problem.flow(lane, t, y[:, :-1]))

    found = [np.column_stack([x0, np.zeros(len(x0))])]
    for start, end in pairwise(stops):
        found.append(solve_to(slope, start, end, found[-1], control))
    return np.array(found)
