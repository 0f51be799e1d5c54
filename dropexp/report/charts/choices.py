"""The charts that ``--chart`` names, and the overview without it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dropexp.compare.highlights import find_numeric_axes, select_featured_rows
from dropexp.compare.results import Comparison
from dropexp.errors import UserError
from dropexp.report.charts.axes import build_axis_figures
from dropexp.report.charts.curves import build_curve_figures
from dropexp.report.charts.differences import build_difference_figures
from dropexp.report.charts.fit import build_fit_panel
from dropexp.report.charts.heat_map import build_heat_map_figures
from dropexp.report.charts.pairs import build_pair_figures
from dropexp.report.charts.panels import Figure
from dropexp.report.charts.pictures import Grid

_COLUMNS = 2


@dataclass(frozen=True, slots=True)
class ChartKind:
    """A chart that can be asked for by name.

    Attributes:
        build: builds its figures; none where a comparison has nothing to show in it. Its second
            argument is the field on the x axis, for charts that leave the choice; empty for none.
        needs: what a comparison must have for it, as the object of a sentence.
        section: of the page, in which it stands.
    """

    build: Callable[[Comparison, str], list[Figure]]
    needs: str
    section: str


def _build_fit_figures(comparison: Comparison, x: str) -> list[Figure]:
    keys = [x] if x else find_numeric_axes(comparison)
    return [Figure((build_fit_panel(comparison, key),)) for key in keys]


_RUN = "a completed run whose epochs are known"
_PAIRED = "a setting with a baseline on the same seeds"

CHART_KINDS: Mapping[str, ChartKind] = {
    "curves": ChartKind(lambda each, _: build_curve_figures(each)[:-1], _RUN, "curves"),
    "gap": ChartKind(lambda each, _: build_curve_figures(each)[-1:], _RUN, "curves"),
    "differences": ChartKind(
        lambda each, _: build_difference_figures(each), _PAIRED, "differences"
    ),
    "strength": ChartKind(
        lambda each, _: build_axis_figures(each),
        "settings that differ in p or in another number",
        "axes",
    ),
    "axis": ChartKind(
        _build_fit_figures, "settings that differ in a number, such as model.width", "axes"
    ),
    "heatmap": ChartKind(
        lambda each, _: build_heat_map_figures(each),
        "several regularisers at several values of p or of another field",
        "axes",
    ),
    "answer": ChartKind(lambda each, _: build_pair_figures(each), _PAIRED, "differences"),
}
"""Name of a chart → how it is built."""


def build_chosen(comparison: Comparison, charts: Sequence[str], x: str = "") -> list[Figure]:
    """Return the figures of the named charts, in the order of the names.

    Args:
        comparison: the comparison to draw.
        charts: names of CHART_KINDS.
        x: the field on the x axis of the chart ``axis``; empty for all fields that have numbers.

    Raises:
        UserError: a chart has nothing to draw; it names what it needs, and what can be drawn. Or x
            is no field in which the settings differ by numbers.
    """
    numeric = find_numeric_axes(comparison)
    if x and x not in numeric:
        known = f"These are: {', '.join(numeric)}." if numeric else "There is no such field."
        raise UserError(
            f"--x {x} is not a field in which these settings differ by numbers. {known}"
        )
    chosen = []
    for name in dict.fromkeys(charts):
        kind = CHART_KINDS[name]
        figures = kind.build(comparison, x)
        if not figures:
            possible = [each for each, other in CHART_KINDS.items() if other.build(comparison, "")]
            raise UserError(
                f"--chart {name} has nothing to draw: it needs {kind.needs}. These runs have: "
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
