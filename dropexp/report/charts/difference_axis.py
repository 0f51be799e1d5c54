"""The axis of paired differences: room for dots, means and intervals, with 0 inside of it."""

import math
from collections.abc import Sequence
from dataclasses import replace

from dropexp.compare.results import Comparison, Row
from dropexp.report.charts.domains import Domain, choose_domain
from dropexp.report.charts.encodings import encode_estimate

_SHARE_OF_MEAN = 0.01


def choose_difference_domain(comparison: Comparison, rows: Sequence[Row]) -> Domain:
    """Choose the ends of the axis, which has room for the dots and means of most settings."""
    extents: dict[str, tuple[float, float]] = {}
    ends: list[tuple[str, float | None]] = []
    margin = comparison.rule.margin or 0.0
    for row in rows:
        assert row.difference is not None
        shown = [row.difference.value, *(pair.difference for pair in row.pairs)]
        if known := [value for value in shown if math.isfinite(value)]:
            extents[row.setting.name] = (min(known), max(known))
            shown_ends = encode_estimate(row.difference)
            ends += [(row.setting.name, shown_ends[end]) for end in ("low", "high")]
            ends += [(row.setting.name, sign * margin) for sign in (-1, 1)]
    if not margin and not any(end for extent in extents.values() for end in extent):
        size = _find_size(comparison, rows)
        return Domain((-size, size))
    domain = choose_domain(extents, comparison.metric, intervals=ends, zero=True, ideal=0.0)
    low, high = domain.limits
    if low == 0:  # the line at 0 would be the chart's edge
        low = -0.03 * high
    return replace(domain, limits=(low, high))


def _find_size(comparison: Comparison, rows: Sequence[Row]) -> float:
    """Return 1 % of the largest mean: half the length of an axis on which all differences are 0."""
    means = [row.estimates.get(comparison.metric.key) for row in rows]
    known = [abs(each.value) for each in means if each is not None and math.isfinite(each.value)]
    return _SHARE_OF_MEAN * max(known, default=0.0) or 1.0
