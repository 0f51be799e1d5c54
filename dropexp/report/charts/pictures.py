"""Figures as one picture: PNG or SVG."""

from collections.abc import Sequence

import altair as alt
import vl_convert

from dropexp.report.charts.panels import CONFIG, Figure, Panel

SUFFIXES = (".png", ".svg")
_LINE_LETTERS = 70  # the longest line of a subtitle
_SCALE = 2.0  # pixels of a PNG per pixel of the chart


def render_picture(figures: Sequence[Figure], suffix: str) -> bytes:
    """Return one picture with the figures below each other.

    Args:
        figures: the figures to draw; at least one.
        suffix: the format, one of SUFFIXES.

    Returns:
        The content of a PNG or SVG file.
    """
    rows = [alt.hconcat(*map(_add_title, figure.panels), spacing=60) for figure in figures]
    chart = (
        alt.vconcat(*rows, spacing=34)
        .resolve_scale(color="independent", strokeDash="independent")
        .properties(padding=18)
        .configure(**CONFIG)
    )
    data = {name: values for f in figures for p in f.panels for name, values in p.data.items()}
    specification = {**chart.to_dict(validate=False), "datasets": data}
    if suffix == ".png":
        return bytes(vl_convert.vegalite_to_png(specification, scale=_SCALE))
    return str(vl_convert.vegalite_to_svg(specification)).encode()


def _add_title(panel: Panel) -> alt.LayerChart:
    title = alt.TitleParams(panel.title, subtitle=_wrap_subtitle(panel.subtitle))
    chart: alt.LayerChart = panel.chart.properties(title=title)
    return chart


def _wrap_subtitle(text: str) -> list[str]:
    """Return a subtitle as lines, broken at its semicolons."""
    lines: list[str] = []
    for part in text.split("; "):
        if lines and len(lines[-1]) + len(part) < _LINE_LETTERS:
            lines[-1] += f"; {part}"
        else:
            lines.append(part)
    return lines
