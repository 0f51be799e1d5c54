"""A comparison as lines of text for a terminal."""

from collections.abc import Sequence

from rich.text import Text

from dropexp.compare.brackets import explain_brackets
from dropexp.compare.column_choice import choose_columns
from dropexp.compare.columns import ComparisonColumn, list_columns
from dropexp.compare.method import summarise_method
from dropexp.compare.notes import Tone, describe_notes, describe_times
from dropexp.compare.results import Comparison, Row
from dropexp.compare.sorting import BY_EFFECT
from dropexp.runs.metric_types import Notation
from dropexp.statistics import Verdict
from dropexp.terminal.tables import Column, format_table, wrap_paragraphs, wrap_text

_NARROWEST = {"setting": 20, "verdict": len(Verdict.NO_CLEAR_DIFFERENCE)}
"""The columns whose cells may be wrapped, and to how many characters."""
_DROPPED_HINT = "--columns chooses, -o table.csv has all"
_TIMES = ("seconds", "seconds_per_epoch")
_BY_EFFECT = "sorted by effect, the best first; --sort name groups regularisers"
_VERDICT_STYLES = {
    Verdict.BETTER: "green",
    Verdict.WORSE: "red",
    Verdict.PRACTICALLY_EQUAL: "cyan",
    Verdict.TOO_FEW_SEEDS: "yellow",
    Verdict.EXPLORATION: "dim",
}
_NOTE_STYLES = {Tone.PLAIN: "dim", Tone.WARNING: "yellow", Tone.PROBLEM: "red"}


def format_comparison(
    comparison: Comparison, width: int | None, columns: Sequence[str] | None = None
) -> list[Text]:
    """Return a comparison as lines: how to read it, the table, the notes, and the method.

    Args:
        comparison: the comparison to show.
        width: of the terminal in characters; None for a pipe or a file, whose lines have any
            length.
        columns: keys of the columns to show, from choose_keys; None: as many as there is room for,
            or without a width those of the main table.
    """
    others: list[ComparisonColumn] = []
    if columns is not None:
        shown = choose_columns(comparison, columns, Notation.TERMINAL)
    else:
        shown = list_columns(comparison)
        if width is None:
            rest = [column for column in shown if not column.is_main]
            others = [each for each in rest if any(each.cell(row).text for row in comparison.rows)]
            shown = [column for column in shown if column.is_main]
    shows_times = any(column.key in _TIMES for column in shown)
    noted = describe_notes(comparison) + (describe_times(comparison) if shows_times else [])
    notes = [
        Text(line, _NOTE_STYLES[note.tone])
        for note in noted
        for line in wrap_text(note.text, width)
    ]
    brackets = explain_brackets(shown, comparison)
    lead = summarise_method(comparison)
    details = [each for each in comparison.sentences if each not in lead]
    return [
        *wrap_paragraphs(lead, width, "dim"),
        Text(),
        *format_table(
            [_terminal_column(column) for column in shown],
            comparison.rows,
            width=width,
            dropped_hint=_DROPPED_HINT,
        ),
        *([Text(f"{len(others)} more columns: {_DROPPED_HINT}", "dim")] if others else []),
        *wrap_paragraphs(brackets, width, "dim"),
        *([Text(_BY_EFFECT, "dim")] if comparison.sorted_by == BY_EFFECT else []),
        *([Text(), *notes] if notes else []),
        *([Text()] if details else []),
        *wrap_paragraphs(details, width, "dim"),
    ]


def _terminal_column(column: ComparisonColumn) -> Column[Row]:
    def text(row: Row) -> str:
        cell = column.cell(row)
        if not column.shows_interval:
            return cell.text
        return cell.in_short

    return Column(
        break_heading(column.heading),
        text,
        align="left" if column.is_text else "right",
        style=_style_verdict if column.key == "verdict" else None,
        is_required=column.is_required,
        wrap_to=_NARROWEST.get(column.key),
    )


def break_heading(heading: str) -> str:
    """Return a heading in two lines, as narrow as it can be; one word stays in one line."""
    words = heading.split(" ")
    if len(words) == 1:
        return heading
    broken = [(" ".join(words[:at]), " ".join(words[at:])) for at in range(1, len(words))]
    return "\n".join(min(reversed(broken), key=lambda lines: max(map(len, lines))))


def _style_verdict(row: Row) -> str:
    return "" if row.verdict is None else _VERDICT_STYLES.get(row.verdict, "")
