"""The numbers of the README and of the pages in results/ are those of the published records."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gradpareto.bench.judge.matrix import winners, winners_markdown
from gradpareto.bench.judge.pages import (
    ADVICE,
    BLOCK,
    MATCHED,
    PAGES,
    PAIRS,
    blocks,
    filled,
    published_verdicts,
    summary,
    unsure,
)
from gradpareto.bench.judge.table import markdown, markdown_fewest
from gradpareto.estimators import ESTIMATORS
from gradpareto.systems import OPTIONAL, TASKS
from gradpareto.systems.task import trained_path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
FILL = "python -m gradpareto.bench.judge.pages"
PUBLISH = {
    "default": "make pareto RUN=results/default",
    "published": "gradpareto pareto --plan field --out results/published",
    "estimators": "gradpareto traits --out results/estimators",
}
"""The command that publishes a folder of results/."""
MOST_LINES = 200
MEASURED = re.compile(r"\d+\.\d+|\d+e-?\d+|\d{1,3}(?:,\d{3})+")
NOT_MEASURED = {"1e-2", "1e-4", "1e-6", "1e-9", "1e-10", "1e-12", "3.11", "20,000", "1.5", "4,096"}
"""The errors at which estimators are compared, the oldest Python, a certificate's cells, the factor
by which settings may differ, and the evaluations that one may take."""


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return {name: summary(RESULTS / name) for name in ("default", "published")}


def told_how(name: str) -> str:
    return f"results/{name} is not what the code makes: publish it with `{PUBLISH[name]}`, " + (
        f"then fill the pages with `{FILL}`"
    )


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return blocks(RESULTS)


@pytest.mark.parametrize("page", PAGES)
def test_filling_a_page_anew_changes_nothing(page: str, texts: dict[str, str]) -> None:
    text = (ROOT / page).read_text()
    assert filled(text, texts) == text, f"{page} is not of the published records: run `{FILL}`"


def test_every_text_is_on_one_page(texts: dict[str, str]) -> None:
    shown = [name for page in PAGES for _, name, _ in BLOCK.findall((ROOT / page).read_text())]
    assert sorted(shown) == sorted(texts)


@pytest.mark.parametrize("page", PAGES)
def test_no_number_that_is_measured_stands_outside_a_block(page: str) -> None:
    text = BLOCK.sub("", (ROOT / page).read_text())
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    assert set(MEASURED.findall(prose)) <= NOT_MEASURED


def test_a_page_is_filled_between_its_comments_and_nowhere_else() -> None:
    page = "before\n<!-- a: make -->\nold\n<!-- /a -->\nafter\n"
    made = "before\n<!-- a: make -->\n\nnew\n\n<!-- /a -->\nafter\n"
    assert filled(page, {"a": "new\n"}) == made
    assert filled(made, {"a": "new\n"}) == made
    with pytest.raises(KeyError, match="a"):
        filled(page, {})


def test_what_the_readme_says_of_the_result_is_so() -> None:
    verdicts = published_verdicts(RESULTS / "default")
    answers = {pair: [verdict.answer for verdict in verdicts[pair][1.0]] for pair in PAIRS}
    assert set(answers["ctpg", "bptt"]) == {"dominates"}
    assert set(answers["neural_ode", "ctpg"]) == {"is dominated"}
    order_8 = answers["bptt-dop853", "ctpg"]
    assert order_8.count("dominates") >= order_8.count("is dominated") > 0


def test_what_the_readme_advises_needs_fewer_evaluations(tables: dict[str, pd.DataFrame]) -> None:
    needed = tables["published"].set_index(["system", "theta", "estimator"])[MATCHED]
    for advice in ADVICE:
        new, baseline = (
            needed[advice.system, advice.theta, name] for name in (advice.new, advice.baseline)
        )
        # What saves memory is not cheaper, and is advised for its memory.
        saves = (
            ESTIMATORS[advice.new].declares.memory != ESTIMATORS[advice.baseline].declares.memory
        )
        assert new < baseline or (saves and np.isfinite(new)), advice
    reached = np.isfinite(needed).groupby("estimator").sum()
    name, problems = unsure(tables["published"])
    assert reached[name] == problems == reached.max()
    rivals = list(reached.index[reached == problems])
    every = needed.unstack()[rivals]
    shared = every[np.isfinite(every).all(axis=1)]
    assert min(rivals, key=lambda rival: shared[rival].prod()) == name


@pytest.mark.parametrize("name", ["default", "published"])
def test_published_tables_are_of_the_published_records(
    name: str, tables: dict[str, pd.DataFrame]
) -> None:
    held = {path.name: path.read_text() for path in (RESULTS / name).glob("*.md")}
    assert held["table.md"] == markdown(tables[name]), told_how(name)
    assert held["fewest.md"] == markdown_fewest(tables[name]), told_how(name)
    (path,) = (RESULTS / name).glob("matrix.csv*")
    matrix = pd.read_csv(path)
    assert held["winners.md"] == winners_markdown(winners(matrix)), told_how(name)


@pytest.mark.parametrize("name", ["default", "published"])
def test_published_runs_name_nothing_that_is_gone(
    name: str, tables: dict[str, pd.DataFrame]
) -> None:
    """A run need not hold an estimator that was registered after it was published."""
    assert set(tables[name].estimator) <= set(ESTIMATORS), told_how(name)
    assert set(tables[name].system) <= set(TASKS) | set(OPTIONAL), told_how(name)


def test_the_table_of_estimators_is_what_they_declare() -> None:
    """Its measurements are held by the tests of traits."""
    held = pd.read_csv(RESULTS / "estimators" / "table.csv").set_index("estimator")
    told = told_how("estimators")
    assert set(held.index) <= set(ESTIMATORS), told
    for name, row in held.iterrows():
        own = ESTIMATORS[str(name)].declares
        assert (row.source, row.exact, row.stiff) == (own.source, own.exact, own.stiff), told
        assert row.memory == own.memory, told
        assert row.order == own.order or (own.order is None and pd.isna(row.order)), told


@pytest.mark.parametrize(
    "name",
    [name for name, task in TASKS.items() if "trained" in task.presets and name not in OPTIONAL],
)
def test_trained_presets_say_how_they_were_made(name: str) -> None:
    with np.load(trained_path(name), allow_pickle=False) as file:
        command, theta = str(file["command"]), file["theta"]
    assert command.startswith(f"gradpareto learn {name} --estimator ")
    assert command.endswith("--store-trained")
    assert theta.shape == (TASKS[name].policy.size,)


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= MOST_LINES


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", *sorted(
    path.relative_to(ROOT).as_posix() for path in RESULTS.glob("*.md")
)])  # fmt: skip
def test_every_file_that_a_page_names_is_there(page: str) -> None:
    text = (ROOT / page).read_text()
    for link in re.findall(r"\]\(([^)\s#]+)(?:#[\w-]+)?\)", text):
        found = (ROOT / page).parent / link
        assert link.startswith("https://") or found.exists(), link
    for path in re.findall(r"`((?:bench|systems|estimators|reference|tests)/[a-z_/]*\.py)`", text):
        assert (ROOT / path).is_file(), path
    for path in re.findall(r"`(results/[a-z0-9_/]+)`", text):
        assert (ROOT / path).exists() or path.startswith("results/runs"), path
