"""A report in a real browser: nothing is refused, keys and sorting work, all can read it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradpareto.bench.site.report import write_site
from tests.bench.site.conftest import course, record, time_of, timed, written

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
axe_core = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="axe-core is not installed"
)
Browser, Page, expect = sync_api.Browser, sync_api.Page, sync_api.expect

NAMES = ("chromium", "chromium-browser", "google-chrome")
WIDTHS = (375, 1440)
KINDS_OF_PAGES = (
    *("index.html", "problems.html", "estimators.html", "pairs.html", "matrix.html"),
    *("learning.html", "history.html"),
    *("provenance.html", "kinds/smooth.html", "problems/lqr.optimal.html"),
    *("estimators/ctpg.html", "pairs/bptt.ctpg.html"),
)
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
ATTACK = "<script>alert(1)</script>"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"there is no browser: none of {', '.join(NAMES)} is installed")
    with sync_api.sync_playwright() as playwright:
        sandbox = [] if os.geteuid() else ["--no-sandbox"]
        started = playwright.chromium.launch(executable_path=path, args=sandbox)
        yield started
        started.close()


def opened(browser: Browser, path: Path, width: int = 1440, **options: object) -> Page:
    """A page, after everything on it has run; `said` has its errors and what it asked for."""
    context = browser.new_context(viewport={"width": width, "height": 900}, **options)
    page = context.new_page()
    page.said = []
    page.on("console", lambda message: page.said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: page.said.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (page.said.append("a dialog"), dialog.dismiss()))
    page.on(
        "request",
        lambda request: request.url.startswith("file:") or page.said.append(request.url),
    )
    page.goto(path.as_uri())
    return page


@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_has_an_error_or_overflows(
    browser: Browser, published_report: Path, width: int
) -> None:
    page = opened(browser, published_report / "index.html", width)
    paths = sorted(published_report.rglob("*.html"))
    assert len(paths) > 80
    for path in paths:
        page.goto(path.as_uri())
        assert page.evaluate(OVERFLOW) <= 0, path
    assert page.said == []
    page.context.close()


@pytest.mark.parametrize("name", KINDS_OF_PAGES)
def test_a_page_twice_as_large_does_not_overflow(
    browser: Browser, published_report: Path, name: str
) -> None:
    """A zoom of 200 % halves the width; and letters alone may be twice as large."""
    page = opened(browser, published_report / name, 1280 // 2, device_scale_factor=2)
    assert page.evaluate(OVERFLOW) <= 0
    page.set_viewport_size({"width": 1280, "height": 900})
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert page.evaluate(OVERFLOW) <= 0
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", KINDS_OF_PAGES)
def test_axe_finds_no_serious_fault(
    browser: Browser, published_report: Path, name: str, scheme: str
) -> None:
    page = opened(browser, published_report / name, color_scheme=scheme)
    found = axe_core.Axe().run(page).response["violations"]
    serious = [
        (fault["id"], fault["nodes"][0]["html"])
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]
    assert serious == []
    page.context.close()


def column(page: Page, table: str, number: int) -> list[str]:
    cells = page.locator(f"#{table} tbody tr > :nth-child({number})")
    return [text.strip() for text in cells.all_text_contents()]


def test_a_table_sorts_by_number_and_what_is_not_known_comes_last(
    browser: Browser, published_report: Path
) -> None:
    page = opened(browser, published_report / "problems" / "lqr.optimal.html")
    head = page.locator("#estimators th", has_text="1e-6").first
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    rising = column(page, "estimators", 5)
    numbers = [float(text.replace(",", "")) for text in rising if text not in "-?"]
    assert len(numbers) > 5
    assert numbers == sorted(numbers)
    assert rising[: len(numbers)] == [text for text in rising if text not in "-?"]
    head.get_by_role("button").press("Enter")
    expect(head).to_have_attribute("aria-sort", "descending")
    falling = column(page, "estimators", 5)
    assert [text for text in falling if text not in "-?"] == [
        text for text in reversed(rising) if text not in "-?"
    ]
    other = page.locator("#estimators th", has_text="estimator").first
    other.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "none")
    assert column(page, "estimators", 1) == sorted(column(page, "estimators", 1))
    page.context.close()


def test_a_filter_hides_the_rows_without_its_words(
    browser: Browser, published_report: Path
) -> None:
    page = opened(browser, published_report / "estimators.html")
    page.get_by_label("Show only estimators with").fill("bptt discretise")
    shown = page.locator("#estimators tbody tr:visible")
    names = [text.split()[0] for text in shown.all_text_contents()]
    assert names
    assert all(name.startswith("bptt") for name in names)
    expect(page.get_by_role("status").first).to_have_text(f"{len(names)} of 12")
    page.context.close()


def test_the_picker_shows_the_cell_that_answers(browser: Browser, published_report: Path) -> None:
    page = opened(browser, published_report / "index.html")
    page.get_by_label("My system is").select_option("smooth")
    page.get_by_label("its gradient needs").select_option("1e-6")
    page.get_by_label("and I want to spend least").select_option("memory")
    cell = page.locator('.decision [data-kind=smooth][data-target="1e-6"][data-cost=memory]')
    assert page.locator("#answer strong").inner_text() == cell.locator("strong").inner_text()
    expect(cell).to_have_class("lit")
    page.locator("#answer .evidence").click()
    assert page.url.endswith("kinds/smooth.html#memory-1e-6")
    expect(page.locator("#memory-1e-6")).to_be_in_viewport()
    page.context.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_picker_knows_the_times_of_one_sample_and_of_a_batch(
    browser: Browser, tmp_path: Path, width: int
) -> None:
    run = written(tmp_path / "run", course("bptt") + course("ctpg", 2))
    timed(run.path, time_of("bptt", 1.5), time_of("ctpg", 0.5, batch=32))
    write_site(run, tmp_path / "report")
    page = opened(browser, tmp_path / "report" / "index.html", width)
    page.get_by_label("its gradient needs").select_option("1e-4")
    for cost, winner in (("time alone", "bptt"), ("time in a batch", "ctpg")):
        page.get_by_label("and I want to spend least").select_option(cost)
        expect(page.locator("#answer strong")).to_have_text(winner)
    page.locator("#answer .evidence").click()
    assert page.url.endswith("kinds/smooth.html#time-in-a-batch-1e-4")
    expect(page.locator("#time-in-a-batch-1e-4")).to_be_in_viewport()
    assert page.evaluate(OVERFLOW) <= 0
    assert page.said == []
    page.context.close()


def test_a_highlighted_estimator_stands_out_here_and_on_the_next_page(
    browser: Browser, published_report: Path
) -> None:
    page = opened(browser, published_report / "problems" / "lqr.optimal.html")
    page.get_by_label("Highlight").select_option("ctpg")
    lit = page.locator("#estimators tr.lit")
    expect(lit).to_have_attribute("data-estimator", "ctpg")
    faint, strong = (
        page.locator(f'#axis-evaluations g[data-estimator="{name}"]').first
        for name in ("bptt", "ctpg")
    )
    page.wait_for_timeout(300)  # of the change
    opacity = "element => Number(getComputedStyle(element).opacity)"
    assert faint.evaluate(opacity) < 0.5 < strong.evaluate(opacity)
    page.goto((published_report / "problems" / "quadrotor.initial.html").as_uri())
    expect(page.locator("#estimators tr.lit")).to_have_attribute("data-estimator", "ctpg")
    page.goto((published_report / "estimators" / "bptt.html").as_uri())
    page.get_by_role("link", name="lqr (optimal)").last.click()
    expect(page.locator("#estimators tr.lit")).to_have_attribute("data-estimator", "bptt")
    page.context.close()


def test_an_estimators_page_marks_it_on_every_page(
    browser: Browser, published_report: Path
) -> None:
    page = opened(browser, published_report / "estimators" / "neural_ode.html")
    button = page.get_by_role("button", name="Highlight it on every page")
    expect(button).to_have_attribute("aria-pressed", "false")
    button.press("Enter")
    expect(button).to_have_attribute("aria-pressed", "true")
    page.goto((published_report / "pairs.html").as_uri())
    expect(page.locator(".matrix a.lit")).to_have_text("neural_ode")
    page.go_back()
    button.press("Enter")
    expect(button).to_have_attribute("aria-pressed", "false")
    page.goto((published_report / "pairs.html").as_uri())
    expect(page.locator(".lit")).to_have_count(0)
    page.context.close()


def test_the_pointer_over_a_point_tells_its_numbers(
    browser: Browser, published_report: Path
) -> None:
    page = opened(browser, published_report / "problems" / "lqr.optimal.html")
    point = page.locator('#axis-evaluations g[data-estimator="ctpg"] use').nth(3)
    point.hover(force=True)
    expect(page.locator("#tip")).to_contain_text("evaluations")
    page.context.close()


def test_axes_are_chosen_one_at_a_time(browser: Browser, published_report: Path) -> None:
    page = opened(browser, published_report / "problems" / "lqr.optimal.html")
    sections = page.locator("section.figure")
    assert [one.is_visible() for one in sections.all()] == [True, False, False]
    page.get_by_role("radio", name="evaluations").press("ArrowRight")
    assert [one.is_visible() for one in sections.all()] == [False, True, False]
    page.get_by_role("radio", name="memory").check()
    assert [one.is_visible() for one in sections.all()] == [False, False, True]
    page.context.close()


def test_without_the_script_all_figures_are_there(browser: Browser, published_report: Path) -> None:
    path = published_report / "problems" / "lqr.optimal.html"
    page = opened(browser, path, java_script_enabled=False)
    assert all(one.is_visible() for one in page.locator("section.figure").all())
    assert not page.locator("#theme").is_visible()
    page.context.close()


def test_colours_change_and_stay_changed(browser: Browser, published_report: Path) -> None:
    page = opened(browser, published_report / "index.html", color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Dark colours").click()
    assert page.evaluate(ground) != light
    dark = page.evaluate(ground)
    page.goto((published_report / "problems.html").as_uri())
    assert page.evaluate(ground) == dark
    page.context.close()


def test_keys_alone_reach_the_content_and_show_where_they_are(
    browser: Browser, published_report: Path
) -> None:
    page = opened(browser, published_report / "estimators.html")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    for _ in range(4):
        page.keyboard.press("Tab")
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert page.evaluate(outline) == "solid"
    page.context.close()


def test_the_policy_lets_no_other_script_run(browser: Browser, published_report: Path) -> None:
    page = opened(browser, published_report / "index.html")
    page.evaluate(
        "const s = document.createElement('script'); s.textContent = 'window.ran = true';"
        "document.body.append(s)"
    )
    assert page.evaluate("window.ran") is None
    assert any("Content Security Policy" in text for text in page.said)
    page.context.close()


def test_names_that_are_markup_are_only_text(browser: Browser, tmp_path: Path) -> None:
    rows = course(ATTACK, system=ATTACK) + [
        record(estimator="ctpg", system=ATTACK, status="raised", reason=ATTACK, sample=k)
        for k in range(6)
    ]
    write_site(written(tmp_path / "run", rows), tmp_path / "report")
    for path in (tmp_path / "report").rglob("*.html"):
        page = opened(browser, path)
        assert page.said == [], path
        page.context.close()
