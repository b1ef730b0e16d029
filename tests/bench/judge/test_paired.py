"""The pairing of records for the evidence, on frontiers that are formulas."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from gradpareto.bench.judge.evidence import ALPHA
from gradpareto.bench.judge.paired import (
    LADDER,
    MIRROR,
    evals_needed,
    family_evidence,
    paired_evidence,
    reference_floors,
)
from gradpareto.bench.store.records import RunFolder
from tests.bench.conftest import ROOT, MakeRecords, record, table


def both(power_law: MakeRecords, factor: float, samples: int = 16) -> pd.DataFrame:
    slow = power_law("bptt", 1.0, 2, samples=samples)
    fast = slow.assign(estimator="ctpg", evals=(slow.evals * factor).round().astype(int))
    return pd.concat([slow, fast], ignore_index=True)


def test_evaluations_between_settings_are_interpolated_on_logarithms() -> None:
    """Truth: error 1 / evals, measured at 1e-2 and 1e-4."""
    records = table([record("ctpg", s, 0, round(1 / s), s) for s in (1e-2, 1e-4)])
    (found,) = evals_needed(records, [0], np.array([1e-9]))
    inside = LADDER > 1e-4 * (1 + 1e-9)  # at the last point itself, rounding decides
    np.testing.assert_allclose(found[inside], 1 / LADDER[inside], rtol=1e-6)
    assert np.isinf(found[(LADDER < 1e-4 * (1 - 1e-9)) & (LADDER > 1e-9)]).all()
    assert np.isnan(found[LADDER < 1e-9 * (1 - 1e-9)]).all()


def test_a_point_at_the_floor_attains_every_error_above_it() -> None:
    records = table([record("ctpg", 0.1, 0, 50, 1e-3), record("ctpg", 0.01, 0, 90, 1e-17)])
    floors = reference_floors(records, [0])
    assert 0 < floors[0] < 1e-12
    (found,) = evals_needed(records, [0], floors)
    assert (found[LADDER < 9.9e-4] == 90).all()
    assert (found[LADDER >= 1e-3] == 50).all()


def test_fewer_evaluations_everywhere_dominate(power_law: MakeRecords) -> None:
    found = paired_evidence(both(power_law, 0.5), "ctpg", "bptt")
    assert (found.answer, found.samples) == ("dominates", 16)
    mirror = paired_evidence(both(power_law, 0.5), "bptt", "ctpg")
    assert mirror.answer == "is dominated"


def test_equal_frontiers_are_tied_and_few_samples_decide_nothing(power_law: MakeRecords) -> None:
    assert paired_evidence(both(power_law, 1.0), "ctpg", "bptt").answer == "tied"
    few = paired_evidence(both(power_law, 0.5, samples=5), "ctpg", "bptt")
    assert (few.answer, few.samples_needed) == ("not enough evidence", 6)
    assert 2.0**-6 < ALPHA < 2.0**-4


def test_a_family_of_one_pair_is_the_pair_and_a_larger_one_asks_for_more(
    power_law: MakeRecords,
) -> None:
    """Truth: `paired_evidence` for each pair; what the family says, the pair says too."""
    rng = np.random.default_rng(0)
    records = both(power_law, 0.9, samples=12)
    for name in ("bptt-rk4", "neural_ode", "bptt-heun"):
        noisy = records[records.estimator == "bptt"].assign(estimator=name)
        jitter = np.exp(0.2 * rng.standard_normal(12))[noisy["sample"]]
        records = pd.concat([records, noisy.assign(evals=(noisy.evals * jitter).round())])
    two = records[records.estimator.isin(["ctpg", "bptt"])]
    assert family_evidence(two)["ctpg", "bptt"] == ("dominates", "dominates")
    found = family_evidence(records)
    assert len(found) == 5 * 4
    for (new, baseline), (own, family) in found.items():
        assert own == paired_evidence(records, new, baseline).answer
        assert family in (own, "not enough evidence")
        assert found[baseline, new] == (MIRROR.get(own, own), MIRROR.get(family, family))


@pytest.mark.parametrize("problem", [("lqr", "optimal"), ("quadrotor", "initial")])
def test_disjoint_halves_of_the_published_run_do_not_contradict_each_other(
    problem: tuple[str, str],
) -> None:
    """Truth: 16 and 16 samples of one kind; a half may know less, and may not say the opposite."""
    records = RunFolder(ROOT / "results" / "default").read_cells()
    own = records[(records.system == problem[0]) & (records.theta == problem[1])]
    # What sees a few of the samples has none in one of the halves.
    whole = own.groupby("estimator")["sample"].nunique() > 16
    names, decided = sorted(whole[whole].index), 0
    for new, baseline in combinations(names, 2):
        answers = {
            paired_evidence(own[own["sample"] % 2 == half], new, baseline).answer for half in (0, 1)
        }
        decided += "not enough evidence" not in answers
        assert len(answers - {"not enough evidence"}) <= 1, (new, baseline)
    assert decided > len(names) * (len(names) - 1) / 4
