"""The metric beside the same on the training images, against the size of a network or another axis.

An accuracy is drawn as an error, as the literature on double descent does. Where a network fits its
training labels from a size on, that size is marked.
"""

from collections.abc import Mapping, Sequence
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
from dropexp.report.charts.palette import fade
from dropexp.report.charts.panels import Panel
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
    training = _ON_TRAINING_IMAGES.get(metric.key)
    points, looks = [], dict(drawn.looks)
    for row in drawn.rows:
        line, x = row.setting.label, drawn.place(row)
        points.append(make_point(row, line, x, _read(row, metric.key)))
        if training is not None and training in row.estimates:
            beside = f"{line}, training"
            looks[beside] = fade(drawn.looks[line], beside)
            training_point = make_point(row, beside, x, _read(row, training))
            name = f"{row.setting.name}, training images"
            points.append({**training_point, "name": name, "beside": line})
    thresholds = _find_thresholds(drawn)
    shown = _describe(metric, has_training=len(looks) > len(drawn.looks))
    field = describe_field(key)
    return build_line_panel(
        f"fit_{key.replace('.', '_')}",
        f"{shown[:1].upper()}{shown[1:]} against {field}",
        "; ".join(
            filter(
                None,
                (
                    describe_points(
                        comparison,
                        drawn.rows,
                        f", {describe_epoch(comparison)}",
                        key,
                        is_part=drawn.is_part,
                    ),
                    _describe_thresholds(thresholds, drawn),
                ),
            )
        ),
        metric=_to_drawn_metric(metric),
        axis=drawn.axis,
        looks=looks,
        points=points,
        keep=comparison.baselines,
        marks=[{"setting": line, "x": x} for line, x in thresholds.items()],
    )


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


def _find_thresholds(drawn: AxisRows) -> dict[str, float]:
    """Return line → the number from which on its networks fit their training labels, if any."""
    errors: dict[str, dict[float, float]] = {}
    for row in drawn.rows:
        if "train_acc" in row.estimates:
            of_line = errors.setdefault(row.setting.label, {})
            of_line[drawn.place(row)] = 1 - row.estimates["train_acc"].value
    found = {line: find_threshold(of_line) for line, of_line in errors.items()}
    return {line: threshold for line, threshold in found.items() if threshold is not None}


def _describe_thresholds(thresholds: Mapping[str, float], drawn: AxisRows) -> str:
    if not thresholds:
        return f"no line has a training error of at most {FITTED_ERROR:.0%}"
    named: Sequence[str] = [f"{x:,g} ({line})" for line, x in thresholds.items()]
    if len(drawn.looks) == 1:
        named = [f"{x:,g}" for x in thresholds.values()]
    return f"vertical: training error of at most {FITTED_ERROR:.0%} from {', '.join(named)} on"
