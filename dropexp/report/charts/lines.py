"""A panel that shows a metric as lines over an axis of numbers, a line for each regulariser."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import altair as alt

from dropexp.report.charts.domains import Domain, choose_domain, describe_outside
from dropexp.report.charts.encodings import (
    encode_colour,
    encode_dash,
    make_metric_axis,
    pad_domain,
)
from dropexp.report.charts.labels import leave_label_room, make_end_labels, measure_height
from dropexp.report.charts.palette import Look
from dropexp.report.charts.panels import (
    RULE,
    WIDTH,
    Datasets,
    Panel,
    Values,
    make_width_parameter,
)
from dropexp.report.charts.tooltips import Shown, make_tooltip, show_mean
from dropexp.report.wording import describe_metric
from dropexp.runs.metric_types import Metric

_OFFSET = 0.007
"""The distance between the points of two lines at one place, as a share of the axis."""
_LOG_ROOM = 0.04  # at each end of a logarithmic axis, as a share of it


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
            room = (self.places[-1] / self.places[0]) ** _LOG_ROOM
            return self.places[0] / room, self.places[-1] * room
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
    keep: Collection[str] = (),
    marks: Values | None = None,
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
            fields of encode_estimate; results on training images name the line of the metric as
            ``beside`` and the setting as ``of``, and are in view where the setting is.
        levels: data rows without an ``x``, drawn as lines over the whole axis; the interval of
            the first one is drawn as a band.
        keep: names of settings that are in view unless they are far worse than the others.
        marks: data rows with a line as ``setting`` and an ``x``, each a vertical line.
    """
    data = Datasets(name)
    levels = levels or []
    domain = _choose_domain(points, levels, metric, keep)
    note = describe_outside(domain.outside, {}, metric)
    shifted = _shift_points(points, axis)
    ends = _find_ends(shifted, levels, axis)
    height = measure_height(len(ends))
    layers = [
        *_layer_levels(data, levels, axis, looks),
        *_layer_marks(data, marks or [], looks),
        *_layer_lines(data, shifted, metric, domain, _encode_x(name, axis, looks), looks),
        *_layer_outside(data, shifted, domain, looks, metric),
        *make_end_labels(data, ends, looks, domain.limits, "x", height),
    ]
    chart = (
        alt.LayerChart(layer=layers)
        .add_params(make_width_parameter(name))
        .properties(width=WIDTH, height=height)
    )
    about = "; ".join(filter(None, (subtitle, note)))
    return Panel(name, title, about, data.values, chart, limits=domain.limits)


def _choose_domain(points: Values, levels: Values, metric: Metric, keep: Collection[str]) -> Domain:
    known = {
        each.get("name", each["setting"]): each
        for each in (*points, *levels)
        if each["mean"] is not None and "beside" not in each
    }
    domain = choose_domain(
        {name: (each["mean"], each["mean"]) for name, each in known.items()},
        metric,
        intervals=[(name, each[end]) for name, each in known.items() for end in ("low", "high")],
        limits=metric.limits,
        keep=keep,
    )
    training = [
        each["mean"] for each in points if "beside" in each and each["of"] not in domain.outside
    ]
    if not training:
        return domain
    # Of numbers at the limit, such as a training error of 0, the axis cuts no dot in half.
    return replace(domain, limits=pad_domain([*domain.limits, *training]))


def _layer_lines(
    data: Datasets,
    points: Values,
    metric: Metric,
    domain: Domain,
    x: alt.X,
    looks: Mapping[str, Look],
) -> list[alt.Chart]:
    """Make the layers of intervals, lines and points."""
    y = alt.Y(
        "mean:Q",
        title=describe_metric(metric),
        scale=alt.Scale(domain=list(domain.limits), nice=False, zero=False),
        axis=make_metric_axis(metric),
    )
    tooltip = make_tooltip(Shown("setting", "name"), *show_mean(metric))
    lines = alt.Chart(data.add("lines", points)).encode(x=x, color=encode_colour(looks))
    return [
        lines.mark_rule(strokeWidth=1.6, opacity=0.8, clip=True).encode(
            y=alt.Y("low:Q"), y2="high:Q"
        ),
        lines.mark_line(strokeWidth=2.2, clip=True).encode(y=y, strokeDash=encode_dash(looks)),
        lines.mark_point(filled=True, size=60, opacity=1, clip=True).encode(y=y, tooltip=tooltip),
    ]


def _layer_outside(
    data: Datasets, points: Values, domain: Domain, looks: Mapping[str, Look], metric: Metric
) -> list[alt.Chart]:
    """Make the layer of arrows at the axis's end, one for each point that is out of view."""
    low, high = domain.limits
    outside = [
        {**point, "edge": high if point["mean"] > high else low}
        for point in points
        if point["mean"] is not None and not low <= point["mean"] <= high
    ]
    if not outside:
        return []
    is_up = outside[0]["edge"] == high
    arrows = alt.Chart(data.add("outside", outside)).mark_point(
        filled=True,
        size=90,
        opacity=1,
        shape="triangle-up" if is_up else "triangle-down",
        yOffset=6 if is_up else -6,
    )
    return [
        arrows.encode(
            x="x:Q",
            y="edge:Q",
            color=encode_colour(looks),
            tooltip=make_tooltip(Shown("setting", "name"), *show_mean(metric)),
        )
    ]


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


def _shift_points(points: Values, axis: NumericAxis) -> Values:
    """Return the points, those of each line shifted so that no interval hides another."""
    lines = list(dict.fromkeys(each["setting"] for each in points if "beside" not in each))
    shifts = {line: _OFFSET * (rank - (len(lines) - 1) / 2) for rank, line in enumerate(lines)}
    low, high = axis.places[0], axis.places[-1]

    def shift(x: float, share: float) -> float:
        return x * (high / low) ** share if axis.is_logarithmic else x + share * (high - low)

    return [
        {**point, "x": shift(point["x"], shifts[point.get("beside", point["setting"])])}
        for point in points
    ]


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
        band.mark_rect(color=RULE, opacity=0.18, clip=True).encode(y=alt.Y("low:Q"), y2="high:Q"),
        rules.mark_rule(strokeWidth=2).encode(y=alt.Y("mean:Q"), color=encode_colour(looks)),
    ]


def _layer_marks(data: Datasets, marks: Values, looks: Mapping[str, Look]) -> list[alt.Chart]:
    """Make the layer of vertical lines, each in the colour of its line."""
    if not marks:
        return []
    rules = alt.Chart(data.add("marks", marks)).mark_rule(strokeWidth=1.4, strokeDash=[6, 4])
    return [rules.encode(x="x:Q", color=encode_colour(looks))]


def _find_ends(points: Values, levels: Values, axis: NumericAxis) -> dict[str, dict[str, Any]]:
    """Return line → the data row at its right end; a level ends at the end of the axis.

    The labels of all lines that end at one place stand below each other, beside the last point.
    """
    last = axis.limits[1]
    ends = {place: max(p["x"] for p in points if p["value"] == place) for place in axis.places}
    ends[axis.places[-1]] = last
    rows = [
        *({**point, "point": point["x"], "x": ends[point["value"]]} for point in points),
        *({**level, "x": last} for level in levels),
    ]
    known = [row for row in rows if row["mean"] is not None]
    return {row["setting"]: row for row in sorted(known, key=lambda row: row["x"])}
