"""Axis limits that the settings that learn choose, and what then lies outside of them.

One setting that diverged, or the first epochs of a training, would otherwise squeeze everything
else into a line at the bottom of a chart.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dropexp.report.charts.encodings import pad_domain
from dropexp.report.charts.panels import Values
from dropexp.runs.metric_types import Metric, Unit

_WIDEST = 5.0
"""A setting is out of view if the axis would have to be this many times longer for it."""
_FURTHEST, _FURTHEST_FRACTION = 5.0, 10.0
"""… and if its distance from the ideal value is this many times that of the others."""
_EARLY_RANGE = 2.5
"""The first epochs are above the axis where it would have to be this many times longer."""
_EARLY_SHARE = 0.05  # of the epochs are first ones, but at least one and at most three

Extent = tuple[float, float]
"""The lowest and the highest value of a setting."""


@dataclass(frozen=True)
class Domain:
    """The ends of an axis, and the settings that are out of view.

    Attributes:
        limits: the lowest and the highest value of the axis.
        outside: setting → its extent, for each setting that lies beyond the limits.
    """

    limits: Extent
    outside: Mapping[str, Extent] = field(default_factory=dict)


def choose_domain(
    extents: Mapping[str, Extent],
    metric: Metric,
    *,
    intervals: Iterable[tuple[str, float | None]] = (),
    limits: Extent = (-math.inf, math.inf),
    keep: Collection[str] = (),
    zero: bool = False,
    ideal: float | None = None,
) -> Domain:
    """Choose the ends of an axis by the better half of the settings.

    Another setting is in view if it makes the axis less than five times longer, or if it is less
    than five times as far from the ideal value (ten times for a fraction).

    Args:
        extents: setting → the lowest and the highest value to show.
        metric: what is shown; its direction says which values are worse.
        intervals: settings with ends of their intervals. Those of settings in view extend the
            axis, at most by its own length at each end.
        limits: the lowest and the highest value that can be.
        keep: settings that are never out of view unless they are far worse than the better half.
        zero: whether the axis must also show 0.
        ideal: None for the value that no setting can better in the metric; 0 for differences, of
            which those on the better side are the better ones.
    """
    if not extents:
        return Domain(pad_domain([], limits, zero=zero))
    is_difference = ideal is not None
    if ideal is None:
        ideal = 1.0 if metric.sign < 0 and metric.unit is Unit.FRACTION else 0.0
    far = _FURTHEST_FRACTION if metric.unit is Unit.FRACTION else _FURTHEST

    def distance(name: str) -> float:
        return max(abs(end - ideal) for end in extents[name])

    def badness(name: str) -> float:
        low, high = extents[name]
        if not is_difference:  # a gap far below 0 is no good one: the training diverged
            return distance(name)
        return high if metric.sign > 0 else -low

    order = sorted(extents, key=lambda name: (badness(name), name))
    core = order[: math.ceil(len(order) / 2)]
    reach = max(map(distance, core))
    core += [name for name in keep if name in extents and distance(name) <= 2 * far * reach]
    reach = max(map(distance, core))
    length = _length(_unite([extents[name] for name in core], zero=zero))
    shown = {
        name
        for name in extents
        if distance(name) <= far * reach
        or _length(_unite([extents[each] for each in {*core, name}], zero=zero)) <= _WIDEST * length
    }
    low, high = _unite([extents[name] for name in shown], zero=zero)
    ends = [end for name, end in intervals if name in shown and end is not None]
    ends = [end for end in ends if math.isfinite(end)]
    room = (high - low) or math.inf
    low = min([low, *(max(end, low - room) for end in ends)])
    high = max([high, *(min(end, high + room) for end in ends)])
    outside = {name: extents[name] for name in extents if name not in shown}
    return Domain(pad_domain([low, high], limits, zero=zero), outside)


def find_curve_extents(values: Values, sign: int) -> tuple[dict[str, Extent], dict[str, float]]:
    """Return the extent of each setting's mean curve, without first epochs that are far off.

    Args:
        values: data rows with ``setting``, ``epoch`` and the fields of encode_estimate.
        sign: 1 where high values are worse, -1 where low ones are.

    Returns:
        setting → its extent; and setting → the worst value of its first epochs, for each setting
        whose first epochs lie beyond the extent.
    """
    curves: dict[str, list[float]] = {}
    for value in values:
        if value["mean"] is not None:
            curves.setdefault(value["setting"], []).append(value["mean"])
    extents, early = {}, {}
    for name, curve in curves.items():
        later = curve[_count_first(len(curve)) :] or curve
        low, high = min(later), max(later)
        worst = sign * max(sign * each for each in curve)
        reach = _EARLY_RANGE * (high - low)
        if len(curve) > 2 and not low - reach <= worst <= high + reach:
            extents[name], early[name] = (low, high), worst
        else:
            extents[name] = (min(curve), max(curve))
    return extents, early


def describe_outside(
    outside: Mapping[str, Extent], early: Mapping[str, float], metric: Metric
) -> str:
    """Return what is out of view and how far: ``out of view: dropconnect p=0.9 (up to 134)``."""
    parts = []
    if outside:
        up_to = "up to " if metric.sign > 0 else "from "
        named = [
            f"{name} ({up_to}{format_far(end[1 if metric.sign > 0 else 0], metric)})"
            for name, end in outside.items()
        ]
        parts.append(f"out of view: {', '.join(named[:3])}{_count_more(len(named) - 3)}")
    seen = {name: value for name, value in early.items() if name not in outside}
    if seen:
        worst = metric.sign * max(metric.sign * value for value in seen.values())
        to, side = ("up to", "above") if metric.sign > 0 else ("from", "below")
        parts.append(f"the first epochs ({to} {format_far(worst, metric)}) are {side} the axis")
    return "; ".join(parts)


def format_far(value: float, metric: Metric) -> str:
    """Return a value that is out of view in three digits, percent for fractions."""
    if metric.unit is Unit.FRACTION:
        return f"{value:.0%}"
    return f"{value:,.0f}" if 100 <= abs(value) < 1e6 else f"{value:.3g}"


def _unite(extents: Sequence[Extent], *, zero: bool) -> Extent:
    ends = [end for extent in extents for end in extent] + ([0.0] if zero else [])
    return min(ends), max(ends)


def _length(extent: Extent) -> float:
    return extent[1] - extent[0]


def _count_first(epochs: int) -> int:
    return min(max(round(_EARLY_SHARE * epochs), 1), 3)


def _count_more(count: int) -> str:
    return f" and {count} more" if count > 0 else ""
