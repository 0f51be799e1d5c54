"""The metric against p, training-set size, label noise or any other axis of numbers."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from dropexp.compare.highlights import (
    MOST_CURVES,
    find_classic_strengths,
    find_context_axes,
    find_headline_context,
    select_featured_rows,
    select_rows_in_context,
)
from dropexp.compare.results import Comparison, Row
from dropexp.compare.settings import Setting
from dropexp.config.setting import P_KEY
from dropexp.report.charts.encodings import encode_estimate
from dropexp.report.charts.lines import NumericAxis, build_line_panel
from dropexp.report.charts.palette import Look, assign_looks
from dropexp.report.charts.panels import Figure, Panel
from dropexp.report.wording import (
    describe_epoch,
    describe_field,
    describe_fields,
    describe_means,
    describe_metric,
)
from dropexp.runs.metric_types import Metric
from dropexp.runs.metrics import METRIC_REGISTRY

_MEMORISED = METRIC_REGISTRY["noisy_label_acc"]

_LOG_FROM, _LOG_FROM_OF_SIZES = 30, 4
"""An axis of positive numbers is logarithmic if the last is so many times the first."""


def build_axis_figures(comparison: Comparison) -> list[Figure]:
    """Build a figure for each axis with at least two numbers."""
    metric = comparison.metric
    panels = []
    if len({row.setting.p for row in _select_regularised(comparison)}) > 1:
        panels.append(_build_p_panel(comparison))
    for key, values in find_context_axes(comparison).items():
        if len(_sort_numbers(values)) > 1:
            panels.append(_build_axis_panel(comparison, key, metric))
            if key == "data.label_noise" and _is_measured(comparison, _MEMORISED):
                panels.append(_build_axis_panel(comparison, key, _MEMORISED))
    for key, classic in find_classic_strengths(comparison).items():
        panels.append(_build_axis_panel(comparison, key, metric, classic))
    return [Figure((panel,)) for panel in panels]


def _select_regularised(comparison: Comparison) -> list[Row]:
    """Return the rows that have a p; the chart against p shows the others as levels."""
    return [
        row
        for row in select_rows_in_context(comparison)
        if row.setting.has_regulariser and comparison.metric.key in row.estimates
    ]


def _is_measured(comparison: Comparison, metric: Metric) -> bool:
    return any(metric.key in row.estimates for row in comparison.rows)


def _sort_numbers(values: Iterable[Any]) -> list[float]:
    return sorted(
        float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)
    )


def _build_p_panel(comparison: Comparison) -> Panel:
    metric = comparison.metric
    rows = [row for row in select_rows_in_context(comparison) if metric.key in row.estimates]
    regularised = _select_regularised(comparison)
    places = sorted({row.setting.p for row in regularised})
    return build_line_panel(
        "p",
        f"{_title(metric)} against p",
        _describe(comparison, rows, metric),
        metric=metric,
        axis=NumericAxis(describe_field(P_KEY), places, ".2~f"),
        looks=_assign_looks_to_kinds(rows),
        points=[_make_point(row, row.setting.kind, row.setting.p, metric) for row in regularised],
        keep=comparison.baselines,
        levels=[
            {
                "setting": row.setting.kind,
                **encode_estimate(row.estimates[metric.key]),
            }
            for row in rows
            if not row.setting.has_regulariser
        ],
    )


def _assign_looks_to_kinds(rows: Iterable[Row]) -> dict[str, Look]:
    """Give each kind of regulariser one look, labelled without p."""
    first: dict[str, Setting] = {}
    for row in rows:
        first.setdefault(row.setting.kind, row.setting)
    of_setting = assign_looks(list(first.values()))
    return {kind: replace(of_setting[setting.name], label=kind) for kind, setting in first.items()}


def _build_axis_panel(comparison: Comparison, key: str, metric: Metric, classic: str = "") -> Panel:
    """Build the panel of one axis.

    Args:
        comparison: the comparison to draw.
        key: the config field on the x axis.
        metric: the metric on the y axis.
        classic: the classic whose strength the field is, if any; labels leave it out.
    """
    rows = [
        replace(row, setting=row.setting.without_classics([classic]))
        for row in select_rows_in_context(comparison, without=key)
        if metric.key in row.estimates and _sort_numbers([row.setting.fields.get(key)])
    ]
    shown = _select_lines(comparison, rows, classic)
    is_part, rows = len(shown) < len(rows), shown
    points = [
        _make_point(row, row.setting.label, float(row.setting.fields[key]), metric) for row in rows
    ]
    places = sorted({point["x"] for point in points})
    lines: dict[str, Setting] = {}
    for row in rows:
        lines.setdefault(row.setting.label, row.setting)
    looks = assign_looks(list(lines.values()))
    return build_line_panel(
        f"{key.replace('.', '_')}_{metric.key}",
        f"{_title(metric)} against {describe_field(key)}",
        _describe(comparison, rows, metric, without=key, is_part=is_part),
        metric=metric,
        axis=NumericAxis(
            describe_field(key), places, _choose_tick_format(key, places), _is_log(key, places)
        ),
        looks={label: looks[setting.name] for label, setting in lines.items()},
        points=points,
        keep=comparison.baselines,
    )


def _select_lines(comparison: Comparison, rows: list[Row], classic: str) -> list[Row]:
    """Return the rows of all lines if they are few, else those of the best of each regulariser."""
    if len({row.setting.label for row in rows}) <= MOST_CURVES:
        return rows
    featured = {
        row.setting.without_classics([classic]).label for row in select_featured_rows(comparison)
    }
    return [row for row in rows if row.setting.label in featured] or rows


def _choose_tick_format(key: str, places: Sequence[float]) -> str:
    if "noise" in key:
        return ".2~%"
    # Without a number of digits, d3 takes one that suits the distance between ticks: 0.001 is 0.
    smallest = min((abs(place) for place in places if place), default=1.0)
    return ",.6~f" if smallest >= 1e-4 else ".3~g"


def _is_log(key: str, places: Sequence[float]) -> bool:
    least = _LOG_FROM_OF_SIZES if key == "data.train_size" else _LOG_FROM
    return places[0] > 0 and places[-1] >= least * places[0]


def _make_point(row: Row, line: str, x: float, metric: Metric) -> dict[str, Any]:
    return {
        "setting": line,
        "name": row.setting.name,
        "x": x,
        "value": x,  # stays when points are shifted
        **encode_estimate(row.estimates[metric.key]),
    }


def _title(metric: Metric) -> str:
    if metric is _MEMORISED:
        return "Memorisation"
    name = describe_metric(metric)
    return name[0].upper() + name[1:]


def _describe(
    comparison: Comparison,
    rows: Sequence[Row],
    metric: Metric,
    without: str = "",
    *,
    is_part: bool = False,
) -> str:
    """Return what the points are, and the values of the axes that the chart holds fixed."""
    if metric is _MEMORISED:
        when = "; on training images with a wrong label"
    else:
        when = f", {describe_epoch(comparison)}"
    fixed = describe_fields(find_headline_context(comparison, without))
    part = "; the best setting of each regulariser" if is_part else ""
    return f"{describe_means(comparison, rows)}{when}{fixed and f'; {fixed}'}{part}"
