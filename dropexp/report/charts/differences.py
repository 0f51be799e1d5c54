"""Paired differences: one dot for each seed, their mean and its interval, and a line at 0."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import altair as alt

from dropexp.compare.method_of_test import name_interval
from dropexp.compare.results import Comparison, Row
from dropexp.report.charts.difference_axis import choose_difference_domain
from dropexp.report.charts.domains import Domain, describe_outside, format_far
from dropexp.report.charts.encodings import (
    encode_colour,
    encode_estimate,
    encode_text_colour,
    make_metric_axis,
    number_format,
    round_digits,
)
from dropexp.report.charts.labels import measure_name
from dropexp.report.charts.palette import assign_looks_of
from dropexp.report.charts.panels import (
    RULE,
    WIDTH,
    Datasets,
    Figure,
    Panel,
    Values,
    make_width_parameter,
    name_width_parameter,
)
from dropexp.report.charts.tooltips import SETTING, Shown, make_tooltip, show_difference
from dropexp.report.phrases import describe_baseline
from dropexp.report.wording import LEAST_SEEDS, describe_metric
from dropexp.runs.metric_types import Metric

_NAME = "differences"
_ROW_PIXELS, _ROW_PIXELS_OF_MANY, _MANY = 34, 28, 12
_ROW_PIXELS_OF_TWO_LINES = 42
"""A row's height where its name stands above its dots."""
_SEEDS_AT = 0.8  # of a row's height
_LEAST_PLOT = 280
"""Names stand left of the plot where they leave it so many pixels; a phone has no room."""
_MOST_ROWS = 24
"""The most rows of one panel, which a printed page must hold."""
_NAME_PIXELS = 13
"""How far a setting's name stands above its mean where there is no room beside it."""


@dataclass(frozen=True)
class _Names:
    """The names of the settings: left of the plot, or above each row's dots in a narrow chart.

    Attributes:
        panel: the name of the panel.
        pixels: the longest name takes, with a gap.
    """

    panel: str
    pixels: int

    @property
    def least_width(self) -> int:
        """The pixels of a chart beyond which the names stand left of the plot."""
        return self.pixels + _LEAST_PLOT

    @property
    def is_beside(self) -> str:
        """An expression of Vega's: whether the names stand left of the plot."""
        return f"({name_width_parameter(self.panel)} > {self.least_width})"

    @property
    def plot_range(self) -> list[Any]:
        """The ends of the plot in the chart, pixels."""
        start = {"expr": f"{self.is_beside} ? {self.pixels} : 0"}
        return [start, {"expr": name_width_parameter(self.panel)}]

    def choose_row_pixels(self, rows: int) -> int:
        """Return the height of a row in a chart of the usual width."""
        if self.least_width >= WIDTH:
            return _ROW_PIXELS_OF_TWO_LINES
        return _ROW_PIXELS if rows <= _MANY else _ROW_PIXELS_OF_MANY


def build_difference_figures(
    comparison: Comparison, only: Collection[str] | None = None
) -> list[Figure]:
    """Build the figures of paired differences, the best first; none if no row has a baseline.

    Args:
        comparison: the comparison to draw.
        only: the names of the settings to draw; None for all.
    """
    rows = [
        row
        for row in comparison.rows
        if row.difference is not None and (only is None or row.setting.name in only)
    ]
    if not rows:
        return []
    rows.sort(key=lambda row: _rank(row, comparison.metric))
    domain = choose_difference_domain(comparison, rows)
    parts = math.ceil(len(rows) / _MOST_ROWS)
    size = math.ceil(len(rows) / parts)
    return [
        Figure((_build_panel(comparison, rows[part * size :][:size], domain, part, parts),))
        for part in range(parts)
    ]


def _rank(row: Row, metric: Metric) -> float:
    assert row.difference is not None
    value = metric.sign * row.difference.value
    return math.inf if math.isnan(value) else value


def _build_panel(
    comparison: Comparison, rows: list[Row], domain: Domain, part: int, parts: int
) -> Panel:
    metric = comparison.metric
    side = "left" if metric.sign > 0 else "right"
    name = f"{_NAME}_{part + 1}" if part else _NAME
    data = Datasets(name)
    outside = {row.setting.name for row in rows} & domain.outside.keys()
    note = describe_outside({each: domain.outside[each] for each in outside}, {}, metric)
    names = _Names(name, max(measure_name(row.setting.name) for row in rows))
    return Panel(
        name,
        f"Paired differences in {describe_metric(metric)} against {_name_baseline(comparison)}"
        f"{f' ({part + 1} of {parts})' if parts > 1 else ''}",
        f"{_describe_dots(comparison, rows)}; {side} of 0 is {metric.improvement}"
        f"{_describe_margin(comparison)}{note and f'; {note}'}",
        data.values,
        _draw(comparison, rows, data, domain, names),
        narrow=(names.least_width, _ROW_PIXELS_OF_TWO_LINES * len(rows)),
    )


def _name_baseline(comparison: Comparison) -> str:
    compared = [row for row in comparison.rows if row.difference is not None]
    if len({row.baseline for row in compared}) == 1:
        return compared[0].baseline or ""
    names = {describe_baseline(comparison, row) for row in compared}
    return f"{names.pop()}, everything else equal" if len(names) == 1 else "each one's baseline"


def _describe_dots(comparison: Comparison, rows: list[Row]) -> str:
    if all(len(row.pairs) <= 1 for row in rows):
        return "one seed"
    interval = f"{name_interval(comparison)}{_describe_missing_intervals(rows)}"
    return f"one dot for each seed; mean with {interval}"


def _describe_missing_intervals(rows: list[Row]) -> str:
    differences = [row.difference for row in rows if row.difference is not None]
    if any(math.isinf(each.low) for each in differences):
        return ", which needs four seeds"
    is_short = any(0 < each.n < LEAST_SEEDS for each in differences)
    return ", drawn from three seeds on" if is_short else ""


def _describe_margin(comparison: Comparison) -> str:
    margin = comparison.rule.margin
    return "" if margin is None else f"; grey is within ±{comparison.metric.describe_size(margin)}"


def _list_means(rows: list[Row], domain: Domain) -> Values:
    """Return the data rows of the means; ``at``, ``from`` and ``to`` are what the axis shows."""
    values = []
    for row in rows:
        if row.difference is None:
            continue
        estimate = row.difference
        shown = encode_estimate(estimate)
        start, end = (
            None
            if shown[each] is None
            else min(max(shown[each], domain.limits[0]), domain.limits[1])
            for each in ("low", "high")
        )
        is_drawn = start is not None and end is not None and start < end
        values.append(
            {
                "setting": row.setting.name,
                "verdict": row.verdict,
                **shown,
                "at": round_digits(estimate.value) if _is_shown(estimate.value, domain) else None,
                "from": start if is_drawn else None,
                "to": end if is_drawn else None,
            }
        )
    return values


def _is_shown(value: float | None, domain: Domain) -> bool:
    return value is not None and domain.limits[0] <= value <= domain.limits[1]


def _list_seeds(rows: list[Row], domain: Domain) -> Values:
    return [
        {
            "setting": row.setting.name,
            "seed": pair.seed,
            "difference": round_digits(pair.difference),
        }
        for row in rows
        for pair in row.pairs
        if _is_shown(pair.difference, domain)
    ]


def _draw(
    comparison: Comparison, rows: list[Row], data: Datasets, domain: Domain, column: _Names
) -> alt.LayerChart:
    means = _list_means(rows, domain)
    names = [value["setting"] for value in means]
    looks = assign_looks_of(comparison)
    colour = encode_colour({name: looks[name] for name in names})
    y = alt.Y(
        "setting:N",
        sort=names,
        title=None,
        scale=alt.Scale(type="band", padding=0),
        axis=alt.Axis(labels=False, domain=False, ticks=False, grid=True),
    )
    zero = (
        alt.Chart(data.add("zero", [{"zero": 0}]))
        .mark_rule(color=RULE, strokeDash=[4, 3])
        .encode(x="zero:Q")
    )
    below = y.copy().bandPosition(_SEEDS_AT)
    seeds = alt.Chart(data.add("seeds", _list_seeds(rows, domain))).encode(y=below, color=colour)
    texts = [{**each, "text": looks[each["setting"]].text} for each in means]
    names_of = alt.Chart(data.add("names", texts)).encode(y=y, x=alt.value(0), text="setting:N")
    dy = alt.expr(f"{column.is_beside} ? 0 : -{_NAME_PIXELS}")
    place: dict[str, Any] = {"align": "left", "dx": 2, "dy": dy, "limit": 0}
    labels = names_of.mark_text(**place).encode(color=encode_text_colour())
    # It covers the line at 0 and no dot. The page's style sheet knows it by its name.
    halo = names_of.mark_text(**place, stroke="white", strokeWidth=4, color="white")
    halo = halo.properties(name="halo")
    mean = alt.Chart(data.add("means", means)).encode(y=y, color=colour)
    interval = mean.mark_rule(strokeWidth=3, clip=True).encode(x=alt.X("from:Q"), x2="to:Q")
    layers = [
        *_draw_margin(comparison, data),
        zero,
        halo,
        _draw_seeds(seeds, comparison.metric),
        labels,
        interval,
        _draw_means(mean, comparison.metric, domain, column),
        *_draw_outside(rows, data, domain, comparison.metric, y),
        *_draw_missing(rows, data, y, domain),
    ]
    chart: alt.LayerChart = (
        alt.LayerChart(layer=layers)
        .add_params(make_width_parameter(column.panel))
        .properties(width=WIDTH, height=column.choose_row_pixels(len(names)) * len(names))
    )
    return chart


def _draw_outside(
    rows: list[Row], data: Datasets, domain: Domain, metric: Metric, y: alt.Y
) -> list[alt.Chart]:
    """Draw an arrow with the mean at the axis's end, for each setting that is out of view."""
    low, high = domain.limits
    values = []
    for row in rows:
        mean = math.nan if row.difference is None else row.difference.value
        if row.setting.name in domain.outside and not low <= mean <= high:
            is_right = mean > high
            number = f"{'+' if is_right else '−'}{format_far(abs(mean), metric)}"
            text = f"{number} →" if is_right else f"← {number}"
            edge = high if is_right else low
            values.append({"setting": row.setting.name, "edge": edge, "text": text})
    if not values:
        return []
    is_right = values[0]["edge"] == high
    arrows = alt.Chart(data.add("outside", values)).mark_text(
        align="right" if is_right else "left", dx=-2 if is_right else 2, color=RULE
    )
    return [arrows.encode(y=y, x="edge:Q", text="text:N")]


def _draw_missing(rows: list[Row], data: Datasets, y: alt.Y, domain: Domain) -> list[alt.Chart]:
    """Write why a row is empty, for each setting without a difference to draw."""
    text = {"text": "no seed in which both runs completed", "edge": domain.limits[0]}
    values = [
        {"setting": row.setting.name, **text}
        for row in rows
        if row.difference is not None and math.isnan(row.difference.value)
    ]
    if not values:
        return []
    texts = alt.Chart(data.add("missing", values)).mark_text(
        align="left", dx=2, dy=4, color=RULE, fontStyle="italic"
    )
    return [texts.encode(y=y, x="edge:Q", text="text:N")]


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
    dots: alt.Chart = base.mark_circle(size=46, opacity=0.45, clip=True).encode(
        x=alt.X("difference:Q"),
        tooltip=make_tooltip(
            SETTING, Shown("seed", "seed"), Shown("difference", "difference", number)
        ),
    )
    return dots


def _draw_means(base: alt.Chart, metric: Metric, domain: Domain, column: _Names) -> alt.Chart:
    """Draw a diamond at each mean difference, with the axis of differences."""
    x = alt.X(
        "at:Q",
        title=f"difference in {describe_metric(metric)}",
        scale=alt.Scale(domain=list(domain.limits), nice=False, range=column.plot_range),
        axis=make_metric_axis(metric, is_difference=True, grid=False),
    )
    tooltip = make_tooltip(SETTING, *show_difference(metric), Shown("verdict", "verdict"))
    diamonds: alt.Chart = base.mark_point(
        filled=True, size=95, shape="diamond", opacity=1, clip=True
    ).encode(x=x, tooltip=tooltip)
    return diamonds
