"""The metric beside the same on the training images, against the size of a network or another axis.

An accuracy is drawn as an error, as the literature on double descent does. Where a network fits its
training labels from a size on, that size is marked.
"""

from collections.abc import Mapping
from dataclasses import replace

from dropexp.compare.interpolation import FITTED_ERROR, find_threshold
from dropexp.compare.results import Comparison, Row
from dropexp.report.charts.axis_rows import (
    AxisRows,
    describe_points,
    make_point,
    select_axis_rows,
)
from dropexp.report.charts.lines import build_line_panel
from dropexp.report.charts.palette import Look, fade
from dropexp.report.charts.panels import Panel, Values
from dropexp.report.wording import describe_epoch, describe_field
from dropexp.runs.metric_types import Direction, Metric, Unit
from dropexp.statistics import Estimate

_ON_TRAINING_IMAGES = {
    "test_acc": "train_acc",
    "val_acc": "train_acc",
    "test_loss": "train_loss",
    "val_loss": "train_loss",
}
"""Metric → the same on the training images."""


def build_fit_panel(comparison: Comparison, key: str) -> Panel:
    """Build the panel of the comparison's metric, and of its training counterpart, against a field.

    Args:
        comparison: the comparison to draw.
        key: the field on the x axis, which has at least two numbers.
    """
    metric = comparison.metric
    drawn = select_axis_rows(comparison, key, metric)
    points, looks = _list_points(drawn, metric)
    errors = _list_training_errors(drawn)
    thresholds = {line: find_threshold(of_line) for line, of_line in errors.items()}
    marks = {line: x for line, x in thresholds.items() if x is not None}
    when = f", {describe_epoch(comparison)}"
    about = describe_points(comparison, drawn.rows, when, key, is_part=drawn.is_part)
    if errors:
        about += f"; {_describe_thresholds(marks, is_alone=len(drawn.looks) == 1)}"
    shown = _describe(metric, has_training=len(looks) > len(drawn.looks))
    return build_line_panel(
        f"fit_{key.replace('.', '_')}",
        f"{shown[:1].upper()}{shown[1:]} against {describe_field(key)}",
        about,
        metric=_to_drawn_metric(metric),
        axis=drawn.axis,
        looks=looks,
        points=points,
        keep=comparison.baselines,
        marks=[{"setting": line, "x": x} for line, x in marks.items()],
    )


def _list_points(drawn: AxisRows, metric: Metric) -> tuple[Values, dict[str, Look]]:
    """Return the points of all lines, and line → look; a line on training images is beside each."""
    training = _ON_TRAINING_IMAGES.get(metric.key)
    points: Values = []
    looks = dict(drawn.looks)
    for row in drawn.rows:
        line, x = row.setting.label, drawn.place(row)
        points.append(make_point(row, line, x, _read(row, metric.key)))
        if training is not None and training in row.estimates:
            beside = f"{line}, training"
            looks[beside] = fade(drawn.looks[line], beside)
            point = make_point(row, beside, x, _read(row, training))
            name = f"{row.setting.name}, training images"
            points.append({**point, "name": name, "beside": line, "of": row.setting.name})
    return points, looks


def _read(row: Row, key: str) -> Estimate:
    """Return an estimate of a row; of an accuracy that of the error, 1 − accuracy."""
    estimate = row.estimates[key]
    if not key.endswith("_acc"):
        return estimate
    return Estimate(1 - estimate.value, 1 - estimate.high, 1 - estimate.low, estimate.n)


def _to_drawn_metric(metric: Metric) -> Metric:
    """Return what the y axis shows, of any images: an error for an accuracy."""
    if not metric.key.endswith("_acc"):
        name = "loss" if metric.key in _ON_TRAINING_IMAGES else metric.name
        return replace(metric, name=name)
    return replace(metric, name="error", direction=Direction.LOWER)


def _describe(metric: Metric, *, has_training: bool) -> str:
    name = metric.name.replace("accuracy", "error") if metric.unit is Unit.FRACTION else metric.name
    if not has_training:
        return name
    images, _, quantity = name.partition(" ")
    return f"{images} and training {quantity}"


def _list_training_errors(drawn: AxisRows) -> dict[str, dict[float, float]]:
    """Return line → number on the axis → mean training error, where it was measured."""
    errors: dict[str, dict[float, float]] = {}
    for row in drawn.rows:
        if "train_acc" in row.estimates:
            of_line = errors.setdefault(row.setting.label, {})
            of_line[drawn.place(row)] = _read(row, "train_acc").value
    return errors


def _describe_thresholds(marks: Mapping[str, float], *, is_alone: bool) -> str:
    if not marks:
        return f"no line has a training error of at most {FITTED_ERROR:.0%}"
    named = [f"{x:,g}" if is_alone else f"{x:,g} ({line})" for line, x in marks.items()]
    return f"vertical: training error of at most {FITTED_ERROR:.0%} from {', '.join(named)} on"
