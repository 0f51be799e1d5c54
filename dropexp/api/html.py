"""A comparison as a piece of HTML for a notebook: the answer's table, and what to know of it."""

from html import escape

from dropexp.compare.cells import Cell
from dropexp.compare.columns import ComparisonColumn, make_main_table
from dropexp.compare.notes import describe_notes
from dropexp.compare.results import Comparison
from dropexp.statistics import Verdict
from dropexp.terminal.plain_text import make_printable

# The colours are readable on white and on black: a notebook may be either.
_COLOURS = {
    Verdict.BETTER: "#2e8b57",
    Verdict.WORSE: "#d04a3a",
    Verdict.PRACTICALLY_EQUAL: "#2f8fb3",
}
_DIM = "opacity:.75;font-size:90%;margin:.3em 0;max-width:60em"


def render_comparison(comparison: Comparison) -> str:
    """Return the main table of a comparison with its sentences and notes.

    Texts come from run folders, which may come from anywhere: they are escaped.
    """
    table = make_main_table(comparison)
    headings = "".join(
        f'<th title="{_escape(column.meaning)}" style="{_style(column)}">'
        f"{_escape(column.heading)}</th>"
        for column in table.columns
    )
    lines = "".join(
        "<tr>" + "".join(map(_render_cell, table.columns, row)) + "</tr>" for row in table.rows
    )
    notes = "".join(f"<li>{_escape(note.text)}</li>" for note in describe_notes(comparison))
    sentences = "<br>".join(map(_escape, comparison.sentences))
    return (
        f"<div><table><thead><tr>{headings}</tr></thead><tbody>{lines}</tbody></table>"
        f'<div style="{_DIM}">{sentences}</div>'
        + (f'<ul style="{_DIM}">{notes}</ul>' if notes else "")
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
    return f'<td style="{_style(column)}">{text}</td>'


def _style(column: ComparisonColumn) -> str:
    align = "left" if column.is_text else "right"
    return f"text-align:{align};padding:.15em .6em;white-space:nowrap"


def _escape(text: str) -> str:
    return escape(make_printable(text))
