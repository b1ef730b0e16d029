"""An estimator in a race: what its next setting is, and what it will need."""

from dataclasses import replace

import numpy as np
import pytest

from gradpareto.bench.run.racer import QUARTER, Racer
from gradpareto.bench.run.tried_setting import Tried


def with_evals(*evals: float, rel_error: float = 0.4) -> Racer:
    """Return a racer that has tried a rung for each of some evaluations."""
    tried = tuple(Tried(0.1, rel_error, one, 0) for one in evals)
    return Racer("ctpg", tried, tuple(map(float, range(len(evals)))))


def test_the_next_rung_is_as_far_on_as_a_stride_and_the_bound_allow() -> None:
    """Evaluations grow by 1.41 on each rung: two rungs are a stride of a factor below 2."""
    racer = with_evals(100.0, 141.0)
    assert racer.next_rung(np.inf, iterative=False) == 3.0
    assert racer.next_rung(np.inf, iterative=True) == 2.0
    assert racer.next_rung(141 * 1.42, iterative=False) == 2.0
    assert racer.next_rung(141 * 1.10, iterative=False) == 1.0 + QUARTER
    assert racer.next_rung(141 * 1.08, iterative=False) is None
    steep = with_evals(100.0, 300.0)
    assert steep.next_rung(np.inf, iterative=False) == 2.0  # a rung, whatever it takes


@pytest.mark.parametrize("rel_error", [0.6, 1.0, 50.0, np.inf])
def test_strides_are_twice_as_long_until_an_error_tells_something(rel_error: float) -> None:
    assert with_evals(100.0, 141.0, rel_error=rel_error).next_rung(np.inf, iterative=False) == 5.0
    steep = with_evals(100.0, 190.0, rel_error=rel_error)
    assert steep.next_rung(np.inf, iterative=False) == 3.0  # 3.6 times, below 4
    assert steep.next_rung(np.inf, iterative=True) == 2.0


def test_it_is_foreseen_what_an_error_needs() -> None:
    """Order 4 has fallen from 1e-2 to 1e-2 / 16 with twice the evaluations."""
    tried = (Tried(1.0, 1e-2, 50.0, 0), Tried(0.5, 1e-2 / 16, 100.0, 0))
    racer = Racer("bptt-rk4", tried, (3.0, 4.0))
    assert racer.needs(1e-2 / 16**3) == pytest.approx(400.0)
    assert Racer("bptt").needs(1e-6) == np.inf
    assert replace(racer, tried=tried[::-1]).needs(1e-6) == np.inf
    slow = Racer("bptt", (Tried(1.0, 0.5, 2.0, 0), Tried(0.5, 0.4999, 4.0, 0)), (1.0, 2.0))
    assert slow.needs(1e-300) == np.inf
    alike = replace(racer, tried=(tried[0], replace(tried[0], setting=0.5)))
    assert alike.needs(1e-6) == np.inf
