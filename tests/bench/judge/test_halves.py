"""Verdicts on halves of the samples: against those made one by one, and where halves disagree."""

import shutil
from itertools import combinations
from pathlib import Path

import pandas as pd

from gradpareto.bench.judge.halves import UNDECIDED, halves, halves_sentence
from gradpareto.bench.judge.verdict import compare
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.store.records_csv import read_records
from tests.bench.conftest import MakeRecords, assert_refused

ROOT = Path(__file__).parents[3]


def test_they_are_the_verdicts_of_compare_on_every_second_sample() -> None:
    records = read_records(ROOT / "results" / "default" / "records.csv")
    group = records[(records.system == "differential_drive") & (records.theta == "initial")]
    names = ["bptt", "bptt-rk4", "ctpg", "neural_ode", "multistep_adjoint"]
    group = group[group.estimator.isin(names)]
    samples = sorted(group["sample"].unique())
    parts = [group[group["sample"].isin(samples[k::2])] for k in (0, 1)]
    told = [[compare(part, *pair).answer for part in parts] for pair in combinations(names, 2)]
    both = [pair for pair in told if UNDECIDED not in pair]
    (row,) = halves(group).itertuples()
    assert row.pairs == 10
    assert row.decided == sum(answer != UNDECIDED for pair in told for answer in pair)
    assert row.both_decided == len(both) > 0
    assert row.differ == sum(first != second for first, second in both)


def test_halves_that_say_the_opposite_are_counted(power_law: MakeRecords) -> None:
    """On even samples ctpg needs a tenth of the evaluations of bptt, on odd ones ten times."""
    bptt, ctpg = power_law("bptt", 1e3, 2, samples=32), power_law("ctpg", 1e3, 2, samples=32)
    even = ctpg["sample"] % 2 == 0
    ctpg["evals"] = ctpg.evals.where(~even, ctpg.evals // 8).where(even, ctpg.evals * 8)
    (row,) = halves(pd.concat([bptt, ctpg])).itertuples()
    assert (row.pairs, row.verdicts, row.decided, row.both_decided) == (1, 2, 2, 1)
    assert (row.differ, row.reversed) == (1, 1)
    told = halves_sentence(halves(pd.concat([bptt, ctpg])))
    assert "1 have different answers (100.0%), and 1 have opposite ones" in told


def test_halves_that_cannot_decide_are_left_out(power_law: MakeRecords) -> None:
    few = pd.concat([power_law(name, 10.0, 2, samples=11) for name in ("bptt", "ctpg")])
    assert halves(few).pairs.sum() == 0


def test_the_verb_refuses_a_run_of_few_samples(call, small_run: RunFolder, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    run = shutil.copytree(small_run.path, tmp_path / "run")
    assert_refused(call("matrix", "--halves", "--out", run), "with 12 common samples or more")
