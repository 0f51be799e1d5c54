"""What is shown first: the row that answers the question, and the settings that few charts show."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from dropexp.compare.results import Comparison, Row
from dropexp.config.classics import CLASSICS
from dropexp.statistics import Verdict

MOST_CURVES = 7
"""More settings than these are not told apart in one chart."""

P = "regulariser.p"


def find_headline(comparison: Comparison) -> Row | None:
    """Return the row that answers the study's question: the best of the clearly better ones.

    The best is the one that gains most over its own baseline: with an axis such as label noise,
    the metric itself would only find the easiest data. Diverged runs count, as in the test. Where
    no row is clearly better, return the best of all that have a baseline; None without any.
    """
    compared = [row for row in comparison.rows if row.pairs]
    better = [row for row in compared if row.verdict is Verdict.BETTER]
    return min(better or compared, key=_standing, default=None)


def _standing(row: Row) -> tuple[bool, float]:
    """Return a sort key; rows in which no pair completed come last, as their score has no unit."""
    is_measured = row.difference is not None and math.isfinite(row.difference.value)
    return (not is_measured, row.mean_score)


def find_best(comparison: Comparison, rows: Iterable[Row]) -> Row | None:
    """Return the row whose mean metric is best; None where no row has one."""
    metric = comparison.metric
    known = [
        row
        for row in rows
        if metric.key in row.estimates and math.isfinite(row.estimates[metric.key].value)
    ]
    return min(known, key=lambda row: metric.sign * row.estimates[metric.key].value, default=None)


def context_axes(comparison: Comparison) -> dict[str, tuple[Any, ...]]:
    """Return the axes of the study that belong to no regulariser and no compared classic."""
    classics = [CLASSICS[name] for name in comparison.classics]
    return {
        key: values
        for key, values in comparison.axes.items()
        if not key.startswith("regulariser.") and not any(each.owns(key) for each in classics)
    }


def classic_strengths(comparison: Comparison) -> dict[str, str]:
    """Return field → classic for the classics that are on with several numbers."""
    return {
        key: name
        for name in comparison.classics
        for key, values in comparison.axes.items()
        if CLASSICS[name].owns(key) and sum(isinstance(v, float) for v in values) > 2
    }


def headline_context(comparison: Comparison, without: str = "") -> dict[str, Any]:
    """Return the values of the context axes in the headline's setting.

    Charts that show one value of each axis show these: the data and model of the answer.

    Args:
        comparison: the study.
        without: an axis to leave out, because the chart shows all its values.
    """
    row = find_headline(comparison) or find_best(comparison, comparison.rows)
    if row is None:
        return {}
    return {
        key: row.setting.fields[key]
        for key in context_axes(comparison)
        if key != without and key in row.setting.fields
    }


def rows_in_context(comparison: Comparison, without: str = "") -> list[Row]:
    """Return the rows with the values of headline_context, in the table's order."""
    values = headline_context(comparison, without)
    return [
        row
        for row in comparison.rows
        if all(row.setting.fields.get(key) == value for key, value in values.items())
    ]


def featured_rows(comparison: Comparison) -> list[Row]:
    """Return the rows whose curves are shown: all if they are few, else the best of each kind.

    A kind is a regulariser with its options, at any p and beside any classics, or a classic alone.
    """
    rows = rows_in_context(comparison)
    if len(rows) <= MOST_CURVES:
        return rows
    chosen = [find_best(comparison, same) for same in _by_kind(rows).values()]
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
