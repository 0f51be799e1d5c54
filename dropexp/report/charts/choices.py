"""The charts that ``--chart`` names, and the overview without it."""

from collections.abc import Callable, Mapping, Sequence

from dropexp.compare.highlights import select_featured_rows
from dropexp.compare.results import Comparison
from dropexp.errors import UserError
from dropexp.report.charts.axes import build_axis_figures
from dropexp.report.charts.curves import build_curve_figures
from dropexp.report.charts.differences import build_difference_figures
from dropexp.report.charts.heat_map import build_heat_map_figures
from dropexp.report.charts.pairs import build_pair_figures
from dropexp.report.charts.panels import Figure
from dropexp.report.charts.pictures import Grid

_COLUMNS = 2

BUILDERS: Mapping[str, Callable[[Comparison], list[Figure]]] = {
    "curves": lambda comparison: build_curve_figures(comparison)[:-1],
    "gap": lambda comparison: build_curve_figures(comparison)[-1:],
    "differences": build_difference_figures,
    "strength": build_axis_figures,
    "heatmap": build_heat_map_figures,
    "answer": build_pair_figures,
}
"""Name of a chart → what builds its figures."""

_NEEDS = {
    "curves": "a completed run",
    "gap": "a completed run",
    "differences": "a setting with a baseline on the same seeds",
    "strength": "settings that differ in p or in another number",
    "heatmap": "several regularisers at several values of p or of another field",
    "answer": "a setting with a baseline on the same seeds",
}


def build_chosen(comparison: Comparison, charts: Sequence[str]) -> list[Figure]:
    """Return the figures of the named charts, in the order of the names.

    Raises:
        UserError: a chart has nothing to draw; it names what it needs, and what can be drawn.
    """
    chosen = []
    for name in dict.fromkeys(charts):
        figures = BUILDERS[name](comparison)
        if not figures:
            possible = [each for each, build in BUILDERS.items() if build(comparison)]
            raise UserError(
                f"--chart {name} has nothing to draw: it needs {_NEEDS[name]}. These runs have: "
                f"{', '.join(possible) or 'nothing to draw, because no run completed'}."
            )
        chosen += figures
    return chosen


def build_overview(comparison: Comparison) -> Grid:
    """Return the curves, their gap and the paired differences, in two columns.

    The differences are those of the settings whose curves are drawn.
    """
    featured = {row.setting.name for row in select_featured_rows(comparison)}
    panels = [
        panel
        for figure in (
            *build_curve_figures(comparison),
            *build_difference_figures(comparison, only=featured)[:1],
        )
        for panel in figure.panels
    ]
    return [panels[start : start + _COLUMNS] for start in range(0, len(panels), _COLUMNS)]
