"""Paired differences: one dot a seed, the mean and its interval, beside the line of none."""

import altair as alt

from dropexp.compare.results import Comparison
from dropexp.report.charts.palette import looks
from dropexp.report.charts.parts import (
    RULE,
    WIDTH,
    Datasets,
    Figure,
    Panel,
    Values,
    colours,
    layered,
    plain,
    spread,
    text_colours,
)
from dropexp.report.charts.words import is_share, number_format, quantity

_NAME = "differences"
_ROW_PIXELS = 42
_NAME_ABOVE = 13  # pixels: names stand above their dots, as beside them a phone has no room


def difference_figures(comparison: Comparison) -> list[Figure]:
    """One figure, or none where nothing was compared with a baseline."""
    compared = [row for row in comparison.rows if row.difference is not None]
    if not compared:
        return []
    means: Values = []
    dots: Values = []
    for row in compared:
        name = row.setting.name
        assert row.difference is not None
        means.append({"setting": name, "verdict": row.verdict, **spread(row.difference)})
        dots += [
            {"setting": name, "seed": pair.seed, "difference": plain(pair.difference)}
            for pair in row.pairs
        ]
    metric = comparison.metric
    better = "left" if metric.sign > 0 else "right"
    baselines = dict.fromkeys(row.baseline for row in compared)
    against = next(iter(baselines)) if len(baselines) == 1 else "its baseline"
    title = f"Paired differences in {quantity(metric)} to {against}"
    about = (
        f"a dot for each seed; mean and {comparison.confidence:.0%} interval; "
        f"{'better' if metric.is_result else 'smaller'} is {better} of 0"
    )
    data, chart = _drawn(comparison, means, dots)
    return [Figure((Panel(_NAME, title, about, data.values, chart),))]


def _drawn(comparison: Comparison, means: Values, dots: Values) -> tuple[Datasets, alt.LayerChart]:
    names = [value["setting"] for value in means]
    data = Datasets(_NAME)
    metric = comparison.metric.value
    look = looks([row.setting for row in comparison.rows])
    color = colours({name: look[name] for name in names})
    y = alt.Y(
        "setting:N",
        sort=names,
        title=None,
        axis=alt.Axis(labels=False, domain=False, ticks=False, grid=True),
    )
    ticks = "+.1%" if is_share(metric) else "+"
    x = alt.X(
        "mean:Q",
        title=f"difference in {quantity(metric)}",
        scale=alt.Scale(zero=True),
        axis=alt.Axis(format=ticks, grid=False, tickCount=6),
    )
    form = number_format(metric, is_difference=True)
    whole = alt.Chart(data("means", means)).encode(y=y, color=color)
    numbers = [
        alt.Tooltip("setting:N"),
        alt.Tooltip("mean:Q", title="difference", format=form),
        alt.Tooltip("low:Q", title="interval from", format=form),
        alt.Tooltip("high:Q", title="to", format=form),
        alt.Tooltip("n:Q", title="pairs"),
        alt.Tooltip("verdict:N"),
    ]
    seeds = (
        alt.Chart(data("seeds", dots))
        .mark_circle(size=46, opacity=0.45)
        .encode(
            y=y,
            x=alt.X("difference:Q"),
            color=color,
            yOffset=alt.value(_ROW_PIXELS * 0.8),
            tooltip=[
                alt.Tooltip("setting:N"),
                alt.Tooltip("seed:Q"),
                alt.Tooltip("difference:Q", format=form),
            ],
        )
    )
    chart = layered(
        alt.Chart(data("zero", [{"zero": 0}]))
        .mark_rule(color=RULE, strokeDash=[4, 3])
        .encode(x="zero:Q"),
        seeds,
        alt.Chart(data("names", [{**each, "text": look[each["setting"]].text} for each in means]))
        .mark_text(align="left", dx=2, dy=-_NAME_ABOVE)
        .encode(y=y, x=alt.value(0), text="setting:N", color=text_colours()),
        whole.mark_rule(strokeWidth=3).encode(x=alt.X("low:Q"), x2="high:Q"),
        whole.mark_point(filled=True, size=95, shape="diamond", opacity=1).encode(
            x=x, tooltip=numbers
        ),
    )
    height = _ROW_PIXELS * len(names)
    return data, chart.properties(width=WIDTH, height=height)
