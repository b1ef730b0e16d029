"""The check of a system says what is wrong with it, and passes what is right."""

from dataclasses import dataclass

import numpy as np
import pytest

from gradpareto.bench.conformance.finding import passes
from gradpareto.bench.conformance.system_kit import check_system
from gradpareto.systems import TASKS, Array, Policy, System, Task


@dataclass(frozen=True)
class Slide(System):
    """x' = -x + u, w = x^2 + u^2."""

    horizon: float = 1.0
    state_dim = 1
    control_dim = 1
    observation_dim = 1

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        return u - x, (x * x + u * u)[:, 0]

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        return 2 * c[:, None] * x - a, 2 * c[:, None] * u + a

    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        return rng.uniform(1, 2, (samples, 1))


class Negated(Slide):
    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        gx, gu = super().pullback(t, x, u, a, c)
        return gx, -gu


class Unseeded(Slide):
    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        return np.random.default_rng().uniform(1, 2, (samples, 1))


class Flat(Slide):
    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        return rng.uniform(1, 2, samples)


class Relay(Slide):
    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        dx, w = super().flow(t, x, u)
        return dx - 0.5 * np.sign(x.real - 0.9), w


FAULTS = {
    Negated: ("methods", "pullback of Negated"),
    Unseeded: ("draws", "other ones"),
    Flat: ("draws", "shape"),
    Relay: ("certificate of initial", "x'[0] jumps by 1 "),
}


def register(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = Policy((1, 1), ("identity",))
    task = Task(system, policy, {"initial": lambda policy: np.array([-0.3, 0.1])})
    monkeypatch.setitem(TASKS, "slide", task)


@pytest.mark.parametrize("system", FAULTS)
def test_a_fault_is_told_by_the_check_that_finds_it(
    system: type[Slide], monkeypatch: pytest.MonkeyPatch
) -> None:
    register(system(), monkeypatch)
    findings = list(check_system("slide"))
    (failed,) = [finding for finding in findings if finding.status == "failed"]
    check, seen = FAULTS[system]
    assert failed.check == check
    assert seen in failed.seen
    assert failed.advice
    assert not passes(findings)


def test_a_sound_system_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    register(Slide(), monkeypatch)
    assert passes(list(check_system("slide")))
