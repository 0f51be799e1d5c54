"""A comparison as Markdown, and what any page of Markdown needs."""

import re
from collections.abc import Iterable

from dropexp.compare.columns import ComparisonTable, main_table
from dropexp.compare.notes import describe_notes
from dropexp.compare.results import Comparison


def format_markdown(comparison: Comparison) -> str:
    """Return the main table for a pull request, with how to read it above."""
    parts = [
        *map(escape_markdown, comparison.sentences),
        format_markdown_table(main_table(comparison)),
        format_markdown_list(note.text for note in describe_notes(comparison)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def format_markdown_table(table: ComparisonTable, *, all_intervals: bool = False) -> str:
    """Return the lines of a table.

    Args:
        table: what to show.
        all_intervals: whether every mean has its interval, or only what decides.
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


def format_markdown_list(items: Iterable[str]) -> str:
    """Return one line for each item."""
    return "\n".join(f"- {escape_markdown(item)}" for item in items)


def escape_markdown(text: str) -> str:
    """Return text that Markdown shows as it is, such as spatial_dropout or a vertical bar."""
    return re.sub(r"([|_*<])", r"\\\1", text)
