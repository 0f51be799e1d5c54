"""What every chart consists of: figures, panels, data sets, and the style of pictures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import altair as alt

WIDTH, HEIGHT = 760, 250
"""The size in pixels of a panel that is alone in its row. Two panels share the width."""

RULE = "#80868d"
"""The grey of axes and of lines at 0, which is visible on white and on black."""

HIDDEN = "hidden"
"""The Vega parameter with the names of the settings that the reader has hidden."""

_WIDTH_SUFFIX = "_across"

CONFIG: dict[str, Any] = {
    "background": "white",
    "font": "system-ui, 'Liberation Sans', Helvetica, Arial, sans-serif",
    "axis": {
        "labelFontSize": 12,
        "titleFontSize": 12.5,
        "titleFontWeight": "normal",
        "titlePadding": 8,
        "gridColor": "#e3e5e8",
        "domainColor": RULE,
        "tickColor": RULE,
    },
    "title": {"fontSize": 15, "subtitleFontSize": 12, "anchor": "start", "subtitlePadding": 4},
    "text": {"fontSize": 12},
    "view": {"stroke": None},
}
"""Vega-Lite's config for pictures. The page's style sheet overrides the colours."""

Values = list[dict[str, Any]]
"""The rows of a data set, as Vega-Lite reads them."""


@dataclass(frozen=True)
class Panel:
    """One chart with its title and its data."""

    name: str  # an identifier, unique in a comparison
    title: str
    subtitle: str
    data: Mapping[str, Values]  # the data sets that the chart refers to by name
    chart: alt.LayerChart
    live: alt.LayerChart | None = None  # the interactive chart, where it has more layers
    limits: tuple[float, float] | None = None  # of the y axis, where lines have labels
    narrow: tuple[int, int] | None = None  # up to this width, the page draws it so high, in pixels


@dataclass(frozen=True)
class Figure:
    """Panels that are read together: side by side where there is room."""

    panels: tuple[Panel, ...]


class Datasets:
    """The named data sets of one panel.

    Data inside an Altair chart is copied by every method call, so charts refer to it by name.

    Args:
        panel: the panel's name, the prefix of its data sets' names.
    """

    def __init__(self, panel: str) -> None:
        self._panel = panel
        self.values: dict[str, Values] = {}

    def add(self, name: str, values: Values) -> alt.NamedData:
        """Add a data set and return a reference to it for a chart."""
        full_name = f"{self._panel}_{name}"
        self.values[full_name] = values
        return alt.NamedData(name=full_name)


def name_width_parameter(panel: str) -> str:
    """Return the name of the Vega parameter that holds a panel's width in pixels.

    Vega's own ``width`` is wrong for a chart that is a part of a larger picture.
    """
    return panel + _WIDTH_SUFFIX


def make_width_parameter(panel: str, width: int = WIDTH) -> alt.Parameter:
    """Make the parameter of a panel's width; a page replaces its value by the real width."""
    return alt.param(name=name_width_parameter(panel), value=width)


def hide_settings(chart: alt.Chart) -> alt.Chart:
    """Return the chart without the settings that the reader has hidden."""
    shown: alt.Chart = chart.transform_filter(f"indexof({HIDDEN}, datum.setting) < 0")
    return shown


def make_zoomable(chart: alt.Chart, name: str) -> alt.Chart:
    """Return the chart with zooming and panning while Ctrl is held; else the page scrolls."""
    is_held = "event.ctrlKey || event.metaKey"
    zoomable: alt.Chart = chart.add_params(
        alt.selection_interval(
            name=f"{name}_zoom",
            bind="scales",
            zoom=f"wheel![{is_held}]",
            translate=f"[pointerdown[{is_held}], window:pointerup] > window:pointermove!",
        )
    )
    return zoomable
