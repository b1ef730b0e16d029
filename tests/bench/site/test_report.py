"""The pages of a report: what they say, where their links lead, and what they must not do."""

import csv
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from gradpareto.bench.draw.families import family_of
from gradpareto.bench.judge.table import TARGETS, evals_cell, summarise
from gradpareto.bench.judge.verdict import compare
from gradpareto.bench.site.report import write_site
from gradpareto.bench.store.records import RunFolder
from tests.bench.site.conftest import (
    ROOT,
    Reported,
    course,
    record,
    soup,
    time_of,
    timed,
    written,
)

POLICY = "script-src 'self'"
MOST_BYTES = 2 * 10**6
DEFAULT = RunFolder(ROOT / "results" / "default")


def pages(report: Path) -> list[Path]:
    return sorted(report.rglob("*.html"))


def test_there_is_a_page_for_everything(published_report: Path) -> None:
    found = {path.relative_to(published_report).as_posix() for path in pages(published_report)}
    records = DEFAULT.read_cells()
    pairs = zip(records.system, records.theta, strict=True)
    problems = {f"problems/{s}.{t}.html" for s, t in pairs}
    estimators = {f"estimators/{name}.html" for name in records.estimator}
    assert problems | estimators <= found
    assert sum(path.startswith("pairs/") for path in found) == 12 * 11 / 2
    kinds = {f"kinds/{k}.html" for k in ("smooth", "stiff", "kinked", "jumping", "chaotic")}
    sections = ("index", "problems", "estimators", "pairs", "matrix", "learning", "history")
    assert kinds | {f"{name}.html" for name in (*sections, "provenance")} <= found


def test_the_matrix_unfolds_into_what_its_table_says(published_report: Path) -> None:
    """Truth: the rows of matrix.csv, counted for each cell anew."""
    verdicts = list(csv.DictReader((DEFAULT.path / "matrix.csv").open()))
    page = soup(published_report / "matrix.html")
    families, *unfolded = page.select("table")
    heads = [head.get_text() for head in families.select("thead th")]
    assert len(unfolded) == len(heads) == len(page.select("details"))
    seen = 0
    for family, table in zip(heads, unfolded, strict=True):
        others = [head.get_text() for head in table.select("thead th")]
        for row in table.select("tbody tr"):
            name = row["data-estimator"]
            assert family_of(str(name)) == family
            for other, cell in zip(others, row.select("td"), strict=True):
                own = [r["answer"] for r in verdicts if (r["new"], r["baseline"]) == (name, other)]
                won = own.count("dominates")
                told = f"{won} of {len(own)}" if won else "0" if own else ""
                assert cell.get_text() == told
                seen += len(own)
    assert seen == len(verdicts)


def test_a_run_without_a_matrix_has_no_such_page(reported: Reported, tmp_path: Path) -> None:
    report = reported(written(tmp_path / "run", course("bptt")))
    assert not (report / "matrix.html").exists()


def test_every_link_leads_to_a_file_and_a_place_in_it(published_report: Path) -> None:
    places = {
        path: {e["id"] for e in soup(path).select("[id]")} for path in pages(published_report)
    }
    for path in pages(published_report):
        page = soup(path)
        for link in page.select("a[href], link[href], script[src], img[src]"):
            target, _, anchor = (link.get("href") or link["src"]).partition("#")
            file = (path.parent / unquote(target)).resolve() if target else path
            assert file.is_file(), f"{path}: {link}"
            if anchor and not anchor.startswith("estimator="):
                assert anchor in places[file], f"{path}: {link}"


def test_no_page_has_a_script_or_a_style_of_its_own(published_report: Path) -> None:
    """Nothing is inline, so that the policy lets nothing run but the one script."""
    for path in pages(published_report):
        page, text = soup(path), path.read_text("utf-8")
        (policy,) = page.select('meta[http-equiv="Content-Security-Policy"]')
        assert POLICY in policy["content"]
        assert "unsafe" not in policy["content"]
        (script,) = page.select("script")
        assert script["src"].endswith("script.js")
        assert not script.get_text()
        assert not script.has_attr("type")
        assert not page.select("style, [style]")
        handlers = [name for e in page.find_all(True) for name in e.attrs if name.startswith("on")]
        assert not handlers
        outside = re.findall(r'(?:href|src)="(?:https?:)?//', text)
        assert not outside
        assert path.stat().st_size < MOST_BYTES


def test_identifiers_are_unique_and_references_to_them_hold(published_report: Path) -> None:
    for path in pages(published_report):
        page = soup(path)
        found = [element["id"] for element in page.select("[id]")]
        assert len(found) == len(set(found)), path
        named = {use["href"][1:] for use in page.select("use")}
        named |= set(re.findall(r"url\(#([^)]+)\)", path.read_text("utf-8")))
        assert named <= set(found)


class Nesting(HTMLParser):
    """Checks that every element that is opened is closed, in order."""

    VOID = ("meta", "link", "img", "input", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_elements_are_closed_in_order(published_report: Path) -> None:
    for path in pages(published_report):
        parser = Nesting()
        parser.feed(path.read_text("utf-8"))
        assert parser.open == []


def test_a_problems_table_has_the_numbers_of_the_runs_table(published_report: Path) -> None:
    records = DEFAULT.read_cells()
    problems = records[["system", "theta"]].drop_duplicates().itertuples(index=False, name=None)
    table = summarise(records, {one: DEFAULT.read_limit(*one) for one in problems})
    for (system, theta), rows in table.groupby(["system", "theta"]):
        page = soup(published_report / "problems" / f"{system}.{theta}.html")
        for row in rows.to_dict("records"):
            (line,) = page.select(f'#estimators tr[data-estimator="{row["estimator"]}"]')
            cells = line.select("td")[1 : 1 + len(TARGETS)]
            for cell, target in zip(cells, TARGETS, strict=True):
                assert cell.get_text() == evals_cell(row[f"evals_{target:.0e}"])


def test_the_first_page_answers_for_every_kind_error_and_cost(published_report: Path) -> None:
    page = soup(published_report / "index.html")
    asked = {
        (c["data-kind"], c["data-target"], c["data-cost"]) for c in page.select(".decision td")
    }
    assert len(asked) == 5 * len(TARGETS) * 3
    (cell,) = page.select('[data-kind=smooth][data-target="1e-6"][data-cost=evaluations]')
    winner = cell.select_one("strong").get_text(strip=True)
    evidence = soup(published_report / unquote(cell.select_one(".evidence")["href"].split("#")[0]))
    least, first = evidence.select('section[aria-labelledby="evaluations-1e-6"] tbody tr')[:2]
    assert first["data-estimator"] == winner
    assert least.th.get_text() == "the least of any"
    assert len(least.select("td .fact")) == 5
    assert "of 5 problems" in cell.get_text()


def test_every_point_of_a_figure_has_its_numbers(published_report: Path) -> None:
    page = soup(published_report / "problems" / "lqr.optimal.html")
    points = page.select("#axis-evaluations g[data-estimator=ctpg] use")
    rows = DEFAULT.read_cells()
    own = rows[(rows.system == "lqr") & (rows.theta == "optimal") & (rows.estimator == "ctpg")]
    medians = own.groupby("setting").evals.median()
    assert len(points) > 5
    for point in points:
        setting = float(point["data-setting"])
        (near,) = [evals for at, evals in medians.items() if at == pytest.approx(setting, rel=1e-3)]
        assert float(point["data-cost"]) == pytest.approx(near, rel=1e-5)
        assert "ctpg" in point.title.get_text()


@pytest.mark.parametrize(("new", "baseline"), [("bptt", "ctpg"), ("bptt-dop853", "ctpg")])
def test_a_pairs_page_has_the_verdicts_of_compare(
    published_report: Path, new: str, baseline: str
) -> None:
    page = soup(published_report / "pairs" / f"{new}.{baseline}.html")
    records = DEFAULT.read_cells()
    rows = page.select("#verdicts tbody tr")
    for row, (_, part) in zip(rows, records.groupby(["system", "theta"]), strict=True):
        verdict = compare(part, new, baseline)
        cells = [cell.get_text() for cell in row.select("td")]
        assert cells[0] == verdict.answer
        assert cells[1] == f"{verdict.ratio:.3g}"
        assert cells[-1] == verdict.evidence


def test_an_estimators_page_says_what_it_is(published_report: Path) -> None:
    text = soup(published_report / "estimators" / "bptt-rk4.html").get_text()
    for said in ("Where it wins", "On each problem", "order", "paper", "discretise first"):
        assert said in text
    assert "Back-propagation" in text or "back-propagation" in text.lower()


def test_the_provenance_has_the_command_and_the_commit(published_report: Path) -> None:
    text = soup(published_report / "provenance.html").get_text()
    session = DEFAULT.provenance()["sessions"][0]
    assert session["commit"] in text
    assert session["command"] in text


def test_a_system_that_is_not_registered_has_a_page_without_trajectories(
    reported: Reported, tmp_path: Path
) -> None:
    report = reported(written(tmp_path / "run", course("bptt", system="tank")))
    text = soup(report / "problems" / "tank.optimal.html").get_text()
    assert "no figure of trajectories, since the system is not registered" in text


def test_failures_are_told_with_their_reasons(reported: Reported, tmp_path: Path) -> None:
    rows = course("bptt") + [
        record(estimator="ctpg", status="raised", reason="it is too stiff", sample=k)
        for k in range(6)
    ]
    report = reported(written(tmp_path / "run", rows))
    (row,) = soup(report / "problems" / "lqr.optimal.html").select("#reasons tbody tr")
    told = [cell.get_text(strip=True) for cell in row.select("th, td")]
    assert told == ["ctpg", "raised", "it is too stiff", "6", "0.5"]
    assert "it is too stiff" in soup(report / "estimators" / "ctpg.html").get_text()
    (needs,) = soup(report / "problems" / "lqr.optimal.html").select(
        '#estimators tr[data-estimator="ctpg"]'
    )
    assert [c.get_text() for c in needs.select("td")][1:5] == ["-"] * 4


def test_the_same_run_makes_the_same_pages(tmp_path: Path) -> None:
    run = written(tmp_path / "run", course("bptt") + course("ctpg", 2))
    for name in ("one", "two"):
        write_site(run, tmp_path / name)
    for path in pages(tmp_path / "one"):
        assert (
            path.read_bytes()
            == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()
        )


def test_the_pages_of_a_run_with_times_have_milliseconds(
    reported: Reported, tmp_path: Path
) -> None:
    """Truth: the table of times, by hand."""
    run = written(tmp_path / "run", course("bptt") + course("ctpg", 2))
    together = time_of("bptt", 3.0, batch=32), time_of("ctpg", 2.5, batch=32)
    timed(run.path, time_of("bptt", 1.25), time_of("ctpg", math.nan), *together)
    report = reported(run)
    overview = soup(report / "index.html")
    for anchor, winner, other in (
        ("time-alone", "bptt", "no other reaches it"),
        ("time-in-a-batch", "ctpg", "second: bptt, 1.2 times as much"),
    ):
        (section,) = overview.select(f'section[aria-labelledby="{anchor}"]')
        assert section.h2["id"] == anchor
        (cell,) = section.select('td[data-kind="smooth"][data-target="1e-4"]')
        assert winner in cell.get_text()
        assert other in cell.get_text()
        path, _, place = str(cell.select_one("a.evidence")["href"]).partition("#")
        (evidence,) = soup(report / path).select(f'section[aria-labelledby="{place}"]')
        assert evidence.select_one(f'tr[data-estimator="{winner}"]')
    page = soup(report / "problems" / "lqr.optimal.html")
    heads = [head.get_text() for head in page.select("#estimators thead th")]
    for name, alone, batch in (("bptt", "1.25 ms", "3 ms"), ("ctpg", "-", "2.5 ms")):
        (row,) = page.select(f'#estimators tr[data-estimator="{name}"]')
        told = dict(zip(heads, [c.get_text() for c in row.select("th, td")], strict=True))
        assert (told["time, 1 sample, 1e-4"], told["time, 32 samples, 1e-4"]) == (alone, batch)
    assert "its oracle calls alone take longer" in page.get_text()
    assert not page.select("#axis-time")
