"""Why some intervals of a table stand in brackets beside others that are written with ±."""

from collections.abc import Sequence

from dropexp.compare.columns import ComparisonColumn
from dropexp.compare.results import Comparison

_ON_LOG_SCALE = (
    "Intervals in brackets beside ± are on the log scale, because ± would reach below 0."
)
_CUT = "Intervals in brackets beside ± are cut at what can be true, beyond which ± would reach."


def explain_brackets(columns: Sequence[ComparisonColumn], comparison: Comparison) -> list[str]:
    """Return a sentence for each kind of means in brackets, in a table that has others with ±.

    See estimate_mean for the kinds.

    Args:
        columns: those that are shown.
        comparison: whose rows are shown.
    """
    rows, metric = comparison.rows, comparison.metric
    shown = [column for column in columns if column.shows_interval]
    if not any(column.cell(row).margin for column in shown for row in rows):
        return []
    bracketed = [
        row.estimates[metric.key]
        for column in shown
        if column.key == metric.key
        for row in rows
        if (cell := column.cell(row)).interval and not cell.margin
    ]
    cut = [each.low == metric.limits[0] or each.high == metric.limits[1] for each in bracketed]
    return [*([_ON_LOG_SCALE] if not all(cut) else []), *([_CUT] if any(cut) else [])]
