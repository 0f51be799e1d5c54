"""The page in a real Chromium: no errors, no requests, and what can be clicked works."""

import re
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dropexp.compare.mean_curves import mean_curve
from dropexp.compare.provenance import Provenance
from dropexp.compare.results import Comparison
from dropexp.report import render_page
from dropexp.report.wording import describe_metric
from dropexp.runs.metrics import METRIC_REGISTRY
from tests.browser import CHROMIUM, Browser, browser
from tests.made_up import make_comparison

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

LINES = "#chart-val_loss .mark-line.role-mark path"
ROWS = "[...document.querySelector('#table tbody').rows]"
NAMES = f"{ROWS}.map((row) => row.cells[0].innerText)"


@pytest.fixture(scope="module")
def study() -> Comparison:
    return make_comparison(("none", "dropout2d", "spatial_dropout"), (0.1, 0.3, 0.5, 0.7))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, study: Comparison) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(
        render_page(study, Provenance(("dropexp sweep study=first",))), encoding="utf-8"
    )
    return path


@pytest.fixture(scope="module")
def shared() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def untouched() -> set[Path]:
    """The file that the browser shows as it was loaded, or none."""
    return set()


Load = Callable[..., Browser]


@pytest.fixture
def load(shared: Browser, file: Path, untouched: set[Path]) -> Load:
    """Loads the page in a window of a size, which draws every chart anew: half a second."""

    def load(
        width: int = 1280, height: int = 900, *, phone: bool = False, scheme: str = "light"
    ) -> Browser:
        untouched.clear()
        shared.events.clear()
        shared.size(width, height, phone=phone)
        shared.colours(scheme)
        shared.open(file)
        return shared

    return load


@pytest.fixture
def page(load: Load) -> Browser:
    """The page, for a test that may change what it shows."""
    return load()


@pytest.fixture
def still(shared: Browser, file: Path, load: Load, untouched: set[Path]) -> Browser:
    """The page, for a test that only looks at it: loaded if another test has changed it."""
    if file not in untouched:
        load()
        untouched.add(file)
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


def test_errors_and_requests_would_be_seen(still: Browser) -> None:
    seen = len(still.complaints)
    still.value("console.error('x'), fetch('http://127.0.0.1:9/x').catch(() => 0)")
    assert len(still.complaints) > seen + 1
    still.value("console.log('after')")


def test_every_chart_is_drawn(still: Browser) -> None:
    drawn = still.value("document.querySelectorAll('.chart svg').length")
    assert drawn == still.value("document.querySelectorAll('.chart').length") == 6
    assert still.value("document.documentElement.dataset.drawn") == "6"


def test_the_whole_table_is_in_view(still: Browser) -> None:
    size = "((e) => [e.scrollWidth, e.clientWidth])(document.querySelector('#table .scroll'))"
    needed, there = still.value(size)
    assert needed <= there
    verdicts = "[...document.querySelectorAll('#table tbody .badge')]"
    lefts = still.value(f"{verdicts}.map((e) => Math.round(e.getBoundingClientRect().left))")
    assert len(set(lefts[:8])) == 1, "text is aligned to the left"


def find_overlaps(page: Browser) -> list[list[str]]:
    """Return the pairs of names of lines or rows that hide each other in a chart."""
    overlaps: list[list[str]] = page.value(
        """[...document.querySelectorAll('.chart svg')].flatMap((svg) => {
            const marks = [...svg.querySelectorAll('.mark-text.role-mark')];
            const texts = marks.filter((e) => !/halo|outside/.test(e.getAttribute('class')))
                .flatMap((e) => [...e.querySelectorAll('text')])
                .filter((e) => e.textContent && getComputedStyle(e).opacity > 0)
                .map((e) => [e.textContent, e.getBoundingClientRect()]);
            const hides = (a, b) => a.left < b.right && b.left < a.right
                && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > a.height / 3;
            return texts.flatMap(([name, box], place) => texts.slice(place + 1)
                .filter(([, other]) => hides(box, other)).map(([other]) => [name, other]));
        })"""
    )
    return overlaps


def test_names_stand_beside_the_differences_or_above_them_on_a_phone(
    still: Browser, load: Load
) -> None:
    chart = "document.querySelector('#chart-differences')"
    names = f"[...{chart}.querySelectorAll('.mark-text.role-mark:not([class*=halo]) text')]"
    dots = f"[...{chart}.querySelectorAll('.mark-symbol.role-mark path')]"
    right = f"Math.max(...{names}.map((e) => e.getBoundingClientRect().right))"
    left = f"Math.min(...{dots}.map((e) => e.getBoundingClientRect().left))"
    tall = f"{chart}.querySelector('svg').clientHeight"
    assert find_overlaps(still) == []
    assert still.value(right) < still.value(left), "a name hides no dot"
    low = still.value(tall)
    page = load(390, 844, phone=True)
    assert page.value(right) > page.value(left)
    assert page.value(tall) > low + 50, "there is a line for the name"
    assert find_overlaps(page) == []


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


def find_point(page: Browser, chart: str, setting: str, epoch: int) -> tuple[float, float]:
    """Return where the point of a setting at an epoch is drawn, in the window."""
    page.value(f"document.querySelector('#chart-{chart}').scrollIntoView({{block: 'center'}})")
    x, y = page.value(
        "(() => { const dots ="
        f" [...document.querySelectorAll('#chart-{chart} .mark-symbol path')];"
        f" const wanted = dots.find((dot) => dot.ariaLabel.startsWith('epoch: {epoch};') &&"
        f" dot.ariaLabel.endsWith('setting: {setting}'));"
        " const b = wanted.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2];"
        " })()"
    )
    return x, y


def test_the_tooltip_of_a_real_point_names_its_setting_and_numbers(
    page: Browser, study: Comparison
) -> None:
    row = study.row("dropout2d p=0.5")
    for chart in ("train_loss", "val_loss", "loss_gap"):
        x, y = find_point(page, chart, "dropout2d p=0.5", 12)
        for kind in ("mouseMoved", "mousePressed", "mouseReleased", "mouseMoved"):
            button = "none" if kind == "mouseMoved" else "left"
            page.command(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=1
            )
        name = describe_metric(METRIC_REGISTRY[chart])
        text = "document.querySelector('#vg-tooltip-element.visible')?.innerText"
        page.wait_for(f"{text}?.includes({name!r})")  # not what the last chart has said
        shown = dict(line.split("\t") for line in page.value(text).splitlines())
        wanted = mean_curve(row.setting, chart).estimates[11]
        assert (shown["setting"], shown["epoch"], shown["seeds"]) == ("dropout2d p=0.5", "12", "6")
        for field, value in (
            (name, wanted.value),
            ("interval from", wanted.low),
            ("to", wanted.high),
        ):
            assert float(shown[field]) == pytest.approx(value, abs=0.0006)


def press(page: Browser, *keys: str) -> str:
    """Press keys and return what the last point says to a screen reader."""
    for key in keys:
        page.command("Input.dispatchKeyEvent", type="keyDown", key=key)
        page.command("Input.dispatchKeyEvent", type="keyUp", key=key)
    said: str = page.value("document.querySelector('#point-said').textContent")
    return said


def test_every_chart_is_read_by_keyboard(page: Browser) -> None:
    page.value("document.querySelector('[data-all=featured]').focus()")
    press_tab = {"key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9}
    page.command("Input.dispatchKeyEvent", type="keyDown", **press_tab)
    assert page.value("document.activeElement.id") == "chart-train_loss"
    assert page.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert page.value("document.activeElement.ariaLabel").startswith("Training over epochs")
    first = press(page, "ArrowRight")
    assert re.match(r"setting [^,]+, epoch 1, training loss \(nats\) \d\.\d+, interval", first)
    assert "epoch 3," in press(page, "ArrowRight", "ArrowRight")
    other = press(page, "ArrowDown")
    assert other.split(",")[:2] != first.split(",")[:2]
    assert "epoch 3," in other
    assert "epoch 30," in press(page, "End")
    ring = "document.querySelector('#chart-train_loss .point-ring')"
    assert page.value(f"{ring}.hidden") is False
    right = page.value(f"{ring}.getBoundingClientRect().right")
    assert right > page.value("document.activeElement.getBoundingClientRect().right") / 2
    assert press(page, "Escape") == ""
    assert page.value(f"{ring}.hidden") is True
    for chart, words in (
        ("differences", "difference"),
        ("p", "test loss (nats)"),
        ("map_regulariser_p", "verdict"),
    ):
        page.value(f"document.querySelector('#chart-{chart}').focus()")
        assert press(page, "ArrowRight").startswith("setting ")
        assert words in press(page, "ArrowRight", "ArrowDown")


def test_a_chart_is_saved_as_a_picture_without_a_request(
    page: Browser, file: Path, tmp_path: Path
) -> None:
    page.command("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    click(page, "[data-setting='none']")
    for kind in ("svg", "png"):
        click(page, f"[data-panel='val_loss'][data-save='{kind}']")
        end = time.monotonic() + 60
        while not (tmp_path / f"val_loss.{kind}").exists():
            assert time.monotonic() < end, "no picture was saved"
            page.value("new Promise((done) => setTimeout(done, 30))")
    text = (tmp_path / "val_loss.svg").read_text()
    assert text.startswith("<svg")
    assert "Validation over epochs" in text
    assert "dropout2d p=0.5" in text
    assert "setting: none" not in text
    content = (tmp_path / "val_loss.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert struct.unpack(">I", content[16:20]) == (3 * 880,)
    assert page.complaints == []
    assert {url for url in page.requests if not url.startswith("blob:")} == {file.as_uri()}


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


def test_a_phone_needs_no_sideways_scrolling(load: Load) -> None:
    page = load(500, 844)
    verdicts = "[...document.querySelectorAll('#table .badge')]"
    right = f"Math.max(...{verdicts}.map((each) => each.getBoundingClientRect().right))"
    assert 300 < page.value(right) <= 500, "a narrow window shows verdicts too"
    page.size(390, 844, phone=True)
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
def test_page_and_charts_follow_the_colour_scheme(load: Load, scheme: str, is_light: bool) -> None:
    page = load(scheme=scheme)

    def brightness(selector: str, style: str) -> float:
        colour = page.value(f"getComputedStyle(document.querySelector('{selector}')).{style}")
        return float(sum(map(int, colour[4:-1].split(","))) / 3)

    assert (brightness("body", "backgroundColor") > 128) is is_light
    assert (brightness(".chart .role-axis-label text", "fill") < 128) is is_light


def test_a_printed_page_is_whole(page: Browser, tmp_path: Path) -> None:
    page.pdf(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    assert page.value("document.querySelector('details.all').open")
    width, height = (round((side - 28) / 25.4 * 96) for side in (210, 297))  # A4, pixels
    page.size(width, height)
    page.command("Emulation.setEmulatedMedia", media="print")
    page.value("window.dispatchEvent(new Event('beforeprint'))")
    page.value("new Promise((done) => requestAnimationFrame(done))")
    boxes = "[...document.querySelectorAll('main *')].map((e) => e.getBoundingClientRect())"
    assert page.value(f"Math.max(...{boxes}.map((box) => box.right))") <= width + 0.5
    figures = "[...document.querySelectorAll('figure')]"
    sizes = page.value(f"{figures}.map((e) => [e.offsetHeight, getComputedStyle(e).breakInside])")
    assert all(tall <= height and style == "avoid" for tall, style in sizes)
    svgs = "[...document.querySelectorAll('.chart svg')]"
    shares = page.value(f"{svgs}.map((e) => e.clientWidth / e.closest('figure').clientWidth)")
    assert min(shares) > 0.95, "charts use the paper"
    halves = page.value(f"{figures}.filter((e) => e.offsetWidth < {width / 2}).map((e) => e.id)")
    assert len(halves) == 4, "training beside validation, p beside the heat map"
    for hidden in (".saving", ".legend", "nav", ".hint", "details.screen"):
        assert page.value(f"document.querySelector('{hidden}').offsetHeight") == 0
    assert find_overlaps(page) == []
    # Chromium repeats a table's head on every page, but not the boxes of buttons in it.
    button = "getComputedStyle(document.querySelector('#table th button'))"
    assert page.value(f"{button}.display") == "contents"
    page.command("Emulation.setEmulatedMedia", media="")


def test_the_grid_of_a_dark_page_is_as_dim_as_its_lines(load: Load) -> None:
    page = load(scheme="dark")
    line = "getComputedStyle(document.querySelector('.chart .role-axis-grid line'))"
    assert page.value(f"{line}.filter") == "none"
