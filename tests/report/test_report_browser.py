"""The page in a real Chromium: no errors, no requests, and what can be clicked works."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dropexp.compare.provenance import Provenance
from dropexp.report import render_page
from tests.browser import CHROMIUM, Browser, browser
from tests.made_up import make_comparison

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

LINES = "#chart-val_loss .mark-line.role-mark path"
ROWS = "[...document.querySelector('#table tbody').rows]"
NAMES = f"{ROWS}.map((row) => row.cells[0].innerText)"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = make_comparison(("none", "dropout2d", "spatial_dropout"), (0.1, 0.3, 0.5, 0.7))
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(
        render_page(study, Provenance(("dropexp sweep study=first",))), encoding="utf-8"
    )
    return path


@pytest.fixture(scope="module")
def shared() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture
def page(shared: Browser, file: Path) -> Browser:
    shared.events.clear()
    shared.size(1280, 900)
    shared.colours("light")
    shared.open(file)
    return shared


def click(page: Browser, selector: str) -> None:
    page.value(f"document.querySelector({selector!r}).click()")


def find_heading(page: Browser, text: str) -> str:
    """Return the selector of the main table's heading with a text."""
    headings = page.value(
        "[...document.querySelectorAll('#table thead')[0].rows[0].cells]"
        ".map((cell) => cell.innerText.trim())"
    )
    return f"#table thead th:nth-child({headings.index(text) + 1})"


def test_the_page_causes_no_errors_and_no_requests(page: Browser, file: Path) -> None:
    assert page.complaints == []
    assert page.requests == [file.resolve().as_uri()]


def test_errors_and_requests_would_be_seen(page: Browser) -> None:
    page.value("console.error('x'), fetch('http://127.0.0.1:9/x').catch(() => 0)")
    assert len(page.complaints) > 1
    page.value("console.log('after')")


def test_every_chart_is_drawn(page: Browser) -> None:
    drawn = page.value("document.querySelectorAll('.chart svg').length")
    assert drawn == page.value("document.querySelectorAll('.chart').length") == 6
    assert page.value("document.documentElement.dataset.drawn") == "6"


def test_a_click_on_a_heading_sorts_and_another_reverses_the_order(page: Browser) -> None:
    before = page.value(NAMES)
    heading = find_heading(page, "test loss")
    click(page, f"{heading} button")
    rising = page.value(NAMES)
    click(page, f"{heading} button")
    assert rising[0] == "dropout2d p=0.5"
    assert rising != before
    assert page.value(NAMES) == rising[::-1]
    assert page.value(f"document.querySelector('{heading}').ariaSort") == "descending"


def test_rows_without_a_number_stay_at_the_end(page: Browser) -> None:
    heading = find_heading(page, "vs baseline")
    for _ in range(2):
        click(page, f"{heading} button")
        assert page.value(NAMES)[-1] == "none"


def test_a_click_on_a_setting_hides_it_and_show_all_shows_all(page: Browser) -> None:
    count = f"document.querySelectorAll('{LINES}').length"
    assert page.value(count) == 3, "the best of each regulariser"
    click(page, "[data-setting='none']")
    page.wait_for("document.documentElement.dataset.hidden === '7'")
    assert page.value(count) == 2
    assert page.value("document.querySelector('[data-setting=none]').ariaPressed") == "false"
    click(page, "[data-all='on']")
    page.wait_for("document.documentElement.dataset.hidden === '0'")
    assert page.value(count) == 9


def test_the_tooltip_names_the_setting_and_its_numbers(page: Browser) -> None:
    page.value("document.querySelector('#chart-val_loss').scrollIntoView({block: 'center'})")
    box = page.value(
        "(() => { const b = document.querySelector('#chart-val_loss svg').getBoundingClientRect();"
        " return [b.x, b.y, b.width, b.height]; })()"
    )
    for share in (0.4, 0.42):
        x, y = box[0] + box[2] * share, box[1] + box[3] * 0.5
        page.command("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    page.wait_for("document.querySelector('#vg-tooltip-element.visible')")
    tooltip = page.value("document.querySelector('#vg-tooltip-element').innerText")
    assert re.match(r"setting\t(none|(dropout2d|spatial_dropout) p=0\.5)\nepoch\t\d+\n", tooltip)
    assert "validation loss" in tooltip
    assert "seeds" in tooltip


def test_only_ctrl_and_scrolling_zooms(page: Browser) -> None:
    page.value("document.querySelector('#chart-val_loss').scrollIntoView({block: 'center'})")
    ticks = "document.querySelector('#chart-val_loss .role-axis-label').textContent"
    before = page.value(ticks)
    for held in ("false", "true"):
        page.value(
            "(() => { const b = document.querySelector('#chart-val_loss').getBoundingClientRect();"
            " const [x, y] = [b.x + b.width * 0.4, b.y + b.height * 0.5];"
            " document.elementFromPoint(x, y).dispatchEvent(new WheelEvent('wheel', {deltaY: -500,"
            f" ctrlKey: {held}, bubbles: true, cancelable: true, clientX: x, clientY: y}})); }})()"
        )
        if held == "false":
            page.value("new Promise((done) => setTimeout(done, 200))")
            assert page.value(ticks) == before, "a page is scrolled past a chart"
    page.wait_for(f"{ticks} !== {before!r}")


def test_a_phone_needs_no_sideways_scrolling(page: Browser, file: Path) -> None:
    page.size(390, 844, phone=True)
    page.open(file)
    assert page.value("document.documentElement.scrollWidth") <= 390
    assert page.value("document.querySelector('#table thead').offsetHeight") == 0
    for table in ("#table .scroll", "#table details .scroll"):
        page.value("document.querySelector('details').open = true")
        cells = f"[...document.querySelectorAll('{table} tbody tr > *')]"
        right = f"Math.max(...{cells}.map((cell) => cell.getBoundingClientRect().right))"
        assert 300 < page.value(right) <= 390, "rows are cards"
    wide = "[...document.querySelectorAll('.chart svg')].filter((e) => e.clientWidth > 390).length"
    assert page.value(wide) == 0


@pytest.mark.parametrize(("scheme", "is_light"), [("light", True), ("dark", False)])
def test_page_and_charts_follow_the_colour_scheme(
    page: Browser, file: Path, scheme: str, is_light: bool
) -> None:
    page.colours(scheme)
    page.open(file)

    def brightness(selector: str, style: str) -> float:
        colour = page.value(f"getComputedStyle(document.querySelector('{selector}')).{style}")
        return float(sum(map(int, colour[4:-1].split(","))) / 3)

    assert (brightness("body", "backgroundColor") > 128) is is_light
    assert (brightness(".chart .role-axis-label text", "fill") < 128) is is_light


def test_printing_opens_every_folded_part(page: Browser, tmp_path: Path) -> None:
    page.pdf(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    assert page.value("[...document.querySelectorAll('details')].every((each) => each.open)")
