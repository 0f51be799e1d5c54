"""Which figures a comparison has, in the order of the page."""

from collections.abc import Sequence

from altair.utils.schemapi import debug_mode

from dropexp.compare.results import Comparison, Row
from dropexp.report.charts.axes import build_axis_figures
from dropexp.report.charts.curves import build_curve_figures
from dropexp.report.charts.differences import build_difference_figures
from dropexp.report.charts.heat_map import build_heat_map_figures
from dropexp.report.charts.panels import Figure


def build_sections(
    comparison: Comparison, curves_of: Sequence[Row] | None = None
) -> dict[str, list[Figure]]:
    """Return section of the page → its figures, those that the comparison has data for.

    Args:
        comparison: the comparison to draw.
        curves_of: the rows whose curves are drawn; None draws the featured ones.
    """
    # Altair checks each part of a chart against its schema, and again in each larger part, which
    # takes a quarter of the time to build the charts. Tests check whole charts.
    with debug_mode(False):
        return {
            "curves": build_curve_figures(comparison, curves_of),
            "differences": build_difference_figures(comparison),
            "axes": [*build_axis_figures(comparison), *build_heat_map_figures(comparison)],
        }


def build_figures(comparison: Comparison) -> list[Figure]:
    """Return the figures of all sections, in the order of the page."""
    return [figure for figures in build_sections(comparison).values() for figure in figures]
