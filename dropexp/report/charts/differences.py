"""Paired differences: one dot for each seed, their mean and its interval, and a line at 0."""

import altair as alt

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
        f"one dot for each seed; mean with {comparison.confidence:.0%} interval; "
        f"{side} of 0 is {metric.improvement}",
        data.values,
        _draw(comparison, rows, data),
    )
    return [Figure((panel,))]


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
    metric = comparison.metric
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
    x = alt.X(
        "mean:Q",
        title=f"difference in {describe_metric(metric)}",
        scale=alt.Scale(zero=True),
        axis=make_metric_axis(metric, is_difference=True, grid=False),
    )
    number = number_format(metric, is_difference=True)
    zero = (
        alt.Chart(data.add("zero", [{"zero": 0}]))
        .mark_rule(color=RULE, strokeDash=[4, 3])
        .encode(x="zero:Q")
    )
    seeds = (
        alt.Chart(data.add("seeds", _list_seeds(rows)))
        .mark_circle(size=46, opacity=0.45)
        .encode(
            y=y,
            x=alt.X("difference:Q"),
            color=colour,
            yOffset=alt.value(_ROW_PIXELS * 0.8),
            tooltip=[
                alt.Tooltip("setting:N"),
                alt.Tooltip("seed:Q"),
                alt.Tooltip("difference:Q", format=number),
            ],
        )
    )
    texts = [{**each, "text": looks[each["setting"]].text} for each in means]
    labels = (
        alt.Chart(data.add("names", texts))
        .mark_text(align="left", dx=2, dy=-_NAME_PIXELS)
        .encode(y=y, x=alt.value(0), text="setting:N", color=encode_text_colour())
    )
    mean = alt.Chart(data.add("means", means)).encode(y=y, color=colour)
    interval = mean.mark_rule(strokeWidth=3).encode(x=alt.X("low:Q"), x2="high:Q")
    tooltip = [
        alt.Tooltip("setting:N"),
        *make_difference_tooltips(metric),
        alt.Tooltip("verdict:N"),
    ]
    diamond = mean.mark_point(filled=True, size=95, shape="diamond", opacity=1).encode(
        x=x, tooltip=tooltip
    )
    chart: alt.LayerChart = alt.LayerChart(
        layer=[zero, seeds, labels, interval, diamond]
    ).properties(width=WIDTH, height=_ROW_PIXELS * len(names))
    return chart
