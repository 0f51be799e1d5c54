"""What is drawn against an axis of numbers: its rows, the lines that they make, and the axis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dropexp.compare.highlights import (
    MOST_CURVES,
    find_headline_context,
    select_featured_rows,
    select_rows_in_context,
)
from dropexp.compare.results import Comparison, Row
from dropexp.compare.settings import Setting
from dropexp.config.setting import to_number
from dropexp.report.charts.encodings import encode_estimate
from dropexp.report.charts.lines import NumericAxis
from dropexp.report.charts.palette import Look, assign_looks
from dropexp.report.wording import describe_field, describe_fields, describe_means
from dropexp.runs.metric_types import Metric
from dropexp.statistics import Estimate

_LOG_FROM, _LOG_FROM_OF_SIZES = 30, 4
"""An axis of positive numbers is logarithmic if the last is so many times the first."""


@dataclass(frozen=True)
class AxisRows:
    """The rows along an axis, which lines connect.

    Attributes:
        key: the config field on the axis.
        rows: those with a number there and a value of the metric.
        is_part: whether there are more lines than a reader can tell apart, and some are left out.
        looks: line → look; a line has the label of its settings.
        axis: the x axis.
    """

    key: str
    rows: Sequence[Row]
    is_part: bool
    looks: Mapping[str, Look]
    axis: NumericAxis

    def place(self, row: Row) -> float:
        """Return the number of a row on the axis."""
        number = to_number(row.setting.fields[self.key])
        assert number is not None, "rows without a number are left out"
        return number


def select_axis_rows(
    comparison: Comparison, key: str, metric: Metric, classic: str = ""
) -> AxisRows:
    """Return what is drawn of a metric against a field.

    Args:
        comparison: the comparison to draw.
        key: the field, which has at least one number.
        metric: the metric on the y axis.
        classic: the classic whose strength the field is, if any; labels leave it out.
    """
    rows = [
        replace(row, setting=row.setting.without_classics([classic]))
        for row in select_rows_in_context(comparison, without=key)
        if metric.key in row.estimates and to_number(row.setting.fields.get(key)) is not None
    ]
    shown = _select_lines(comparison, rows, classic)
    lines: dict[str, Setting] = {}
    for row in shown:
        lines.setdefault(row.setting.label, row.setting)
    of_setting = assign_looks(list(lines.values()))
    looks = {label: of_setting[setting.name] for label, setting in lines.items()}
    numbers = {to_number(row.setting.fields[key]) for row in shown}
    places = sorted(number for number in numbers if number is not None)
    axis = NumericAxis(
        describe_field(key), places, _choose_tick_format(key, places), _is_log(key, places)
    )
    return AxisRows(key, shown, len(shown) < len(rows), looks, axis)


def describe_points(
    comparison: Comparison, rows: Sequence[Row], when: str, without: str, *, is_part: bool
) -> str:
    """Return what the points are, when they were measured, and the values that are held fixed."""
    fixed = describe_fields(find_headline_context(comparison, without))
    part = "; the best setting of each regulariser" if is_part else ""
    return (
        f"{describe_means(comparison, [row.n for row in rows])}{when}{fixed and f'; {fixed}'}{part}"
    )


def make_point(row: Row, line: str, x: float, estimate: Estimate) -> dict[str, Any]:
    """Return the data row of a point; build_line_panel says what it holds."""
    return {
        "setting": line,
        "name": row.setting.name,
        "x": x,
        "value": x,  # stays when points are shifted
        **encode_estimate(estimate),
    }


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
    is_size = key == "data.train_size" or key.startswith("model.")
    least = _LOG_FROM_OF_SIZES if is_size else _LOG_FROM
    return places[0] > 0 and places[-1] >= least * places[0]
