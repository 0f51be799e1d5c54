"""Panels as one picture of a given size: PNG, SVG or PDF.

Each panel is drawn on its own at its exact size, and the drawings are put into one SVG. Vega-Lite
cannot fit several charts into a size.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from textwrap import wrap
from typing import Any
from xml.sax.saxutils import escape

import altair as alt
import vl_convert

from dropexp.report.charts.labels import space_again
from dropexp.report.charts.panels import (
    CONFIG,
    HEIGHT,
    Figure,
    Panel,
    Values,
    name_width_parameter,
)

SUFFIXES = (".png", ".svg", ".pdf")
PIXELS_PER_INCH = 96.0
"""Of a chart, as in CSS: its text of 12 pixels is 9 points high on paper."""

Grid = Sequence[Sequence[Panel]]
"""The panels of a picture, row by row."""

_POINTS_PER_INCH = 72
_NATURAL_WIDTH = 880  # pixels
_PADDING, _GAP = 16, 26
_TITLE_LETTER, _SUBTITLE_LETTER, _HEADING_LETTER = 8.3, 6.1, 9.9  # pixels of a mean letter
_TITLE_LINE, _SUBTITLE_LINE, _HEADING_LINE = 18, 14.5, 24
_AXIS_PIXELS = 52  # below a chart
_NARROWEST = 430
"""The pixels of a panel in which its text has its full size."""
_LOWEST_WITH_SUBTITLE = 230
"""The pixels of a panel, with its title and axes, below which its subtitle is left out."""
_SMALLEST_TEXT = 1.4
"""The text of a smaller panel is at most so many times smaller: 6.4 points."""
_DRAWN = ("mean", "low", "high")
_FURTHEST_LENGTHS = 50
"""A value that is out of view is drawn at most so many lengths of the y axis beyond its end."""
_ASPECT = 1.7
"""The width of a panel divided by its height, at best."""


@dataclass(frozen=True, slots=True)
class PictureLayout:
    """How a picture is laid out.

    Attributes:
        size: width and height in inches; None for 880 pixels by what the charts need.
        dpi: dots per inch of a PNG.
        heading: the text above all charts; empty for none.
        has_titles: whether each chart has its own title.
        has_subtitles: whether it has a subtitle too, where there are titles.
    """

    size: tuple[float, float] | None = None
    dpi: float = 200.0
    heading: str = ""
    has_titles: bool = True
    has_subtitles: bool = True


def render_picture(grid: Grid, suffix: str, layout: PictureLayout | None = None) -> bytes:
    """Return the content of a picture file.

    Args:
        grid: the panels, row by row; at least one.
        suffix: the format, one of SUFFIXES.
        layout: the size, the resolution and the titles; None for the default one.
    """
    layout = layout or PictureLayout()
    to_points = _POINTS_PER_INCH / PIXELS_PER_INCH
    match suffix:
        case ".png":
            text = compose_svg(grid, layout)
            return bytes(vl_convert.svg_to_png(text, scale=to_points, ppi=layout.dpi))
        case ".pdf":  # vl_convert takes a pixel for a point
            return bytes(vl_convert.svg_to_pdf(compose_svg(grid, layout, to_points)))
        case _:
            return compose_svg(grid, layout).encode()


def arrange(figures: Sequence[Figure], size: tuple[float, float] | None) -> Grid:
    """Return the panels of figures row by row, with as many in a row as suits a size."""
    if size is None:
        return [figure.panels for figure in figures]
    panels = [panel for figure in figures for panel in figure.panels]

    def misfit(columns: int) -> float:
        rows = math.ceil(len(panels) / columns)
        return abs(math.log(size[0] / columns / (size[1] / rows) / _ASPECT))

    columns = min(range(1, len(panels) + 1), key=misfit)
    return [panels[start : start + columns] for start in range(0, len(panels), columns)]


def compose_svg(grid: Grid, layout: PictureLayout, unit: float = 1.0) -> str:
    """Return the picture as SVG, whose pixels are so many units long."""
    if layout.size is None:
        width, height = float(_NATURAL_WIDTH), math.inf
    else:
        scale = _choose_scale(grid, layout.size)
        width, height = (PIXELS_PER_INCH * length * scale for length in layout.size)
        unit /= scale
    lines = _wrap(layout.heading, width - 2 * _PADDING, _HEADING_LETTER)
    top = _PADDING + len(lines) * _HEADING_LINE + (10 if lines else 0)
    free = height - top - _PADDING - _GAP * (len(grid) - 1)
    if free < _LOWEST_WITH_SUBTITLE * len(grid):
        layout = replace(layout, has_subtitles=False)
    wanted = [
        max(_natural_height(panel, width / len(row), layout) for panel in row) for row in grid
    ]
    stretch = 1.0 if math.isinf(height) else free / sum(wanted)
    parts, y = list(_write_heading(lines)), float(top)
    for number, (row, natural) in enumerate(zip(grid, wanted, strict=True)):
        each = (width - 2 * _PADDING - _GAP * (len(row) - 1)) / len(row)
        for place, panel in enumerate(row):
            x = _PADDING + place * (each + _GAP)
            drawing = _draw_panel(panel, each, natural * stretch, layout)
            parts.append(_embed(drawing, x, y, f"p{number}{place}-"))
        y += natural * stretch + _GAP
    bottom = y - _GAP + _PADDING if math.isinf(height) else height
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{width * unit:g}" height="{bottom * unit:g}" viewBox="0 0 {width:g} {bottom:g}">'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n'
    )


def _choose_scale(grid: Grid, size: tuple[float, float]) -> float:
    """Return how many times more pixels than an inch has: small pictures have smaller text."""
    narrowest = PIXELS_PER_INCH * size[0] / max(map(len, grid))
    return min(max(_NARROWEST / narrowest, 1.0), _SMALLEST_TEXT)


def _natural_height(panel: Panel, width: float, layout: PictureLayout) -> float:
    """Return the height in pixels at which a panel looks as on the page."""
    plot = panel.chart.height
    height = float(plot) if isinstance(plot, int | float) else float(HEIGHT)
    return height + _AXIS_PIXELS + _title_height(panel, width, layout)


def _title_height(panel: Panel, width: float, layout: PictureLayout) -> float:
    if not layout.has_titles:
        return 6.0
    title = len(_wrap(panel.title, width, _TITLE_LETTER)) * _TITLE_LINE
    return title + len(_wrap_subtitle(panel, width, layout)) * _SUBTITLE_LINE + 14


def _wrap_subtitle(panel: Panel, width: float, layout: PictureLayout) -> list[str]:
    return _wrap(panel.subtitle, width, _SUBTITLE_LETTER) if layout.has_subtitles else []


def _draw_panel(panel: Panel, width: float, height: float, layout: PictureLayout) -> str:
    """Return a panel as SVG, with its title and axes exactly as large as asked for."""
    chart = panel.chart.properties(
        width=round(width, 2),
        height=round(height, 2),
        autosize=alt.AutoSizeParams(type="fit", contains="padding"),
        padding=0,
    )
    if layout.has_titles:
        title = alt.TitleParams(
            _wrap(panel.title, width, _TITLE_LETTER),
            subtitle=_wrap_subtitle(panel, width, layout),
        )
        chart = chart.properties(title=title)
    plot = height - _AXIS_PIXELS - _title_height(panel, width, layout)
    specification: dict[str, Any] = {
        **chart.configure(**CONFIG).to_dict(validate=False),
        "datasets": _limit_values(panel, space_again(panel, max(plot, 30.0))),
    }
    follow_width(specification, panel.name)
    return str(vl_convert.vegalite_to_svg(specification))


def _limit_values(panel: Panel, data: Mapping[str, Values]) -> dict[str, Values]:
    """Return the data sets with values that a picture can hold, far out of view at most.

    One line to 10¹⁴ pixels, of a setting that diverged, hides all lines of its layer in a PNG.
    """
    if panel.limits is None:
        return dict(data)
    room = _FURTHEST_LENGTHS * (panel.limits[1] - panel.limits[0])
    lowest, highest = panel.limits[0] - room, panel.limits[1] + room

    def limit(value: Any) -> Any:
        return min(max(value, lowest), highest) if isinstance(value, float) else value

    return {
        name: [{**row, **{key: limit(row[key]) for key in _DRAWN if key in row}} for row in rows]
        for name, rows in data.items()
    }


def follow_width(specification: dict[str, Any], panel: str) -> None:
    """Make the parameter of a panel's width follow the width that Vega computes."""
    for parameter in specification.get("params", ()):
        if parameter["name"] == name_width_parameter(panel):
            parameter.pop("value", None)
            parameter["expr"] = "width"


def _embed(drawing: str, x: float, y: float, prefix: str) -> str:
    """Return an SVG as a part of another one, with ids of its own."""
    start = drawing.index("<svg")
    text = re.sub(r'\bid="', f'id="{prefix}', drawing[start:])
    text = re.sub(r"url\(#", f"url(#{prefix}", text)
    text = re.sub(r'href="#', f'href="#{prefix}', text)
    return text.replace("<svg", f'<svg x="{x:g}" y="{y:g}" overflow="visible"', 1)


def _write_heading(lines: Sequence[str]) -> Iterator[str]:
    font: Mapping[str, str] = {"family": CONFIG["font"], "size": "18px", "weight": "600"}
    style = " ".join(f'font-{name}="{value}"' for name, value in font.items())
    for number, line in enumerate(lines, start=1):
        y = _PADDING - 6 + number * _HEADING_LINE
        yield f'<text x="{_PADDING}" y="{y}" {style} fill="#1c2024">{escape(line)}</text>'


def _wrap(text: str, width: float, letter: float) -> list[str]:
    return wrap(text, max(int(width / letter), 12))
