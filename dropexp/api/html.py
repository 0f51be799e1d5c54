"""Results as pieces of HTML for a notebook: a table, and what to know of it."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import TypeVar

from dropexp.compare.cells import Cell
from dropexp.compare.column_choice import choose_columns
from dropexp.compare.columns import ComparisonColumn, make_main_table, make_table
from dropexp.compare.notes import describe_notes
from dropexp.compare.results import Comparison
from dropexp.runs.metric_types import Notation
from dropexp.statistics import Verdict
from dropexp.terminal.plain_text import make_printable
from dropexp.terminal.tables import Column

RowType = TypeVar("RowType")

# The colours are readable on white and on black: a notebook may be either.
_STYLES = {"green": "#2e8b57", "red": "#d04a3a", "cyan": "#2f8fb3"}
"""The styles of a terminal's cells → their colours here."""
_COLOURS = {
    Verdict.BETTER: _STYLES["green"],
    Verdict.WORSE: _STYLES["red"],
    Verdict.PRACTICALLY_EQUAL: _STYLES["cyan"],
}
_DIM = "opacity:.75;font-size:90%;margin:.3em 0;max-width:60em"


def render_comparison(
    comparison: Comparison, columns: Sequence[str] | None = None, further: Iterable[str] = ()
) -> str:
    """Return a table of a comparison with its sentences and notes.

    Args:
        comparison: the comparison to show.
        columns: keys of the columns to show; None: those of the main table.
        further: notes beside those of the comparison.
    """
    if columns is None:
        table = make_main_table(comparison)
    else:
        table = make_table(comparison, choose_columns(comparison, columns, Notation.DOCUMENT))
    headings = [
        f'<th title="{_escape(column.meaning)}" style="{_style(is_text=column.is_text)}">'
        f"{_escape(column.heading)}</th>"
        for column in table.columns
    ]
    lines = [map(_render_cell, table.columns, row) for row in table.rows]
    notes = [*(note.text for note in describe_notes(comparison)), *further]
    return _assemble(headings, lines, comparison.sentences, notes)


def render_table(
    columns: Sequence[Column[RowType]],
    rows: Sequence[RowType],
    sentences: Iterable[str] = (),
    notes: Iterable[str] = (),
) -> str:
    """Return a table of a terminal's columns; one without text in any row is left out.

    Args:
        columns: of the table.
        rows: what their functions take.
        sentences: how to read the table.
        notes: what limits the answer.
    """
    shown = [each for each in columns if each.is_required or any(map(each.cell, rows))]
    headings = [
        f'<th style="{_style(is_text=column.align == "left")}">'
        f"{_escape(column.heading.replace(chr(10), ' '))}</th>"
        for column in shown
    ]
    lines = [[_render_plain_cell(column, row) for column in shown] for row in rows]
    return _assemble(headings, lines, sentences, notes)


def _assemble(
    headings: Iterable[str],
    lines: Iterable[Iterable[str]],
    sentences: Iterable[str],
    notes: Iterable[str],
) -> str:
    """Return a table of cells that are HTML, with sentences and a list of notes that are text.

    Texts come from run folders, which may come from anywhere: they are escaped.
    """
    body = "".join(f"<tr>{''.join(line)}</tr>" for line in lines)
    items = "".join(f"<li>{_escape(note)}</li>" for note in notes)
    return (
        f"<div><table><thead><tr>{''.join(headings)}</tr></thead><tbody>{body}</tbody></table>"
        f'<div style="{_DIM}">{"<br>".join(map(_escape, sentences))}</div>'
        + (f'<ul style="{_DIM}">{items}</ul>' if items else "")
        + "</div>"
    )


def render_text(text: str) -> str:
    """Return aligned lines of text as HTML that keeps their alignment."""
    return f"<pre>{escape(make_printable(text, keep_lines=True))}</pre>"


def _render_cell(column: ComparisonColumn, cell: Cell) -> str:
    text = _escape(cell.text)
    if cell.verdict in _COLOURS:
        text = f'<b style="color:{_COLOURS[cell.verdict]}">{text}</b>'
    if column.shows_interval and cell.interval:
        text += f' <span style="opacity:.7">{_escape(cell.interval)}</span>'
    return f'<td style="{_style(is_text=column.is_text)}">{text}</td>'


def _render_plain_cell(column: Column[RowType], row: RowType) -> str:
    text = _escape(column.cell(row))
    colour = _STYLES.get(column.style(row)) if column.style else None
    if colour:
        text = f'<b style="color:{colour}">{text}</b>'
    return f'<td style="{_style(is_text=column.align == "left")}">{text}</td>'


def _style(*, is_text: bool) -> str:
    align = "left" if is_text else "right"
    return f"text-align:{align};padding:.15em .6em;white-space:nowrap"


def _escape(text: str) -> str:
    return escape(make_printable(text))
