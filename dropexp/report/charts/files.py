"""Charts in pictures: PNG or SVG."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from dropexp.compare.results import Comparison, Row
from dropexp.report.charts.axes import axis_figures
from dropexp.report.charts.differences import difference_figures
from dropexp.report.charts.heat_map import heat_map_figures
from dropexp.report.charts.over_epochs import curve_figures
from dropexp.report.charts.parts import CONFIG, Figure, Panel, Values

SUFFIXES = (".png", ".svg")
_LINE = 70  # characters of a subtitle
_SCALE = 2.0  # pixels of a PNG for each of the chart


def sections(
    comparison: Comparison, curves_of: Sequence[Row] | None = None
) -> dict[str, list[Figure]]:
    """Every chart that the study has the axis for, by what it is about.

    Args:
        comparison: what to draw.
        curves_of: the rows whose curves are drawn; without, those worth looking at first.
    """
    return {
        "curves": curve_figures(comparison, curves_of),
        "differences": difference_figures(comparison),
        "axes": [*axis_figures(comparison), *heat_map_figures(comparison)],
    }


def all_figures(comparison: Comparison) -> list[Figure]:
    """The charts of all sections, in their order."""
    return [figure for figures in sections(comparison).values() for figure in figures]


def picture(figures: Sequence[Figure], suffix: str) -> bytes:
    """All figures in one picture.

    Args:
        figures: at least one.
        suffix: one of SUFFIXES.
    """
    chart = _stacked(figures)
    return drawn({**chart.to_dict(validate=False), "datasets": datasets(figures)}, suffix)


def drawn(spec: dict[str, Any], suffix: str) -> bytes:
    """A specification as the bytes of a .png or .svg."""
    import vl_convert

    if suffix == ".png":
        return bytes(vl_convert.vegalite_to_png(spec, scale=_SCALE))
    return str(vl_convert.vegalite_to_svg(spec)).encode()


def datasets(figures: Sequence[Figure]) -> dict[str, Values]:
    """What all charts of the figures call by name."""
    return {
        name: values
        for figure in figures
        for panel in figure.panels
        for name, values in panel.data.items()
    }


def titled(panel: Panel) -> alt.LayerChart:
    """A panel's chart with its title inside."""
    title = alt.TitleParams(panel.title, subtitle=_lines(panel.subtitle))
    chart: alt.LayerChart = panel.chart.properties(title=title)
    return chart


def _lines(text: str) -> list[str]:
    """The parts of a subtitle on as few lines as there is room for."""
    lines: list[str] = []
    for part in text.split("; "):
        if lines and len(lines[-1]) + len(part) < _LINE:
            lines[-1] += f"; {part}"
        else:
            lines.append(part)
    return lines


def _stacked(figures: Sequence[Figure]) -> alt.VConcatChart:
    rows = [alt.hconcat(*map(titled, figure.panels), spacing=60) for figure in figures]
    chart: alt.VConcatChart = (
        alt.vconcat(*rows, spacing=34)
        .resolve_scale(color="independent", strokeDash="independent")
        .properties(padding=18)
        .configure(**CONFIG)
    )
    return chart
