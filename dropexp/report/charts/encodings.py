"""Encodings that charts share: the fields of an estimate, colours, dashes, domains, tooltips."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from dropexp.report.charts.palette import Look
from dropexp.report.wording import LEAST_SEEDS
from dropexp.runs.metric_types import Metric, Unit
from dropexp.statistics import Estimate


def round_digits(value: float, digits: int = 4) -> float | None:
    """Return a number rounded to significant digits; None, JSON's null, if it is not finite."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def encode_estimate(estimate: Estimate) -> dict[str, Any]:
    """Return the fields of a data row that draw an estimate: mean, low, high and n.

    The ends are None where there is no interval, or too few seeds to draw one.
    """
    is_drawn = estimate.n >= LEAST_SEEDS
    return {
        "mean": round_digits(estimate.value),
        "low": round_digits(estimate.low) if is_drawn else None,
        "high": round_digits(estimate.high) if is_drawn else None,
        "n": estimate.n,
    }


def encode_colour(looks: Mapping[str, Look]) -> alt.Color:
    """Encode the setting as colour, without a legend: labels name the settings."""
    return alt.Color(
        "setting:N",
        scale=alt.Scale(domain=list(looks), range=[look.colour for look in looks.values()]),
        legend=None,
    )


def encode_dash(looks: Mapping[str, Look]) -> alt.StrokeDash:
    """Encode the setting as the dash of a line."""
    return alt.StrokeDash(
        "setting:N",
        scale=alt.Scale(domain=list(looks), range=[list(look.dash) for look in looks.values()]),
        legend=None,
    )


def encode_text_colour() -> alt.Color:
    """Encode the field ``text`` as the colour of a label."""
    return alt.Color("text:N", scale=None, legend=None)


def make_metric_axis(metric: Metric, *, is_difference: bool = False, **options: Any) -> alt.Axis:
    """Make the axis of a metric or of a difference in it: percent for fractions."""
    sign = "+" if is_difference else ""
    if metric.unit is Unit.FRACTION:
        tick_format = "+.1%" if is_difference else ".2~%"
    else:
        tick_format = f"{sign},f"  # as many decimals as the ticks need, and no exponent
    if is_difference:
        options["labelExpr"] = "datum.value === 0 ? '0' : datum.label"  # d3 writes "+0"
    return alt.Axis(format=tick_format, tickCount=6, **options)


def make_count_axis(title: str, width: str) -> dict[str, Any]:
    """Return the options of an axis of whole numbers, such as epochs: title and axis.

    Zooming makes ticks between whole numbers, which are not drawn.

    Args:
        title: of the axis.
        width: an expression for the axis's length in pixels.
    """
    is_whole = "datum.value === floor(datum.value)"
    axis = alt.Axis(
        grid=False,
        format=",d",
        labelExpr=f"{is_whole} ? datum.label : ''",
        labelOverlap="greedy",
        labelFlush=False,
        tickOpacity={"condition": {"test": f"!({is_whole})", "value": 0}, "value": 1},
        tickMinStep=1,
        tickCount=alt.ExprRef(f"clamp(floor(({width}) / 34), 3, 10)"),
    )
    return {"title": title, "axis": axis}


def number_format(metric: Metric, *, is_difference: bool = False) -> str:
    """Return the format of a metric's values in a tooltip, in d3's grammar."""
    sign = "+" if is_difference else ""
    return f"{sign}.1%" if metric.unit is Unit.FRACTION else f"{sign}.3f"


def pad_domain(
    values: Sequence[float | None],
    limits: tuple[float, float] = (-math.inf, math.inf),
    *,
    zero: bool = False,
) -> tuple[float, float]:
    """Return the ends of an axis that shows the values, with 4 % of room at both ends.

    Args:
        values: the values to show; None is skipped.
        limits: the lowest and the highest value that can be; the room ends there.
        zero: whether the axis must also show 0.
    """
    known = [value for value in values if value is not None] + ([0.0] if zero else [])
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    room = (high - low) * 0.04 or abs(high) * 0.1 or 1.0
    low_end = low - (0 if zero and low == 0 else room)
    return max(low_end, limits[0]), min(high + room, limits[1])
