"""A panel that shows a metric as lines over an axis of numbers, a line for each regulariser."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from dropexp.report.charts.encodings import (
    encode_colour,
    encode_dash,
    make_mean_tooltips,
    make_metric_axis,
    pad_domain,
)
from dropexp.report.charts.labels import leave_label_room, make_end_labels
from dropexp.report.charts.palette import Look
from dropexp.report.charts.panels import (
    HEIGHT,
    RULE,
    WIDTH,
    Datasets,
    Panel,
    Values,
    make_width_parameter,
)
from dropexp.report.wording import describe_metric
from dropexp.runs.metric_types import Metric

_OFFSET = 0.007
"""The distance between the points of two lines at one place, as a share of the axis."""


@dataclass(frozen=True)
class NumericAxis:
    """The x axis of a line panel."""

    title: str
    places: Sequence[float]  # the values in the study, ascending
    tick_format: str  # in d3's grammar
    is_logarithmic: bool = False

    @property
    def limits(self) -> tuple[float, float]:
        """The ends of the axis."""
        if self.is_logarithmic:
            return self.places[0], self.places[-1]
        return pad_domain(self.places)


def build_line_panel(
    name: str,
    title: str,
    subtitle: str,
    *,
    metric: Metric,
    axis: NumericAxis,
    looks: Mapping[str, Look],
    points: Values,
    levels: Values | None = None,
) -> Panel:
    """Build a panel of lines, with the name of each line at its right end.

    Args:
        name: the panel's name.
        title: the panel's title.
        subtitle: what the points are, and what is held fixed.
        metric: the metric on the y axis.
        axis: the x axis.
        looks: line → look.
        points: data rows with the line as ``setting``, the setting's ``name``, ``x``, and the
            fields of encode_estimate.
        levels: data rows without an ``x``, drawn as lines over the whole axis; the interval of
            the first one is drawn as a band.
    """
    data = Datasets(name)
    levels = levels or []
    x = _encode_x(name, axis, looks)
    y = alt.Y(
        "mean:Q",
        title=describe_metric(metric),
        scale=alt.Scale(zero=False),
        axis=make_metric_axis(metric),
    )
    tooltip = [
        alt.Tooltip("name:N", title="setting"),
        *make_mean_tooltips(metric),
    ]
    shifted = _shift_points(points, axis, list(dict.fromkeys(each["setting"] for each in points)))
    lines = alt.Chart(data.add("lines", shifted)).encode(x=x, color=encode_colour(looks))
    limits = pad_domain(
        [each[key] for each in (*points, *levels) for key in ("mean", "low", "high")],
        metric.limits,
    )
    layers = [
        *_layer_levels(data, levels, axis, looks),
        lines.mark_rule(strokeWidth=1.6, opacity=0.8).encode(y=alt.Y("low:Q"), y2="high:Q"),
        lines.mark_line(strokeWidth=2.2).encode(y=y, strokeDash=encode_dash(looks)),
        lines.mark_point(filled=True, size=60, opacity=1).encode(y=y, tooltip=tooltip),
        make_end_labels(data, _find_ends(shifted, levels, axis), looks, limits, "x"),
    ]
    chart = (
        alt.LayerChart(layer=layers)
        .add_params(make_width_parameter(name))
        .properties(width=WIDTH, height=HEIGHT)
    )
    return Panel(name, title, subtitle, data.values, chart)


def _encode_x(name: str, axis: NumericAxis, looks: Mapping[str, Look]) -> alt.X:
    scale: dict[str, Any] = {"type": "log"} if axis.is_logarithmic else {"zero": False}
    room = leave_label_room(name, looks, looks)
    return alt.X(
        "x:Q",
        title=axis.title,
        scale=alt.Scale(
            domain=list(axis.limits),
            range=room,
            nice=False,
            **scale,
        ),
        axis=alt.Axis(grid=False, values=list(axis.places), format=axis.tick_format),
    )


def _shift_points(points: Values, axis: NumericAxis, lines: Sequence[str]) -> Values:
    """Return the points, those of each line shifted so that no interval hides another."""
    if axis.is_logarithmic:
        return points
    step = _OFFSET * (axis.places[-1] - axis.places[0])
    shifts = {line: step * (rank - (len(lines) - 1) / 2) for rank, line in enumerate(lines)}
    return [{**point, "x": point["x"] + shifts[point["setting"]]} for point in points]


def _layer_levels(
    data: Datasets, levels: Values, axis: NumericAxis, looks: Mapping[str, Look]
) -> list[alt.Chart]:
    """Make the layers of estimates without an x: a line each, and a band for the first."""
    if not levels:
        return []
    low, high = axis.limits
    values = [{**level, "from": low, "to": high} for level in levels]
    band, rules = (
        alt.Chart(data.add(name, each)).encode(x=alt.X("from:Q"), x2="to:Q")
        for name, each in (("level", values[:1]), ("levels", values))
    )
    return [
        band.mark_rect(color=RULE, opacity=0.18).encode(y=alt.Y("low:Q"), y2="high:Q"),
        rules.mark_rule(strokeWidth=2).encode(y=alt.Y("mean:Q"), color=encode_colour(looks)),
    ]


def _find_ends(points: Values, levels: Values, axis: NumericAxis) -> dict[str, dict[str, Any]]:
    """Return line → the data row at its right end; a level ends at the end of the axis."""
    rows = [*points, *({**level, "x": axis.limits[1]} for level in levels)]
    known = [row for row in rows if row["mean"] is not None]
    return {row["setting"]: row for row in sorted(known, key=lambda row: row["x"])}
