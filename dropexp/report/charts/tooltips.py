"""Tooltips as Vega expressions, which leave out what a mark does not have.

Vega-Lite's own tooltips write an unknown number as 0, and above the cells of a Voronoi diagram
they read text from the wrong object.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from dropexp.report.charts.encodings import number_format
from dropexp.report.wording import describe_metric
from dropexp.runs.metric_types import Metric

_ROW = "(datum.datum || datum)"
"""The data row of a mark. The pointer may be over a cell of a Voronoi diagram: then ``datum`` is
the dot in it, and ``datum.datum`` the dot's data row."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A line of a tooltip: its title, its field, and the format of a number in d3's grammar."""

    title: str
    field: str
    form: str = ""


SETTING = Shown("setting", "setting")


def make_tooltip(*lines: Shown) -> Any:
    """Make a tooltip of the lines whose fields are known."""
    parts = [f"isValid({_ROW}.{line.field}) ? {_write_line(line)} : {{}}" for line in lines]
    return alt.value(alt.expr(f"merge({', '.join(parts)})"))


def show_mean(metric: Metric) -> Sequence[Shown]:
    """Return the lines of a mean over seeds and its interval."""
    return _show_interval(describe_metric(metric), number_format(metric), "seeds")


def show_difference(metric: Metric) -> Sequence[Shown]:
    """Return the lines of a mean paired difference and its interval."""
    return _show_interval("difference", number_format(metric, is_difference=True), "pairs")


def _show_interval(title: str, form: str, count: str) -> Sequence[Shown]:
    return (
        Shown(title, "mean", form),
        Shown("interval from", "low", form),
        Shown("to", "high", form),
        Shown(count, "n"),
    )


def _write_line(line: Shown) -> str:
    value = f"{_ROW}.{line.field}"
    if line.form:
        value = f"format({value}, {json.dumps(line.form)})"
    return f"{{{json.dumps(line.title)}: {value}}}"
