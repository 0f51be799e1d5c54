"""Paired differences: one dot for each seed, their mean and its interval, and a line at 0."""

import math

import altair as alt

from dropexp.compare.method_of_test import name_interval
from dropexp.compare.results import Comparison, Row
from dropexp.report.charts.encodings import (
    encode_colour,
    encode_estimate,
    encode_text_colour,
    make_difference_tooltips,
    make_metric_axis,
    number_format,
    round_digits,
)
from dropexp.report.charts.palette import assign_looks
from dropexp.report.charts.panels import RULE, WIDTH, Datasets, Figure, Panel, Values
from dropexp.report.wording import describe_metric
from dropexp.runs.metric_types import Metric

_NAME = "differences"
_ROW_PIXELS = 42
_NAME_PIXELS = 13
"""How far a setting's name stands above its dots: a phone has no room beside them."""


def build_difference_figures(comparison: Comparison) -> list[Figure]:
    """Build the figure of paired differences; none if no row has a baseline."""
    rows = [row for row in comparison.rows if row.difference is not None]
    if not rows:
        return []
    metric = comparison.metric
    baselines = {row.baseline for row in rows}
    baseline = baselines.pop() if len(baselines) == 1 else "its baseline"
    side = "left" if metric.sign > 0 else "right"
    data = Datasets(_NAME)
    panel = Panel(
        _NAME,
        f"Paired differences in {describe_metric(metric)} against {baseline}",
        f"one dot for each seed; mean with {name_interval(comparison)}"
        f"{_describe_missing_intervals(rows)}; {side} of 0 is {metric.improvement}"
        f"{_describe_margin(comparison)}",
        data.values,
        _draw(comparison, rows, data),
    )
    return [Figure((panel,))]


def _describe_missing_intervals(rows: list[Row]) -> str:
    is_short = any(row.difference is not None and math.isinf(row.difference.low) for row in rows)
    return ", which needs four seeds" if is_short else ""


def _describe_margin(comparison: Comparison) -> str:
    margin = comparison.rule.margin
    return "" if margin is None else f"; grey is within ±{comparison.metric.describe_size(margin)}"


def _list_means(rows: list[Row]) -> Values:
    return [
        {
            "setting": row.setting.name,
            "verdict": row.verdict,
            **encode_estimate(row.difference),
        }
        for row in rows
        if row.difference is not None
    ]


def _list_seeds(rows: list[Row]) -> Values:
    return [
        {
            "setting": row.setting.name,
            "seed": pair.seed,
            "difference": round_digits(pair.difference),
        }
        for row in rows
        for pair in row.pairs
    ]


def _draw(comparison: Comparison, rows: list[Row], data: Datasets) -> alt.LayerChart:
    means = _list_means(rows)
    names = [value["setting"] for value in means]
    looks = assign_looks([row.setting for row in comparison.rows])
    colour = encode_colour({name: looks[name] for name in names})
    y = alt.Y(
        "setting:N",
        sort=names,
        title=None,
        axis=alt.Axis(labels=False, domain=False, ticks=False, grid=True),
    )
    zero = (
        alt.Chart(data.add("zero", [{"zero": 0}]))
        .mark_rule(color=RULE, strokeDash=[4, 3])
        .encode(x="zero:Q")
    )
    seeds = alt.Chart(data.add("seeds", _list_seeds(rows))).encode(y=y, color=colour)
    texts = [{**each, "text": looks[each["setting"]].text} for each in means]
    labels = (
        alt.Chart(data.add("names", texts))
        .mark_text(align="left", dx=2, dy=-_NAME_PIXELS)
        .encode(y=y, x=alt.value(0), text="setting:N", color=encode_text_colour())
    )
    mean = alt.Chart(data.add("means", means)).encode(y=y, color=colour)
    interval = mean.mark_rule(strokeWidth=3).encode(x=alt.X("low:Q"), x2="high:Q")
    layers = [
        *_draw_margin(comparison, data),
        zero,
        _draw_seeds(seeds, comparison.metric),
        labels,
        interval,
        _draw_means(mean, comparison.metric),
    ]
    chart: alt.LayerChart = alt.LayerChart(layer=layers).properties(
        width=WIDTH, height=_ROW_PIXELS * len(names)
    )
    return chart


def _draw_margin(comparison: Comparison, data: Datasets) -> list[alt.Chart]:
    """Draw what is practically equal as a band; nothing without a margin."""
    margin = comparison.rule.margin
    if margin is None:
        return []
    band = alt.Chart(data.add("margin", [{"from": -margin, "to": margin}]))
    return [band.mark_rect(color=RULE, opacity=0.18).encode(x="from:Q", x2="to:Q")]


def _draw_seeds(base: alt.Chart, metric: Metric) -> alt.Chart:
    """Draw a dot for each seed, below the name of its setting."""
    number = number_format(metric, is_difference=True)
    dots: alt.Chart = base.mark_circle(size=46, opacity=0.45).encode(
        x=alt.X("difference:Q"),
        yOffset=alt.value(_ROW_PIXELS * 0.8),
        tooltip=[
            alt.Tooltip("setting:N"),
            alt.Tooltip("seed:Q"),
            alt.Tooltip("difference:Q", format=number),
        ],
    )
    return dots


def _draw_means(base: alt.Chart, metric: Metric) -> alt.Chart:
    """Draw a diamond at each mean difference, with the axis of differences."""
    x = alt.X(
        "mean:Q",
        title=f"difference in {describe_metric(metric)}",
        scale=alt.Scale(zero=True),
        axis=make_metric_axis(metric, is_difference=True, grid=False),
    )
    tooltip = [
        alt.Tooltip("setting:N"),
        *make_difference_tooltips(metric),
        alt.Tooltip("verdict:N"),
    ]
    diamonds: alt.Chart = base.mark_point(filled=True, size=95, shape="diamond", opacity=1).encode(
        x=x, tooltip=tooltip
    )
    return diamonds
