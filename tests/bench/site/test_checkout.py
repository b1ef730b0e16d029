"""A report shows the figures of learning and asv's history, where a checkout has them."""

from pathlib import Path

from gradpareto.bench.site import report as site_report
from gradpareto.bench.site.checkout import published, read_checkout
from gradpareto.bench.site.report import write_site
from tests.bench.site.conftest import ROOT, course, soup, written


def test_the_checkout_has_published_its_learning(published_report: Path) -> None:
    assert published() == ROOT / "results"
    found = read_checkout(published())
    assert {"figure3", "figure7", "budget"} <= {one.folder for one in found.learned}
    pictures = soup(published_report / "learning.html").select("img")
    assert len(pictures) == len(found.learned)
    assert all(picture["alt"] for picture in pictures)


def test_without_a_checkout_both_pages_are_left_out(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(site_report, "published", lambda: None)
    write_site(written(tmp_path / "run", course("bptt")), tmp_path / "report")
    sections = [
        link.get_text() for link in soup(tmp_path / "report" / "index.html").select("nav a")
    ]
    assert sections == ["Overview", "Problems", "Estimators", "Pairs", "Provenance"]
    assert not (tmp_path / "report" / "history.html").exists()
    assert not (tmp_path / "report" / "figures").exists()
