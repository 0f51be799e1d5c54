"""Which rows of a file count: filters on its columns, in the grammar of filters on runs."""

from collections.abc import Iterable

from dropexp.compare.foreign.columns import find_column, make_value
from dropexp.compare.foreign.reading import Table
from dropexp.errors import UserError
from dropexp.runs.conditions import Condition


def filter_rows(table: Table, filters: Iterable[str]) -> Table:
    """Return the rows that pass all filters.

    Raises:
        FilterError: one is no filter, or compares with what is no number.
        UserError: one names no column, or no row passes.
    """
    for text in filters:
        condition = Condition.parse(text)
        column = table.columns[find_column(table, condition.key, f"the filter {text}:")]
        kept = [
            row
            for row, cell in enumerate(column)
            if condition.accepts(None if cell is None else make_value(cell))
        ]
        if not kept:
            raise UserError(f"no row of {table.source} has {text}.")
        table = table.select(kept)
    return table
