"""Which rows charts show, and in which context."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from dropexp.compare.headline import find_headline
from dropexp.compare.results import Comparison, Row
from dropexp.config.classics import CLASSICS
from dropexp.config.setting import is_of_regulariser, to_number

MOST_CURVES = 7
"""The most settings that a reader can tell apart in one chart."""


def find_best(comparison: Comparison, rows: Iterable[Row]) -> Row | None:
    """Return the row with the best mean of the deciding metric; None if no row has a mean."""
    metric = comparison.metric
    known = [
        row
        for row in rows
        if metric.key in row.estimates and math.isfinite(row.estimates[metric.key].value)
    ]
    return min(known, key=lambda row: metric.sign * row.estimates[metric.key].value, default=None)


def find_context_axes(comparison: Comparison) -> dict[str, tuple[Any, ...]]:
    """Return the axes that belong to no regulariser and no compared classic, with their values."""
    classics = [CLASSICS[name] for name in comparison.classics]
    return {
        key: values
        for key, values in comparison.axes.items()
        if not is_of_regulariser(key) and not any(each.owns(key) for each in classics)
    }


def find_numeric_axes(comparison: Comparison) -> list[str]:
    """Return the context axes that have at least two numbers."""
    return [
        key
        for key, values in find_context_axes(comparison).items()
        if sum(to_number(value) is not None for value in values) > 1
    ]


def find_classic_strengths(comparison: Comparison) -> dict[str, str]:
    """Return field → classic, for each field of a classic that has several numbers."""
    return {
        key: name
        for name in comparison.classics
        for key, values in comparison.axes.items()
        if CLASSICS[name].owns(key) and sum(isinstance(v, float) for v in values) > 2
    }


def find_headline_context(comparison: Comparison, without: str = "") -> dict[str, Any]:
    """Return the value of each context axis in the headline's setting.

    A chart that can show only one value of an axis shows this one.

    Args:
        comparison: the comparison.
        without: an axis to leave out, because the chart shows all its values.
    """
    row = find_headline(comparison) or find_best(comparison, comparison.rows)
    if row is None:
        return {}
    return {
        key: row.setting.fields[key]
        for key in find_context_axes(comparison)
        if key != without and key in row.setting.fields
    }


def select_rows_in_context(comparison: Comparison, without: str = "") -> list[Row]:
    """Return the rows with the values of the headline's context, in the table's order."""
    values = find_headline_context(comparison, without)
    return [
        row
        for row in comparison.rows
        if all(row.setting.fields.get(key) == value for key, value in values.items())
    ]


def select_featured_rows(comparison: Comparison) -> list[Row]:
    """Return the rows whose curves are drawn: all if they are few, else the best of each kind.

    What was tested comes before what a search only tried, and the headline is always drawn.
    A kind is a regulariser with its options, at any p and beside any classics, or a classic alone.
    """
    rows = select_rows_in_context(comparison)
    if len(rows) <= MOST_CURVES:
        return rows
    chosen = [find_headline(comparison)]
    for same in _by_kind(rows).values():
        tested = [row for row in same if row.pairs]
        chosen.append(find_best(comparison, tested) or find_best(comparison, same))
    return [row for row in rows if any(row is each for each in chosen)]


def _by_kind(rows: Sequence[Row]) -> dict[str, list[Row]]:
    kinds: dict[str, list[Row]] = {}
    for row in rows:
        setting = row.setting
        own = (
            setting.without_classics(setting.classics).kind
            if setting.has_regulariser
            else setting.method
        )
        kinds.setdefault(own, []).append(row)
    return kinds
