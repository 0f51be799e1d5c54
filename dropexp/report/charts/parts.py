"""What the charts share: panels, encodings, where labels go."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from dropexp.report.charts.palette import Look
from dropexp.statistics import Estimate

WIDTH, HEIGHT = 760, 250
"""Of a panel alone in its row, in pixels; two share the width."""

RULE = "#80868d"
"""The grey of axes and of lines at 0, which shows on white and on black."""

_LETTER_PIXELS, _LABEL_AWAY = 6.6, 8

ACROSS = "_across"
"""The end of the name of a parameter that is the width of a panel."""

HIDDEN = "hidden"
"""The parameter with the names of the settings that a reader has switched off."""

CONFIG: dict[str, Any] = {
    "background": "white",
    "font": "system-ui, 'Liberation Sans', Helvetica, Arial, sans-serif",
    "axis": {
        "labelFontSize": 12,
        "titleFontSize": 12.5,
        "titleFontWeight": "normal",
        "gridColor": "#e3e5e8",
        "domainColor": RULE,
        "tickColor": RULE,
    },
    "title": {"fontSize": 15, "subtitleFontSize": 12, "anchor": "start", "subtitlePadding": 4},
    "text": {"fontSize": 12},
    "view": {"stroke": None},
}
"""The look of charts in files; the page's style sheet sets colours of its own."""

Values = list[dict[str, Any]]


@dataclass(frozen=True)
class Panel:
    """One chart that stands by itself."""

    name: str  # a word, unique in a study
    title: str
    subtitle: str
    data: Mapping[str, Values]  # what the charts call by name
    chart: alt.LayerChart
    live: alt.LayerChart | None = None  # the same with what needs a pointer, where that is more


@dataclass(frozen=True)
class Figure:
    """Panels that are looked at together, side by side where there is room."""

    panels: tuple[Panel, ...]


class Datasets:
    """The rows behind a panel's charts, by name; rows inside a chart are copied at every step.

    Args:
        panel: the panel's name, which its data sets' names begin with.
    """

    def __init__(self, panel: str) -> None:
        self._panel = panel
        self.values: dict[str, Values] = {}

    def __call__(self, name: str, values: Values) -> alt.NamedData:
        """Keep the rows under a name, and give what a chart refers to them by."""
        full_name = f"{self._panel}_{name}"
        self.values[full_name] = values
        return alt.NamedData(name=full_name)


def plain(value: float, digits: int = 4) -> float | None:
    """A number as JSON has it, rounded to significant digits; None where it is not finite."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def spread(estimate: Estimate, digits: int = 4) -> dict[str, Any]:
    """The columns that a dot with an interval needs."""
    return {
        "mean": plain(estimate.value, digits),
        "low": plain(estimate.low, digits),
        "high": plain(estimate.high, digits),
        "n": estimate.n,
    }


def colours(looks: Mapping[str, Look]) -> alt.Color:
    """Setting → colour. Labels and axes name the settings, so that no chart needs a legend."""
    return alt.Color(
        "setting:N",
        scale=alt.Scale(domain=list(looks), range=[look.colour for look in looks.values()]),
        legend=None,
    )


def dashes(looks: Mapping[str, Look]) -> alt.StrokeDash:
    """Setting → dash."""
    return alt.StrokeDash(
        "setting:N",
        scale=alt.Scale(domain=list(looks), range=[list(look.dash) for look in looks.values()]),
        legend=None,
    )


def text_colours() -> alt.Color:
    """The colour of words, from the column ``text``."""
    return alt.Color("text:N", scale=None, legend=None)


def layered(*layers: alt.Chart) -> alt.LayerChart:
    """Charts on top of each other, the first at the bottom."""
    chart: alt.LayerChart = alt.LayerChart(layer=list(layers))
    return chart


def without_hidden(chart: alt.Chart) -> alt.Chart:
    """The chart without the settings that a reader has switched off."""
    shown: alt.Chart = chart.transform_filter(f"indexof({HIDDEN}, datum.setting) < 0")
    return shown


def zoomable(chart: alt.Chart, name: str) -> alt.Chart:
    """The chart with zoom and shift by mouse while Ctrl is down, so that the page still scrolls."""
    held = "event.ctrlKey || event.metaKey"
    moved: alt.Chart = chart.add_params(
        alt.selection_interval(
            name=f"{name}_zoom",
            bind="scales",
            zoom=f"wheel![{held}]",
            translate=f"[pointerdown[{held}], window:pointerup] > window:pointermove!",
        )
    )
    return moved


def spaced(places: Sequence[float], least: float, lowest: float) -> list[float]:
    """The places moved apart until no two are nearer than ``least``, and as little as can be.

    Args:
        places: where labels should be, in any order.
        least: distance between neighbours, in the places' unit.
        lowest: nothing goes below it; half a label above the edge, which would cut it.

    Returns:
        Where they can be, in the same order.
    """
    order = sorted(range(len(places)), key=lambda index: places[index])
    # Groups of labels that touch, each around the mean of where its members want to be.
    groups: list[list[int]] = []
    for index in order:
        groups.append([index])
        while len(groups) > 1 and _start(groups[-1], places, least) < least + _start(
            groups[-2], places, least
        ) + least * (len(groups[-2]) - 1):
            last = groups.pop()
            groups[-1] += last
    found = [0.0] * len(places)
    free = lowest
    for group in groups:
        start = max(_start(group, places, least), free)
        for rank, index in enumerate(group):
            found[index] = start + rank * least
        free = start + len(group) * least
    return found


def _start(group: Sequence[int], places: Sequence[float], least: float) -> float:
    middle = sum(places[index] for index in group) / len(group)
    return middle - least * (len(group) - 1) / 2


def across(panel: str, width: int) -> alt.Parameter:
    """A panel's width as a parameter, which a page sets to what there is room for.

    Vega's own ``width`` is not that of a chart among others in a picture.
    """
    return alt.param(name=panel + ACROSS, value=width)


def beside_labels(panel: str, looks: Mapping[str, Look], named: Collection[str]) -> list[Any]:
    """The range of an x scale that leaves room for the labels at the right end.

    Room inside the chart: Vega forgets words outside it when the chart's data change.
    """
    return [0, {"expr": f"{panel}{ACROSS} - {label_room(looks, named)}"}]


def label_room(looks: Mapping[str, Look], named: Collection[str]) -> int:
    """The pixels that the longest of the labels needs."""
    longest = max((len(looks[name].label) for name in named if name in looks), default=0)
    return round(longest * _LETTER_PIXELS) + _LABEL_AWAY + 4


def end_label(base: alt.Chart) -> alt.Chart:
    """The mark of words that stand to the right of a line's end."""
    words: alt.Chart = base.mark_text(align="left", dx=_LABEL_AWAY)
    return words


def domain(values: Sequence[float | None], *, zero: bool = False) -> tuple[float, float]:
    """An axis that just holds the values, with a little room at both ends."""
    known = [value for value in values if value is not None] + ([0.0] if zero else [])
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    room = (high - low) * 0.04 or abs(high) * 0.1 or 1.0
    return low - (0 if zero and low == 0 else room), high + room
