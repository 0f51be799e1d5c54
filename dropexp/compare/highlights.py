"""What is shown first: the row that answers the question, and the settings that few charts show."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dropexp.compare.results import Comparison, Row
from dropexp.config.classics import CLASSICS
from dropexp.statistics import Verdict

MOST_CURVES = 7
"""Settings beyond which curves are a tangle."""

P = "regulariser.p"


def headline(comparison: Comparison) -> Row | None:
    """The row that answers the study's question: the best of the clearly better ones.

    The best is the one that gains most over its own baseline: with an axis such as label noise,
    the metric itself would only find the easiest data. Runs that diverged count, as in the test.
    Where none is clearly better, the best among all that were compared with a baseline; None
    where no row was.
    """
    compared = [row for row in comparison.rows if row.pairs]
    better = [row for row in compared if row.verdict is Verdict.BETTER]
    return min(better or compared, key=_standing, default=None)


def _standing(row: Row) -> tuple[bool, float]:
    """Rows of which no pair came to its end stand last: their score has no unit."""
    is_measured = row.difference is not None and math.isfinite(row.difference.value)
    return (not is_measured, row.mean_score)


def best(comparison: Comparison, rows: Iterable[Row]) -> Row | None:
    """The row whose mean metric is best, None where no row has one."""
    metric = comparison.metric
    known = [
        row
        for row in rows
        if metric.value in row.estimates and math.isfinite(row.estimates[metric.value].value)
    ]
    return min(known, key=lambda row: metric.sign * row.estimates[metric.value].value, default=None)


def other_axes(comparison: Comparison) -> dict[str, tuple[Any, ...]]:
    """The axes of the study without the regulariser's own and those of classics."""
    classics = [CLASSICS[name] for name in comparison.classics]
    return {
        key: values
        for key, values in comparison.axes.items()
        if not key.startswith("regulariser.") and not any(each.owns(key) for each in classics)
    }


def strengths(comparison: Comparison) -> dict[str, str]:
    """The classics that are on with several strengths, as numbers: field → name."""
    return {
        key: name
        for name in comparison.classics
        for key, values in comparison.axes.items()
        if CLASSICS[name].owns(key) and sum(isinstance(v, float) for v in values) > 2
    }


def surroundings(comparison: Comparison, without: str = "") -> dict[str, Any]:
    """The values of the other axes that charts with a single place show.

    Those of the headline's setting, so that the charts are of what the answer is about.
    """
    row = headline(comparison) or best(comparison, comparison.rows)
    if row is None:
        return {}
    return {
        key: row.setting.fields[key]
        for key in other_axes(comparison)
        if key != without and key in row.setting.fields
    }


def at_surroundings(comparison: Comparison, without: str = "") -> list[Row]:
    """The rows of these values, in the table's order."""
    values = surroundings(comparison, without)
    return [row for row in comparison.rows if _has(row, values)]


def featured(comparison: Comparison) -> list[Row]:
    """The rows whose curves are shown: all if they are few, else the best of each kind.

    A kind is a regulariser with its options, at any p and beside any classics, or a classic alone.
    """
    rows = at_surroundings(comparison)
    if len(rows) <= MOST_CURVES:
        return rows
    chosen = [best(comparison, same) for same in _by_kind(rows).values()]
    return [row for row in rows if any(row is each for each in chosen)]


def _by_kind(rows: Sequence[Row]) -> dict[str, list[Row]]:
    kinds: dict[str, list[Row]] = {}
    for row in rows:
        setting = row.setting
        own = setting.without(setting.classics).kind if setting.has_regulariser else setting.method
        kinds.setdefault(own, []).append(row)
    return kinds


def _has(row: Row, values: Mapping[str, Any]) -> bool:
    return all(row.setting.fields.get(key) == value for key, value in values.items())
