"""Learning curves on logarithmic axes: means with intervals, the fitted laws and their bands."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from dropexp.compare.learning.results import (
    CurvePoint,
    LearningCurve,
    LearningCurves,
    Worth,
    WorthBounds,
)
from dropexp.compare.learning.sentences import describe_worth
from dropexp.report.charts.encodings import encode_colour, encode_dash, round_digits
from dropexp.report.charts.labels import leave_label_room, make_end_labels, measure_height
from dropexp.report.charts.palette import Look, assign_looks
from dropexp.report.charts.panels import (
    WIDTH,
    Datasets,
    Figure,
    Panel,
    Values,
    make_width_parameter,
)
from dropexp.report.charts.tooltips import SETTING, Shown, make_tooltip
from dropexp.report.wording import LEAST_SEEDS, describe_epoch, describe_means
from dropexp.runs.metric_types import Unit

_NAME = "learning_curves"
_HEIGHT = 340  # pixels
_LOG_ROOM = 0.04  # at each end of an axis, as a share of it
_DIGITS = 6
_BELOW = 1e-9
_LEAST_LENGTH = 0.1  # of an axis that intervals may double, in powers of 10
_WORTH = "#33383d"  # the colour of the line from a regulariser to its baseline


def build_learning_figures(curves: LearningCurves) -> list[Figure]:
    """Build the figure of learning curves.

    The y axis holds the logarithm of what is shown, on a linear scale: labels at the ends of lines
    are placed on linear scales.
    """
    shown = [curve for curve in curves.curves if curve.points]
    looks = _assign_looks(shown)
    data = Datasets(_NAME)
    points = [point for curve in shown for point in _encode_points(curves, curve)]
    bands = [row for curve in shown for row in _encode_band(curve)]
    limits = _find_limits([*points, *bands])
    sizes = sorted({point["x"] for point in points})
    x = _encode_x(sizes, looks)
    y = alt.Y(
        "mean:Q",
        title=_title(curves),
        scale=alt.Scale(domain=list(limits), nice=False, zero=False),
        axis=_make_log_axis(limits),
    )
    ends = {curve.name: _find_end(curve, points, bands) for curve in shown}
    height = max(measure_height(len(ends)), _HEIGHT)
    layers = [
        *_layer_bands(data, bands, x, y, looks),
        *_layer_points(data, points, x, y, looks, curves.quantity),
        *_layer_worth(data, curves, x),
        *make_end_labels(data, ends, looks, limits, "x", height),
    ]
    chart = (
        alt.LayerChart(layer=layers)
        .add_params(make_width_parameter(_NAME))
        .properties(width=WIDTH, height=height)
    )
    about = (
        f"{describe_means(curves.comparison, [point['n'] for point in points])}, "
        f"{describe_epoch(curves.comparison)}; lines: a + b · n^(−c)"
        f"{' with its bootstrap band' if any(row['low'] is not None for row in bands) else ''}"
    )
    title = f"{curves.quantity.capitalize()} against training images"
    return [Figure((Panel(_NAME, title, about, data.values, chart, limits=limits),))]


def _assign_looks(curves: Sequence[LearningCurve]) -> dict[str, Look]:
    of_setting = assign_looks([curve.setting for curve in curves])
    looks = {}
    for curve in curves:
        look = of_setting[curve.setting.name]
        looks[curve.name] = Look(look.colour, look.text, look.dash, curve.name)
    return looks


def _title(curves: LearningCurves) -> str:
    return curves.quantity + ("" if curves.metric.unit is Unit.FRACTION else " (nats)")


def _to_log(value: float) -> float | None:
    """Return the logarithm to base 10; of 0 one below every axis, None where there is none."""
    if not (math.isfinite(value) and value >= 0):
        return None
    return round_digits(math.log10(max(value, _BELOW)), _DIGITS)


def _encode_points(curves: LearningCurves, curve: LearningCurve) -> Values:
    def describe(point: CurvePoint) -> str:
        ends = find_ends(point)
        interval = "" if math.nan in ends else f" [{', '.join(map(curves.format, ends))}]"
        return f"{curves.format(point.result.value)}{interval}"

    def find_ends(point: CurvePoint) -> tuple[float, float]:
        result = point.result
        is_drawn = result.n >= LEAST_SEEDS and math.isfinite(result.high - result.low)
        return (result.low, result.high) if is_drawn else (math.nan, math.nan)

    def find_worth(point: CurvePoint) -> str | None:
        worth = curve.worth_at(point.size)
        return None if worth is None else describe_worth(worth)

    return [
        {
            "setting": curve.name,
            "x": point.size,
            "mean": _to_log(point.result.value),
            "low": _to_log(find_ends(point)[0]),
            "high": _to_log(find_ends(point)[1]),
            "result": describe(point),
            "worth": find_worth(point),
            "n": point.result.n,
        }
        for point in curve.points
    ]


def _encode_band(curve: LearningCurve) -> Values:
    band = curve.band
    if band is None:
        return []
    columns = (band.sizes, band.fitted, band.low, band.high)
    return [
        {
            "setting": curve.name,
            "x": round_digits(size, _DIGITS),
            "mean": _to_log(fitted),
            "low": _to_log(low),
            "high": _to_log(high),
        }
        for size, fitted, low, high in zip(*(c.tolist() for c in columns), strict=True)
    ]


def _find_limits(rows: Values) -> tuple[float, float]:
    """Return the ends of the y axis; intervals extend it at most by its own length at each end."""
    means = [row["mean"] for row in rows if row["mean"] is not None]
    low, high = min(means, default=0.0), max(means, default=1.0)
    length = max(high - low, _LEAST_LENGTH)
    ends = [row[key] for row in rows for key in ("low", "high") if row[key] is not None]
    low = min([low, *(max(end, low - length) for end in ends)])
    high = max([high, *(min(end, high + length) for end in ends)])
    room = (high - low) * _LOG_ROOM or 0.1
    return low - room, high + room


def _find_end(curve: LearningCurve, points: Values, bands: Values) -> Mapping[str, Any]:
    """Return the data row at the right end of a curve, of its law where it has one."""
    rows = [row for row in (bands if curve.band else points) if row["setting"] == curve.name]
    known = [row for row in rows if row["mean"] is not None]
    return max(known, key=lambda row: row["x"]) if known else {"x": 1.0, "mean": 0.0}


def _encode_x(sizes: Sequence[float], looks: Mapping[str, Look]) -> alt.X:
    room = (sizes[-1] / sizes[0]) ** _LOG_ROOM
    return alt.X(
        "x:Q",
        title="training images",
        scale=alt.Scale(
            type="log",
            domain=[sizes[0] / room, sizes[-1] * room],
            range=leave_label_room(_NAME, looks, looks),
            nice=False,
        ),
        axis=alt.Axis(grid=False, values=list(sizes), format=",d", labelOverlap="greedy"),
    )


def _make_log_axis(limits: tuple[float, float]) -> alt.Axis:
    """Return an axis of logarithms whose ticks are round numbers: 1, 2 and 5 times powers of 10.

    An axis that is too short for three of them gets more.
    """
    powers = range(math.floor(limits[0]), math.ceil(limits[1]) + 1)
    ticks: list[float] = []
    for steps in ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8), tuple(k / 10 for k in range(10, 100, 2))):
        values = [math.log10(step) + power for power in powers for step in steps]
        ticks = [value for value in values if limits[0] <= value <= limits[1]]
        if len(ticks) >= 3:
            break
    return alt.Axis(values=ticks, labelExpr="format(pow(10, datum.value), '.3~g')")


def _layer_bands(
    data: Datasets, bands: Values, x: alt.X, y: alt.Y, looks: Mapping[str, Look]
) -> list[alt.Chart]:
    chart = alt.Chart(data.add("bands", bands)).encode(x=x)
    areas = chart.transform_filter("isValid(datum.low) && isValid(datum.high)")
    return [
        areas.mark_area(opacity=0.15, clip=True).encode(
            y=alt.Y("low:Q"), y2="high:Q", color=encode_colour(looks)
        ),
        chart.mark_line(strokeWidth=2.2, clip=True).encode(
            y=y, color=encode_colour(looks), strokeDash=encode_dash(looks)
        ),
    ]


def _layer_points(
    data: Datasets, points: Values, x: alt.X, y: alt.Y, looks: Mapping[str, Look], quantity: str
) -> list[alt.Chart]:
    tooltip = make_tooltip(
        SETTING,
        Shown("training images", "x", ",d"),
        Shown(quantity, "result"),
        Shown("worth, in images", "worth"),
        Shown("seeds", "n"),
    )
    chart = alt.Chart(data.add("points", points)).encode(x=x, color=encode_colour(looks))
    return [
        chart.mark_rule(strokeWidth=1.4, opacity=0.7, clip=True)
        .encode(y=alt.Y("low:Q"), y2="high:Q")
        .transform_filter("isValid(datum.low) && isValid(datum.high)"),
        chart.mark_point(filled=True, size=50, opacity=1, clip=True).encode(y=y, tooltip=tooltip),
    ]


def _layer_worth(data: Datasets, curves: LearningCurves, x: alt.X) -> list[alt.Chart]:
    """Make the layer of what each regulariser is worth at the chosen size: a line to the baseline.

    Only a worth with both ends is drawn.
    """
    rows = []
    for curve in curves.curves:
        worth = curve.worth_at(curves.answer_size)
        if worth is None or worth.bounds is not WorthBounds.BOTH or curve.law is None:
            continue
        law = curve.law
        level = _to_log(law.a + law.b * worth.size**-law.c.value)
        rows.append({"x": worth.size, "to": _find_reached(worth), "level": level})
    if not rows:
        return []
    chart = alt.Chart(data.add("worth", rows)).encode(x=x, x2="to:Q", y="level:Q")
    return [chart.mark_rule(strokeWidth=2.2, strokeDash=[2, 3], color=_WORTH)]


def _find_reached(worth: Worth) -> float:
    return min(max(worth.size + worth.value, worth.size + worth.least), worth.size + worth.most)
