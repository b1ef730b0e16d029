"""Settings at equal error and races, of estimators whose errors and times are known."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from gradpareto.bench.peers import race as racing
from gradpareto.bench.peers import side_by_side
from gradpareto.bench.peers.closed_loop import ClosedLoop
from gradpareto.bench.peers.matching import BISECTIONS, STRIDE, matched
from gradpareto.bench.peers.peer import Ready
from gradpareto.bench.peers.ports import Library
from gradpareto.bench.peers.race import LEAST_ROUNDS, Contender, Race, race
from gradpareto.bench.run import overhead
from gradpareto.bench.run.loosest_setting import SETTINGS_A_FACTOR, Reached
from gradpareto.bench.run.samples import Samples
from gradpareto.bench.verbs.peers import hold_to_one_core
from gradpareto.estimators import Declaration, Estimate, Estimator
from gradpareto.systems import TASKS, Array, Problem

CLOCK = SimpleNamespace(now=0.0)
"""The time of day, in seconds; a busy machine does not change it."""


@dataclass(frozen=True)
class Known(Estimator):
    """Its relative error is the square of the tolerance, it takes a time, and may give up."""

    seconds: float = 0.0
    finest: float = 0.0

    @property
    def declares(self) -> Declaration:
        return Declaration(knob="tolerance", tight=1e-6)

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        CLOCK.now += self.seconds
        theta = np.ones((len(x0), problem.policy.size)) * (1 + setting**2)
        failed = {} if setting >= self.finest else {0: "too fine"}
        loss = np.zeros(len(x0))
        return Estimate(loss, np.ones_like(x0) * (1 + setting**2), theta, loss.astype(int), failed)


@pytest.fixture
def samples() -> Samples:
    problem = TASKS["lqr"].problem("optimal")
    x0 = np.ones((4, 2))
    return Samples(problem, x0, np.ones((4, 2 + problem.policy.size)))


@pytest.mark.parametrize("lanes", [1, 4])
def test_a_setting_is_the_loosest_that_achieves_an_error(samples: Samples, lanes: int) -> None:
    """Truth: the root of the error, up to what is left of the interval that is bisected."""
    errors = (1e-4, 1e-6, 1e-9)
    found = matched(Known(), samples, errors, lanes)
    width = 10 ** (STRIDE / SETTINGS_A_FACTOR / 2**BISECTIONS)
    for error in errors:
        assert found[error].rel_error <= error
        assert found[error].setting <= error**0.5 * (1 + 1e-9)
        assert found[error].setting * width >= error**0.5 * (1 - 1e-9)


def test_an_error_that_is_not_reached_is_left_out(samples: Samples) -> None:
    assert set(matched(Known(finest=1e-3), samples, (1e-4, 1e-9), 4)) == {1e-4}


def as_peer(estimator: Known) -> Ready:
    def gradients(x0: Array, setting: float) -> Estimate:
        return estimator(TASKS["lqr"].problem("optimal"), x0, setting)

    return Ready(estimator.declares, gradients, 3.0, np.nan)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have races read CLOCK."""
    for reader in (racing, overhead):
        monkeypatch.setattr(reader, "time", SimpleNamespace(perf_counter=lambda: CLOCK.now))


@pytest.mark.usefixtures("clock")
def test_the_fastest_of_each_side_is_timed_against_the_other(samples: Samples) -> None:
    given = {"quick": Known(0.004), "slow": Known(0.04), "peer": as_peer(Known(0.016))}
    entered = [Contender(name, one, 1e-3, 1e-6) for name, one in given.items()]
    found = race(entered, samples, 2, seconds=0.01)
    assert [(one.name, spent) for one, spent in found.dropped] == [("slow", pytest.approx(0.04))]
    own, peer = found.fastest(is_peer=False), found.fastest(is_peer=True)
    assert (own and own.name, peer and peer.name) == ("quick", "peer")
    assert found.seconds.shape == (LEAST_ROUNDS, 2)
    assert found.spread("quick").median == pytest.approx(0.004)
    assert found.ratio("quick", "peer").high == pytest.approx(1 / 4)


@pytest.mark.usefixtures("clock")
def test_who_is_far_behind_the_fastest_of_its_side_is_told(samples: Samples) -> None:
    factor = racing.FAR_BEHIND
    given = {
        "quick": Known(0.004),
        "slow": Known(0.004 * 0.9 * factor),
        "hopeless": Known(0.004 * 1.1 * factor),
        "peer": as_peer(Known(0.1)),
        "slow peer": as_peer(Known(0.004 * 1.1 * factor)),
    }
    entered = [Contender(name, one, 1e-3, 1e-6) for name, one in given.items()]
    assert race(entered, samples, 2, seconds=0.01).far_behind() == {"hopeless"}


def test_who_is_far_behind_enters_no_larger_batch_at_that_error(
    samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered: list[tuple[int, list[str]]] = []

    def raced(contenders: list[Contender], samples: Samples, lanes: int, seconds: float) -> Race:
        """At the error of 1e-3, `ctpg` takes a hundred times as long as `bptt`."""
        entered.append((lanes, [one.name for one in contenders]))
        slow = [one for one in contenders if (one.name, one.rel_error) == ("ctpg", 1e-3)]
        kept = [one for one in contenders if one not in slow]
        return Race(kept, np.ones((LEAST_ROUNDS, len(kept))), [(one, 100.0) for one in slow])

    reached = {error: Reached(0.1, error, np.nan) for error in (1e-3, 1e-6)}
    monkeypatch.setattr(side_by_side, "matched", lambda *given: reached)
    monkeypatch.setattr(side_by_side, "race", raced)
    monkeypatch.setattr(side_by_side, "_worth_a_batch", lambda *given: [])
    sides = side_by_side.Sides(
        [], ("bptt", "ctpg"), (), (32, 1), tuple(reached), 4, 0, 1.0, Path("unused")
    )
    list(side_by_side._races(sides, samples, lambda part: None))
    both = ["bptt", "ctpg"]
    assert entered == [(1, both), (1, both), (32, ["bptt"]), (32, both)]


@pytest.mark.usefixtures("clock")
def test_rounds_go_on_for_the_time_that_is_given(samples: Samples) -> None:
    found = race([Contender("alone", Known(0.1), 1e-3, 1e-6)], samples, 1, seconds=2.0)
    assert len(found.seconds) == pytest.approx(20, abs=1)
    assert found.fastest(is_peer=True) is None


@pytest.mark.skipif(not hasattr(psutil.Process, "cpu_affinity"), reason="macOS has no affinity")
def test_the_process_is_held_to_one_of_its_cores() -> None:
    process = psutil.Process()
    before = process.cpu_affinity()
    try:
        hold_to_one_core()
        assert len(process.cpu_affinity()) == 1
        assert set(process.cpu_affinity()) <= set(before)
    finally:
        process.cpu_affinity(before)


def test_a_system_without_a_port_is_told() -> None:
    library = Library(np.sin, np.cos, np.tanh, np.dot, np.hstack, np.reshape, np.asarray)
    with pytest.raises(ValueError, match="CartPole has no port; those that have one are LQR"):
        ClosedLoop(TASKS["cartpole"].problem("initial"), library)
