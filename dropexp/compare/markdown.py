"""A comparison as Markdown, and the tables, lists and escapes that Markdown needs."""

import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

from dropexp.compare.column_choice import choose_columns
from dropexp.compare.columns import ComparisonTable, make_main_table, make_table
from dropexp.compare.notes import describe_notes
from dropexp.compare.results import Comparison
from dropexp.runs.metric_types import Notation
from dropexp.terminal.plain_text import make_printable
from dropexp.terminal.tables import Column

RowType = TypeVar("RowType")


def format_markdown(comparison: Comparison, columns: Sequence[str] | None = None) -> str:
    """Return a comparison as Markdown: how to read it, a table, and the notes.

    Args:
        comparison: the comparison to show.
        columns: keys of the columns to show, from choose_keys; None: those of the main table.
    """
    if columns is None:
        table = make_main_table(comparison)
    else:
        table = make_table(comparison, choose_columns(comparison, columns, Notation.DOCUMENT))
    parts = [
        *map(escape_markdown, comparison.sentences),
        format_markdown_table(table),
        format_markdown_list(note.text for note in describe_notes(comparison)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def format_markdown_table(table: ComparisonTable, *, all_intervals: bool = False) -> str:
    """Return a table in Markdown.

    Args:
        table: the table to show.
        all_intervals: whether every mean has its interval, or only the columns that decide.
    """
    lines = [
        [column.heading for column in table.columns],
        ["---" if column.is_text else "---:" for column in table.columns],
    ]
    for row in table.rows:
        cells = zip(table.columns, row, strict=True)
        lines.append(
            [
                cell.with_interval if all_intervals or column.shows_interval else cell.text
                for column, cell in cells
            ]
        )
    return "\n".join(f"| {' | '.join(map(escape_markdown, line))} |" for line in lines)


def format_plain_table(columns: Sequence[Column[RowType]], rows: Sequence[RowType]) -> str:
    """Return a table of a terminal's columns in Markdown.

    Args:
        columns: of the table.
        rows: what their functions take.
    """
    lines = [
        [column.heading.replace("\n", " ") for column in columns],
        ["---" if column.align == "left" else "---:" for column in columns],
        *([column.cell(row) for column in columns] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(map(escape_markdown, line))} |" for line in lines)


def format_markdown_list(items: Iterable[str]) -> str:
    """Return a list in Markdown, one line for each item."""
    return "\n".join(f"- {escape_markdown(item)}" for item in items)


def escape_markdown(text: str) -> str:
    """Return text escaped, so that Markdown shows ``_``, ``|``, ``*`` and ``<`` as they are.

    No text becomes a link, and control characters become escapes.
    """
    return re.sub(r"([|_*<]|(?<=\])\()", r"\\\1", make_printable(text))
