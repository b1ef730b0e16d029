"""A report of a run that has little or nothing, and of names that are markup."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from gradpareto.bench.site.folder import write_report
from gradpareto.bench.site.report import write_site
from gradpareto.bench.store.problem_tables import CERTIFICATES
from gradpareto.bench.store.unusable import UnusableFolder
from tests.bench.conftest import assert_refused
from tests.bench.site.conftest import Reported, Rows, course, record, soup, written

ATTACK = "<script>alert(1)</script>"
REASON = '"><img src=x onerror=alert(2)>{{ 7 * 7 }}'


def test_a_folder_without_a_run_is_refused(call, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert_refused(call("report", tmp_path / "none"), "no run in")
    assert not (tmp_path / "none").exists()


def test_a_run_without_records_is_refused(call, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    written(tmp_path / "run", [])
    assert_refused(call("report", tmp_path / "run"), "has no records")
    assert not (tmp_path / "run" / "report").exists()


def test_an_estimator_that_the_run_lacks_is_refused(call, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    written(tmp_path / "run", course("bptt"))
    refused = call("report", tmp_path / "run", "--estimator", "bpt")
    assert_refused(refused, "no estimator 'bpt': did you mean 'bptt'?")


def test_more_than_twelve_estimators_have_no_pages_a_pair(call, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    names = [f"mine{k}" for k in range(13)]
    written(tmp_path / "run", [row for name in names for row in course(name, samples=1)], 1)
    asked = [part for name in names for part in ("--estimator", name)]
    assert_refused(call("report", tmp_path / "run", *asked), "at most 12")


def test_the_verb_says_what_it_wrote(call, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    written(tmp_path / "run", course("bptt"))
    done = call("report", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "run" / "report" / "index.html") in done.stdout
    assert (tmp_path / "run" / "report" / "index.html").is_file()


FAILED = [record(status="raised", sample=k) for k in range(6)]
POINTS = [record(sample=k) for k in range(6)]
UNCERTIFIED = [
    record(status="uncertified", reason="two methods differ", sample=k) for k in range(6)
]
ZERO = [record(status="zero", reason="the gradient is zero", sample=k) for k in range(6)]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (FAILED, "No setting has an error to draw."),
        (FAILED + course("ctpg"), "6 of 54 records are failures"),
        (POINTS, "0.01"),
        (POINTS + course("ctpg"), "x least"),
        (UNCERTIFIED, "No sample of this problem can be judged"),
        (course("bptt", samples=1), "Fewer than 6 samples decide no verdict."),
    ],
    ids=["all failed", "one failed", "one point", "one point of two", "uncertified", "one sample"],
)
def test_a_run_with_little_has_every_page(
    reported: Reported, tmp_path: Path, rows: Rows, said: str
) -> None:
    report = reported(written(tmp_path / "run", rows))
    assert said in soup(report / "problems" / "lqr.optimal.html").get_text()
    for name in {one.estimator for one in rows}:
        assert soup(report / "estimators" / f"{name}.html").h1.get_text(strip=True) == name
    assert soup(report / "index.html").select(".decision td")


def test_a_certificate_that_refuses_is_told_with_its_reason(
    reported: Reported, tmp_path: Path
) -> None:
    run = written(tmp_path / "run", UNCERTIFIED)
    table = pd.DataFrame(
        [
            (k, "not certified", "not certified: two methods differ", float("inf"), "", 1e-3)
            for k in range(6)
        ],
        columns=CERTIFICATES.columns,
    )
    run.write_certificate("lqr", "optimal", table)
    text = soup(reported(run) / "problems" / "lqr.optimal.html").get_text()
    assert "not certified: two methods differ" in text
    assert "0 to 5" in text


@pytest.mark.parametrize(
    "name", [ATTACK, "$\\frac$", "a/../b %41 é", "{{ 7 * 7 }}", "x" * 100, "&amp;"]
)
def test_no_name_and_no_reason_becomes_markup(
    reported: Reported, tmp_path: Path, name: str
) -> None:
    """Names and reasons come from whoever wrote a plug-in."""
    rows = course(name, system=name, theta=name) + course("bptt", system=name, theta=name)
    rows += [
        record(estimator="ctpg", system=name, theta=name, status="raised", reason=REASON, sample=k)
        for k in range(6)
    ]
    report = reported(written(tmp_path / "run", rows, x0=ATTACK))
    pages = sorted(report.rglob("*.html"))
    assert len(pages) > 10
    for path in pages:
        page = soup(path)
        assert len(page.select("script")) == 1, path
        assert not page.select("img[onerror], [onerror]")
        assert "49" not in page.h1.get_text()
    shown = soup(report / "problems.html").select_one("tbody th").get_text(strip=True)
    assert shown == f"{name} ({name})"
    (failed,) = soup(next((report / "problems").iterdir())).select("#reasons .reason")
    assert failed.get_text() == REASON


def test_a_folder_that_is_no_report_is_left_alone(call, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    written(tmp_path / "run", course("bptt"))
    out = tmp_path / "mine"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    assert_refused(call("report", tmp_path / "run", "--out", out), "no earlier report")
    assert [path.name for path in out.iterdir()] == ["thesis.txt"]
    assert_refused(call("report", tmp_path / "run", "--out", out / "thesis.txt"), "no folder")


def test_an_earlier_report_is_replaced_unless_something_else_is_in_it(
    call,  # type: ignore[no-untyped-def]
    tmp_path: Path,
) -> None:
    out = tmp_path / "report"
    write_site(written(tmp_path / "one", course("bptt")), out)
    second = written(tmp_path / "two", course("ctpg"))
    assert call("report", second.path, "--out", out).returncode == 0
    assert not (out / "estimators" / "bptt.html").exists()
    assert (out / "estimators" / "ctpg.html").is_file()
    before = (out / "index.html").read_bytes()
    (out / "estimators" / "notes.txt").write_text("mine")
    assert_refused(call("report", second.path, "--out", out), "notes.txt")
    (out / "estimators" / "notes.txt").unlink()
    (out / "index.html").write_bytes(before + b"<!-- mine -->")
    assert_refused(call("report", second.path, "--out", out), "index.html")
    assert (out / "index.html").read_bytes() == before + b"<!-- mine -->"


def test_what_fails_midway_leaves_the_earlier_report_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = written(tmp_path / "run", course("bptt"))
    out = tmp_path / "report"
    write_site(run, out)
    before = {path: path.read_bytes() for path in out.rglob("*.html")}

    def fails(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gradpareto.bench.site.report.provenance_page", fails)
    with pytest.raises(KeyboardInterrupt):
        write_site(run, out)
    assert {path: path.read_bytes() for path in out.rglob("*.html")} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report", "run"]


def test_what_comes_into_the_folder_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "report"

    def files() -> Iterator[tuple[str, bytes]]:
        yield "index.html", b"a page"
        out.mkdir()
        (out / "thesis.txt").write_text("mine")

    with pytest.raises(UnusableFolder, match="no earlier report"):
        write_report(out, files())
    assert [path.name for path in tmp_path.rglob("*")] == ["report", "thesis.txt"]
