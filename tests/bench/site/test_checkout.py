"""A report shows the figures of learning and asv's history, where a checkout has them."""

import json
import math
from pathlib import Path

from gradpareto.bench.site import report as site_report
from gradpareto.bench.site.checkout import history, learning_figures, published
from gradpareto.bench.site.report import write_site
from tests.bench.site.conftest import ROOT, course, soup, written

PARAMETERS = [["'lqr'"], ["'bptt'", "'ctpg'"]]


def commit(folder: Path, name: str, date: int, numbers: list[float | None] | None) -> None:
    found = {"commit_hash": name * 5, "date": date, "results": {"of.it": [numbers, PARAMETERS]}}
    (folder / f"{name}.json").write_text(json.dumps(found))


def test_the_history_has_the_numbers_by_commit_in_the_order_of_their_dates(tmp_path: Path) -> None:
    machine = tmp_path / "asv" / "mine"
    machine.mkdir(parents=True)
    commit(machine, "bb", 2, [3.0, None])
    commit(machine, "aa", 1, [4.0, 5.0])
    commit(machine, "cc", 3, None)
    for name, text in {"x": "{", "y": "[1]", "z": '{"results": {"of.it": 3}}', "w": "null"}.items():
        (machine / f"{name}.json").write_text(text)
    (tmp_path / "asv" / "benchmarks.json").write_text('{"of.it": {"unit": "evals"}, "version": 2}')
    (found,) = history(tmp_path)
    assert (found.name, found.unit) == ("of.it", "evals")
    assert found.commits == ("aaaaaaaa", "bbbbbbbb", "cccccccc")
    first, second = found.values[("lqr", "bptt")], found.values[("lqr", "ctpg")]
    assert first[:2] == (4.0, 3.0)
    assert second[0] == 5.0
    assert all(map(math.isnan, (first[2], *second[1:])))


def test_the_checkout_has_published_its_learning(published_report: Path) -> None:
    assert published() == ROOT / "results"
    found = learning_figures(published())
    assert {"figure3", "figure7", "budget"} <= {one.folder for one in found}
    pictures = soup(published_report / "learning.html").select("img")
    assert len(pictures) == len(found)
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
