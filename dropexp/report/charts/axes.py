"""The metric against p, training-set size, label noise or any other axis of numbers."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from dropexp.compare.highlights import (
    find_classic_strengths,
    find_numeric_axes,
    select_rows_in_context,
)
from dropexp.compare.results import Comparison, Row
from dropexp.compare.settings import Setting
from dropexp.config.setting import P_KEY
from dropexp.report.charts.axis_rows import describe_points, make_point, select_axis_rows
from dropexp.report.charts.encodings import encode_estimate
from dropexp.report.charts.fit import build_fit_panel
from dropexp.report.charts.lines import NumericAxis, build_line_panel
from dropexp.report.charts.palette import Look, assign_looks
from dropexp.report.charts.panels import Figure, Panel
from dropexp.report.wording import describe_epoch, describe_field, describe_metric
from dropexp.runs.metric_types import Metric
from dropexp.runs.metrics import METRIC_REGISTRY

_MEMORISED = METRIC_REGISTRY["noisy_label_acc"]

_OF_SIZE = "model."
"""The fields along which the network grows: the training error is drawn beside the metric."""


def build_axis_figures(comparison: Comparison) -> list[Figure]:
    """Build a figure for each axis with at least two numbers."""
    metric = comparison.metric
    panels = []
    if len({row.setting.p for row in _select_regularised(comparison)}) > 1:
        panels.append(_build_p_panel(comparison))
    for key in find_numeric_axes(comparison):
        if key.startswith(_OF_SIZE):
            panels.append(build_fit_panel(comparison, key))
        else:
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
        points=[
            make_point(row, row.setting.kind, row.setting.p, row.estimates[metric.key])
            for row in regularised
        ],
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
    drawn = select_axis_rows(comparison, key, metric, classic)
    return build_line_panel(
        f"{key.replace('.', '_')}_{metric.key}",
        f"{_title(metric)} against {describe_field(key)}",
        _describe(comparison, drawn.rows, metric, without=key, is_part=drawn.is_part),
        metric=metric,
        axis=drawn.axis,
        looks=drawn.looks,
        points=[
            make_point(row, row.setting.label, drawn.place(row), row.estimates[metric.key])
            for row in drawn.rows
        ],
        keep=comparison.baselines,
    )


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
    return describe_points(comparison, rows, when, without, is_part=is_part)
