"""A sweep leaves out, and names, the samples whose reference cannot judge."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gradpareto.bench.plugins import SYSTEM_PLUGINS, resolve_system
from gradpareto.bench.run.certificates import certificate_table, left_out
from gradpareto.bench.run.measure import measure
from gradpareto.bench.run.plan import Plan
from gradpareto.bench.run.sweep import sweep
from gradpareto.bench.store.record import Cell
from gradpareto.bench.store.records import RunFolder
from gradpareto.estimators import ESTIMATORS
from gradpareto.reference import NotSolved, Reference, certify
from gradpareto.systems import TASKS, Array, Problem


@pytest.fixture(scope="module")
def judged() -> tuple[Problem, Array, Reference]:
    """Three samples of a regulator, of which the second is refused a certificate."""
    problem, x0 = TASKS["lqr"].problem("perturbed").sample(np.random.default_rng(0), 3)
    reference = certify(problem, x0, thorough=False)
    uncertainty = np.where(np.arange(3) == 1, np.inf, reference.uncertainty)
    return problem, x0, replace(reference, refused=("", "a jump", ""), uncertainty=uncertainty)


def test_a_refused_sample_is_recorded_as_such_and_the_others_are_measured(
    judged: tuple[Problem, Array, Reference],
) -> None:
    """Truth: the errors of the two others, measured without the refused one."""
    problem, x0, reference = judged
    cell = Cell("lqr", "perturbed", "bptt-rk4", 0.1, 3)
    records = measure(cell, ESTIMATORS["bptt-rk4"], problem, x0, reference, 0, 2**30, timed=False)
    assert [record.sample for record in records] == [0, 1, 2]
    assert [record.status for record in records] == ["ok", "uncertified", "ok"]
    assert records[1].reason == "not certified: a jump"
    assert records[1].evals == 0
    alone = ESTIMATORS["bptt-rk4"](problem.take(np.array([0, 2])), x0[[0, 2]], 0.1)
    missed = np.linalg.norm(alone.gradient - reference.gradient[[0, 2]], axis=1)
    assert [records[0].abs_error, records[2].abs_error] == pytest.approx(missed.tolist())


def test_what_is_left_out_is_named(judged: tuple[Problem, Array, Reference]) -> None:
    table = certificate_table(judged[2], 1e-4)
    assert table.kind.tolist() == ["certified", "not certified", "certified"]
    (line,) = left_out(("lqr", "perturbed"), table)
    assert line == "lqr (perturbed): sample 1 of 3 is left out: not certified: a jump"
    (everything,) = left_out(("lqr", "perturbed"), table[table["sample"] == 1])
    assert "no sample of 1 can judge" in everything


RELAY = """
from dataclasses import dataclass
import numpy as np
from gradpareto import Policy, System, Task

@dataclass(frozen=True)
class Relay(System):
    horizon: float = 1.0
    state_dim = control_dim = observation_dim = 1

    def flow(self, t, x, u):
        return u - x - 0.5 * np.sign(x.real - 0.9), (x * x + u * u)[:, 0]

    def pullback(self, t, x, u, a, c):
        return 2 * c[:, None] * x - a, 2 * c[:, None] * u + a

    def sample_x0(self, rng, samples):
        return rng.uniform(1, 1.2, (samples, 1))

TASK = Task(Relay(), Policy((1, 1), ("identity",)), {"only": lambda policy: np.zeros(2)})
"""


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A problem whose right-hand side jumps where the state falls below 0.9."""
    (tmp_path / "relay.py").write_text(RELAY)
    held = dict(TASKS), dict(SYSTEM_PLUGINS)
    yield resolve_system(f"{tmp_path / 'relay.py'}:TASK"), "only"
    for registered, before in zip((TASKS, SYSTEM_PLUGINS), held, strict=True):
        registered.clear()  # type: ignore[attr-defined]
        registered.update(before)  # type: ignore[attr-defined]


def test_a_problem_that_nothing_can_judge_is_skipped_among_others_and_refused_alone(
    relay: tuple[str, str], tmp_path: Path
) -> None:
    plan = Plan((relay, ("lqr", "optimal")), ("bptt",), 1, settings=(0.5,))
    folder, cache = RunFolder(tmp_path / "run"), tmp_path / "cache"
    records = sweep(plan, folder, cache)
    assert set(records.system) == {"lqr"}
    certificate = folder.read_certificate(*relay)
    assert certificate.kind.tolist() == ["not certified"]
    assert "x'[0] jumps by " in certificate.verdict[0]
    alone = replace(plan, problems=(relay,))
    with pytest.raises(NotSolved, match=r"relay \(only\) is left out: no sample of 1 can"):
        sweep(alone, RunFolder(tmp_path / "alone"), cache)
    # A second sweep finds the same, from the references that are kept.
    assert set(sweep(plan, folder, cache).system) == {"lqr"}
