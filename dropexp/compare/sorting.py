"""The order of a comparison's rows, which every table, file and chart follows."""

import math
from collections.abc import Sequence
from dataclasses import replace

from dropexp.compare.column_choice import choose_key
from dropexp.compare.data_files import tabulate
from dropexp.compare.results import Comparison, Row
from dropexp.config.setting import sort_key

BY_EFFECT = "effect"
BY_NAME = "name"
MOST_BY_NAME = 12
"""The most settings that are sorted by name unless ``--sort`` asks for another order."""


def sort_rows(
    comparison: Comparison, key: str | None = None, *, reverse: bool = False
) -> Comparison:
    """Return the comparison with its rows in another order; those without a value come last.

    Args:
        comparison: the comparison, by name: settings that differ in the regulariser only are
            neighbours, ``none`` first.
        key: ``effect`` for the largest improvement over the baseline first, where a diverged run
            is a loss; ``name``; or a column or field of the CSV file, from low to high. A ``-``
            before it reverses the order. None: ``name`` for at most 12 settings, else ``effect``.
        reverse: whether to reverse that order.

    Raises:
        UserError: there is no such column.
    """
    if key is None:
        key = BY_NAME if len(comparison.rows) <= MOST_BY_NAME else BY_EFFECT
    reverse ^= key.startswith("-")
    name = key.removeprefix("-")
    return replace(comparison, rows=tuple(_sort(comparison, name, reverse=reverse)), sorted_by=key)


def _sort(comparison: Comparison, name: str, *, reverse: bool) -> Sequence[Row]:
    rows = comparison.rows
    if name == BY_NAME:
        return rows[::-1] if reverse else rows
    if name == BY_EFFECT:
        return _sort_by_effect(rows, reverse=reverse)
    key = choose_key(comparison, name, "--sort", others=(BY_EFFECT, BY_NAME))
    values = [line.get(key) for line in tabulate(comparison)]
    is_known = [
        value is not None and not (isinstance(value, float) and math.isnan(value))
        for value in values
    ]
    present = [index for index, known in enumerate(is_known) if known]
    present.sort(key=lambda index: sort_key(values[index]), reverse=reverse)
    absent = [index for index, known in enumerate(is_known) if not known]
    return [rows[index] for index in [*present, *absent]]


def _sort_by_effect(rows: Sequence[Row], *, reverse: bool) -> Sequence[Row]:
    """Return the baselines first, then tested rows, then the others."""
    baselines = {row.baseline for row in rows}
    first = [row for row in rows if row.setting.name in baselines and not _is_measured(row)]
    tested = [row for row in rows if _is_measured(row)]
    tested.sort(key=lambda row: row.mean_score, reverse=reverse)
    shown = {row.setting.name for row in (*first, *tested)}
    return [*first, *tested, *(row for row in rows if row.setting.name not in shown)]


def _is_measured(row: Row) -> bool:
    """Return whether the row's score has the metric's unit: not where every run diverged."""
    return row.difference is not None and math.isfinite(row.difference.value)
