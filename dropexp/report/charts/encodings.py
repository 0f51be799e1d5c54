"""Encodings that charts share: the fields of an estimate, colours, dashes, domains, tooltips."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from dropexp.report.charts.palette import Look
from dropexp.statistics import Estimate


def round_digits(value: float, digits: int = 4) -> float | None:
    """Round a number to significant digits; None, JSON's null, if it is not finite."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def encode_estimate(estimate: Estimate) -> dict[str, Any]:
    """Return the fields of a data row that draw an estimate: mean, low, high and n."""
    return {
        "mean": round_digits(estimate.value),
        "low": round_digits(estimate.low),
        "high": round_digits(estimate.high),
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


def make_interval_tooltips(title: str, number_format: str, count: str) -> list[alt.Tooltip]:
    """Make the tooltips of a mean and its interval.

    Args:
        title: the name of the mean.
        number_format: in d3's grammar.
        count: the name of n, ``seeds`` or ``pairs``.
    """
    return [
        alt.Tooltip("mean:Q", title=title, format=number_format),
        alt.Tooltip("low:Q", title="interval from", format=number_format),
        alt.Tooltip("high:Q", title="to", format=number_format),
        alt.Tooltip("n:Q", title=count),
    ]


def pad_domain(values: Sequence[float | None], *, zero: bool = False) -> tuple[float, float]:
    """Return the ends of an axis that holds the values, with 4 % of room at both ends.

    Args:
        values: what the axis holds; None is skipped.
        zero: whether the axis must also hold 0.
    """
    known = [value for value in values if value is not None] + ([0.0] if zero else [])
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    room = (high - low) * 0.04 or abs(high) * 0.1 or 1.0
    return low - (0 if zero and low == 0 else room), high + room
