"""The bytes that an estimator holds between its passes, and how they grow with its steps."""

import gc
import tracemalloc

import numpy as np

from gradpareto.bench.conformance.problems import orbit
from gradpareto.bench.run.meter import Meter, MeteredProblem, with_meter
from gradpareto.estimators import Estimator
from gradpareto.systems import Array

MODERATE = {"step": 0.1, "tolerance": 1e-4, "rollouts": 8.0}
MEMORY_STEPS, LONG_STEPS = (64, 512), (64, 512)
ARRAYS = [tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)]


def memory_exponent(estimator: Estimator) -> float:
    """The exponent of the bytes held at the turn in the calls of f, from few and many steps.

    The turn is the moment when a lane first asks for a derivative. The exponent is 0 if there is
    none: nothing was stored for a backward pass. Where the knob is not the step, a longer horizon
    makes the steps more.
    """
    if estimator.declares.knob == "step":
        turns = [held_at_turn(estimator, 4.0, 4.0 / count, 8) for count in MEMORY_STEPS]
    else:
        setting = MODERATE[estimator.declares.knob]
        pace = 16.0 / float(estimator(orbit(16.0), np.array([[1.0, -0.5]]), setting).steps[0])
        turns = [held_at_turn(estimator, pace * count, setting, 2) for count in LONG_STEPS]
    (few, short), (many, long) = turns
    # Sensitivities ask for a derivative before they call f, and have stored nothing.
    if few is None or many is None or few >= many:
        return 0.0
    return float(np.log(max(many, 1) / max(few, 1)) / np.log(long / short))


def held_at_turn(
    estimator: Estimator, horizon: float, setting: float, samples: int
) -> tuple[float | None, float]:
    """Bytes that a sample of the orbit holds at the turn (None without one), and its calls of f.

    The calls are those before the turn, where the estimator is stopped.
    """
    x0 = np.random.default_rng(0).standard_normal((samples, 2))
    problem = orbit(horizon)
    # The first call fills what it caches, which depends on the number of steps.
    first = with_meter(problem, _ArrayMeter(samples))
    if not _turns(estimator, first, x0, setting):
        return None, float(first.meter.f_evals.max())
    gc.freeze()  # so that collecting at the turn looks at what the call makes alone
    tracemalloc.start()
    try:
        counted = with_meter(problem, _ArrayMeter(samples))
        _turns(estimator, counted, x0, setting)
    finally:
        tracemalloc.stop()
        gc.unfreeze()
    return counted.meter.stored_bytes, float(counted.meter.f_evals.max())


class _Turned(BaseException):
    """The estimator has come to its backward pass. Nobody who catches an Exception catches it."""


class _ArrayMeter(Meter):
    """A meter that counts as stored the bytes of arrays alone, and ends the call at the turn.

    A published record counts every object. Others than arrays come and go with the interpreter's
    lists of freed ones and with its collector, so that their number depends on what ran before;
    arrays do not, once what nobody can reach (SciPy's solvers refer to themselves) is collected.
    """

    def __init__(self, lanes: int) -> None:
        super().__init__(lanes)
        self._tracing = tracemalloc.is_tracing()
        self._before = _bytes_of_arrays() if self._tracing else 0

    def turn(self, lanes: int) -> None:
        if self._tracing and self.stored_bytes is None:
            gc.collect()
            self.stored_bytes = (_bytes_of_arrays() - self._before) / lanes
        raise _Turned


def _bytes_of_arrays() -> int:
    """The bytes of all arrays made since tracing began, which are still held."""
    traces = tracemalloc.take_snapshot().filter_traces(ARRAYS).traces
    return sum(trace.size for trace in traces)


def _turns(estimator: Estimator, problem: MeteredProblem, x0: Array, setting: float) -> bool:
    """Call the estimator up to its turn, and tell whether it came to one."""
    try:
        estimator(problem, x0, setting)
    except _Turned:
        return True
    return False
