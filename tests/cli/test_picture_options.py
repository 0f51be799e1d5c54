"""The options of ``compare --plot``: sizes with units, charts, and what is refused before work."""

from pathlib import Path

import pytest

from dropexp.cli.picture_options import (
    Chart,
    PictureOptions,
    Size,
    parse_charts,
    parse_dpi,
    parse_size,
)
from dropexp.errors import UserError


@pytest.mark.parametrize(
    ("text", "inches"),
    [
        ("7x4", (7, 4)),
        ("7.5 X 4in", (7.5, 4)),
        ("254x127mm", (10, 5)),
        ("25.4×12.7cm", (10, 5)),
        ("1600x900px", (8, 4.5)),
    ],
)
def test_a_size_is_in_inches_or_has_a_unit(text: str, inches: tuple[float, float]) -> None:
    assert parse_size(text).to_inches(200) == pytest.approx(inches)


@pytest.mark.parametrize("text", ["", "7", "7x", "0x4", "-1x2", "7x4pt", "nanx4", "1e3x4"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"is no size. Write width x height"):
        parse_size(text)


def test_charts_are_named_one_by_one_or_with_commas() -> None:
    assert parse_charts("curves, gap") == (Chart.CURVES, Chart.GAP)
    with pytest.raises(UserError, match=r"--chart pie is not known\. Allowed: curves, gap, diff"):
        parse_charts("curves,pie")


@pytest.mark.parametrize("text", ["x", "nan", "0", "29", "2401", "1e9", "-300"])
def test_dots_per_inch_are_within_bounds(text: str) -> None:
    assert parse_dpi("300") == 300
    with pytest.raises(UserError, match="Allowed: 30 to 2400"):
        parse_dpi(text)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (PictureOptions(None, ["gap"], None, None, None), "--chart is for a picture. Add --plot"),
        (PictureOptions(None, None, None, None, ""), "--title is for a picture"),
        (PictureOptions(Path("x.png"), ["pie"], None, None, None), "--chart pie is not known"),
        (PictureOptions(Path("x.png"), None, Size(1e9, 4), None, None), "Allowed: 1 to 100 inches"),
        (PictureOptions(Path("x.png"), None, Size(99, 99), 2400, None), "than 200,000,000 pixels"),
        (PictureOptions(Path("x.png"), None, Size(9, 9, True), None, None), "Allowed: 1 to 100"),
    ],
)
def test_options_are_checked_before_any_run_is_read(options: PictureOptions, words: str) -> None:
    with pytest.raises(UserError, match=words):
        options.check()
