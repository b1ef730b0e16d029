"""The README's numbers are those of the published records, which a command reproduces."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gradpareto.bench.judge.describe import describe
from gradpareto.bench.judge.table import markdown, markdown_fewest, sentences, summarise
from gradpareto.bench.judge.verdict import judge_all
from gradpareto.bench.run.plan import problems_of
from gradpareto.bench.store.records import RunFolder, read_records
from gradpareto.estimators import ESTIMATORS
from gradpareto.systems import OPTIONAL, TASKS
from gradpareto.systems.task import trained_path

ROOT = Path(__file__).parents[1]
PUBLISHED = RunFolder(ROOT / "results" / "default")


@pytest.fixture(scope="module")
def records() -> pd.DataFrame:
    return read_records(PUBLISHED.records_path)


def block(name: str) -> str:
    """What the README has between the comments that open and close a block."""
    text = (ROOT / "README.md").read_text()
    found = re.search(rf"<!-- {name}: [^>]*-->\n(.*?)<!-- /{name} -->", text, flags=re.DOTALL)
    assert found, f"the README has no block {name!r}"
    return found[1]


def problems(records: pd.DataFrame) -> list[tuple[str, str]]:
    """In the order in which `compare` prints them."""
    measured = set(zip(records.system, records.theta, strict=True))
    return [problem for problem in problems_of((), ()) if problem in measured]


def test_the_table_is_the_published_run_s(records: pd.DataFrame) -> None:
    limits = {problem: PUBLISHED.read_limit(*problem) for problem in problems(records)}
    table = summarise(records, limits)
    assert block("table").strip() == markdown(table).strip()
    assert len(sentences(records)) == len(limits)


@pytest.mark.parametrize(
    ("new", "baseline"), [("ctpg", "bptt"), ("bptt-dop853", "ctpg"), ("multistep_adjoint", "ctpg")]
)
def test_the_verdicts_are_the_published_run_s(
    records: pd.DataFrame, new: str, baseline: str
) -> None:
    verdicts = judge_all(records, problems(records), new, baseline)
    shown = "".join(line[4:] + "\n" for line in block(f"{new} {baseline}").strip("\n").splitlines())
    assert shown.strip() == describe(verdicts).strip()
    if (new, baseline) == ("ctpg", "bptt"):
        assert {verdict.answer for verdict in verdicts[1.0]} == {"dominates"}


def test_the_fewest_evaluations_are_the_published_field_s() -> None:
    folder = RunFolder(ROOT / "results" / "field")
    held = read_records(folder.records_path)
    limits = {problem: folder.read_limit(*problem) for problem in problems(held)}
    assert {system for system, _ in limits} == set(TASKS)
    assert set(held.estimator) == set(ESTIMATORS)
    assert block("fewest").strip() == markdown_fewest(summarise(held, limits)).strip()


def test_the_table_of_estimators_is_what_they_declare() -> None:
    """Its measurements are held by the tests of traits."""
    held = pd.read_csv(ROOT / "results" / "estimators" / "table.csv").set_index("estimator")
    assert set(held.index) == set(ESTIMATORS)
    for name, own in ESTIMATORS.items():
        row = held.loc[name]
        assert (row.source, row.exact, row.stiff) == (own.source, own.exact, own.stiff), name
        assert row.memory == own.memory
        assert row.order == own.order or (own.order is None and pd.isna(row.order))


@pytest.mark.parametrize("number", range(2, 8))
def test_the_findings_are_the_published_figures(number: int) -> None:
    found = (ROOT / "results" / f"figure{number}" / "findings.txt").read_text().splitlines()
    assert block(f"figure {number}").strip().splitlines() == [f"- {line}" for line in found]


@pytest.mark.parametrize("name", [name for name in TASKS if name not in OPTIONAL])
def test_trained_presets_say_how_they_were_made(name: str) -> None:
    with np.load(trained_path(name), allow_pickle=False) as file:
        command, theta = str(file["command"]), file["theta"]
    assert command.startswith(f"gradpareto learn {name} --estimator ")
    assert command.endswith("--store-trained")
    assert theta.shape == (TASKS[name].policy.size,)


def test_every_figure_and_file_that_the_readme_names_is_there() -> None:
    text = (ROOT / "README.md").read_text()
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert (ROOT / link).is_file(), link
    for path in re.findall(r"`((?:bench|systems|estimators|reference)/[a-z_/]*\.py)`", text):
        assert (ROOT / path).is_file(), path
