"""Generalisation curves: training and validation over epochs, and the gap between them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import altair as alt

from dropexp.compare.highlights import (
    find_headline_context,
    select_featured_rows,
    select_rows_in_context,
)
from dropexp.compare.mean_curves import mean_curve
from dropexp.compare.results import Comparison, Row
from dropexp.report.charts.domains import (
    choose_domain,
    describe_outside,
    find_curve_extents,
)
from dropexp.report.charts.encodings import (
    encode_colour,
    encode_dash,
    encode_estimate,
    make_count_axis,
    make_metric_axis,
)
from dropexp.report.charts.labels import (
    leave_label_room,
    make_end_labels,
    measure_height,
    measure_labels,
)
from dropexp.report.charts.palette import Look, assign_looks_of
from dropexp.report.charts.panels import (
    HIDDEN,
    RULE,
    WIDTH,
    Datasets,
    Figure,
    Panel,
    Values,
    hide_settings,
    make_width_parameter,
    make_zoomable,
    name_width_parameter,
)
from dropexp.report.charts.tooltips import SETTING, Shown, make_tooltip, show_mean
from dropexp.report.wording import describe_fields, describe_means, describe_metric
from dropexp.runs.metric_types import Metric
from dropexp.runs.metrics import METRIC_REGISTRY

_MOST_EPOCHS, _MOST_POINTS = 100, 4000
"""The most points of a curve and of a panel: more are not visible and make a page large."""

_HALF_WIDTH = 350
_MOST_LABEL_ROOM = 0.58


def build_curve_figures(comparison: Comparison, rows: Sequence[Row] | None = None) -> list[Figure]:
    """Build the curves of training, validation and their gap, in loss or in accuracy.

    Args:
        comparison: the comparison to draw; its deciding metric chooses loss or accuracy.
        rows: the rows to draw; None draws the featured ones (see select_featured_rows).
    """
    labelled = select_featured_rows(comparison)
    rows = [row for row in (rows or labelled) if row.setting.completed]
    if not rows or comparison.source:
        return []
    kind = "acc" if "acc" in comparison.metric.key.split("_") else "loss"
    train, val, gap = f"train_{kind}", f"val_{kind}", f"{kind}_gap"
    values = {column: _average(comparison, rows, column) for column in (train, val, gap)}
    looks = assign_looks_of(comparison)
    looks = {row.setting.name: looks[row.setting.name] for row in rows}
    names = {row.setting.name for row in labelled}
    # Two panels side by side only where labels leave room for the curves.
    is_narrow = measure_labels(looks, names) < _MOST_LABEL_ROOM * _HALF_WIDTH
    subtitle = _describe(comparison, rows)

    def build(column: str, title: str, shown: _Shown, width: int) -> Panel:
        definition = f"{METRIC_REGISTRY[gap].meaning}; " if column == gap else ""
        about = "; ".join(filter(None, (definition + subtitle, shown.note)))
        return _build_panel(column, title, about, values[column], looks, names, shown, width)

    beside = choose_curve_domain(comparison, (values[train], values[val]), METRIC_REGISTRY[val])
    width = _HALF_WIDTH if is_narrow else WIDTH
    left = build(train, "Training over epochs", beside[0], width)
    right = build(val, "Validation over epochs", beside[1], width)
    (own,) = choose_curve_domain(comparison, (values[gap],), METRIC_REGISTRY[gap], zero=True)
    below = build(gap, "The generalisation gap over epochs", own, WIDTH)
    figures = [Figure((left, right))] if is_narrow else [Figure((left,)), Figure((right,))]
    return [*figures, Figure((below,))]


@dataclass(frozen=True)
class _Shown:
    """The ends of a y axis, and a note on what is out of view; empty for nothing."""

    limits: tuple[float, float]
    note: str


def choose_curve_domain(
    comparison: Comparison, panels: Sequence[Values], metric: Metric, *, zero: bool = False
) -> list[_Shown]:
    """Choose one axis for the curves of all panels; each panel has its own note."""
    extents: dict[str, tuple[float, float]] = {}
    ends: list[tuple[str, float | None]] = []
    early: list[dict[str, float]] = []
    for values in panels:
        own, own_early = find_curve_extents(values, metric.sign)
        for name, (low, high) in own.items():
            known = extents.get(name, (low, high))
            extents[name] = (min(low, known[0]), max(high, known[1]))
        early.append(own_early)
        ends += [
            (each["setting"], each[end])
            for each in values
            if each["setting"] not in own_early
            for end in ("low", "high")
        ]
    keep = comparison.baselines
    domain = choose_domain(
        extents, metric, intervals=ends, limits=metric.limits, keep=keep, zero=zero
    )
    low, high = domain.limits
    # The axis of both panels may have room for what is far off in one of them.
    beyond = [
        {name: value for name, value in each.items() if not low <= value <= high} for each in early
    ]
    return [
        _Shown(domain.limits, describe_outside(domain.outside, each, metric)) for each in beyond
    ]


def _average(comparison: Comparison, rows: Sequence[Row], column: str) -> Values:
    """Return the mean curve of each row as data rows, thinned so that a page stays small."""
    most = max(min(_MOST_EPOCHS, _MOST_POINTS // len(rows)), 10)
    return [
        {"setting": row.setting.name, "epoch": epoch, **encode_estimate(estimate)}
        for row in rows
        for epoch, estimate in mean_curve(row.setting, column, comparison.confidence)
        .thin(most)
        .items()
    ]


def _describe(comparison: Comparison, rows: Sequence[Row]) -> str:
    parts = [f"{describe_means(comparison, [row.n for row in rows])}, in eval mode"]
    if len(rows) < len(comparison.rows):
        parts.append(describe_fields(find_headline_context(comparison)))
    possible = [row for row in select_rows_in_context(comparison) if row.setting.completed]
    if len(rows) < len(possible):
        parts.append("the best setting of each regulariser")
    return "; ".join(filter(None, parts))


def _build_panel(
    column: str,
    title: str,
    subtitle: str,
    values: Values,
    looks: Mapping[str, Look],
    labelled: Collection[str],
    shown: _Shown,
    width: int,
) -> Panel:
    data = Datasets(column)
    metric = METRIC_REGISTRY[column]
    last = max((value["epoch"] for value in values), default=1)
    room, height = measure_labels(looks, labelled), measure_height(len(labelled))
    x = alt.X(
        "epoch:Q",
        scale=alt.Scale(
            domain=[1, max(last, 2)], range=leave_label_room(column, looks, labelled), nice=False
        ),
        **make_count_axis("epoch", f"{name_width_parameter(column)} - {room}"),
    )
    y = alt.Y(
        "mean:Q",
        title=describe_metric(metric),
        scale=alt.Scale(domain=list(shown.limits), nice=False, zero=False),
        axis=make_metric_axis(metric),
    )
    base = hide_settings(
        alt.Chart(data.add("curves", values)).encode(x=x, color=encode_colour(looks))
    )
    zero = [_draw_zero(data, x, last)] if column.endswith("_gap") else []
    band = base.mark_area(opacity=0.15, clip=True).encode(y=alt.Y("low:Q"), y2="high:Q")
    line = base.mark_line(strokeWidth=2.2, clip=True).encode(y=y, strokeDash=encode_dash(looks))
    ends = _find_ends(values, labelled, last)
    labels = [
        hide_settings(layer)
        for layer in make_end_labels(data, ends, looks, shown.limits, "epoch", height)
    ]
    still, live = (
        alt.LayerChart(layer=[*zero, band, *lines, *labels])
        .add_params(alt.param(name=HIDDEN, value=[]), make_width_parameter(column, width))
        .properties(width=width, height=height)
        for lines in ([line], [make_zoomable(line, column), _draw_hover(base, y, metric)])
    )
    return Panel(column, title, subtitle, data.values, still, live, shown.limits)


def _draw_zero(data: Datasets, x: alt.X, last: int) -> alt.Chart:
    """Draw a line at a gap of 0, from the first to the last epoch."""
    values: Values = [{"zero": 0, "epoch": 1, "to": last}]
    zero: alt.Chart = (
        alt.Chart(data.add("zero", values)).mark_rule(color=RULE).encode(x=x, x2="to:Q", y="zero:Q")
    )
    return zero


def _draw_hover(base: alt.Chart, y: alt.Y, metric: Metric) -> alt.Chart:
    """Draw a dot at the epoch nearest to the pointer, with a tooltip of its numbers."""
    nearest = alt.selection_point(
        name=f"{metric.key}_near", on="pointerover", nearest=True, empty=False, clear="pointerout"
    )
    dots: alt.Chart = (
        base.mark_point(filled=True, size=55, clip=True)
        .encode(
            y=y,
            opacity=alt.condition(nearest, alt.value(1), alt.value(0)),
            tooltip=make_tooltip(SETTING, Shown("epoch", "epoch"), *show_mean(metric)),
        )
        .add_params(nearest)
    )
    return dots


def _find_ends(
    values: Values, labelled: Collection[str], last: int
) -> dict[str, dict[str, object]]:
    """Return setting → the data row at the end of its curve, for each labelled curve.

    All labels stand at the last epoch: beside a curve that early stopping ended, a label would
    hide other curves.
    """
    return {
        value["setting"]: {**value, "epoch": last}
        for value in values
        if value["mean"] is not None and value["setting"] in labelled
    }
