"""Aligned tables of text. Every table that the commands print is made here.

rich's Table is not used: it takes 50 to 150 µs a cell, which is seconds for a list of 10,000 runs
(here 1 to 2 µs), and it cuts numbers off where the terminal is narrow.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, repeat, zip_longest
from textwrap import wrap
from typing import Generic, Literal, TypeVar

from rich.cells import cell_len
from rich.text import Text

from dropexp.terminal.numbers import list_few

Row = TypeVar("Row")

_MOST_DROPPED = 6  # columns without room that are named


@dataclass(frozen=True)
class Column(Generic[Row]):
    r"""One column of a table.

    Attributes:
        heading: one or two lines, such as ``"val\nloss"``; empty for none.
        cell: returns the text of a row's cell.
        align: ``right`` suits numbers, ``left`` text.
        style: returns the rich style of a row's cell.
        is_required: whether it is shown on every terminal; other columns are dropped from the
            last to the first where there is no room.
        wrap_to: the width down to which its cells are wrapped to make room for required columns;
            None for a column that is never wrapped.
        cells: returns the texts of all rows' cells, as ``cell`` does for each, in less time; None
            where that is not needed.
    """

    heading: str
    cell: Callable[[Row], str]
    align: Literal["left", "right"] = "right"
    style: Callable[[Row], str] | None = None
    is_required: bool = False
    wrap_to: int | None = None
    cells: Callable[[Sequence[Row]], Sequence[str]] | None = None


def format_table(
    columns: Sequence[Column[Row]],
    rows: Sequence[Row],
    *,
    width: int | None = None,
    row_style: Callable[[Row], str] | None = None,
    indent: int = 0,
    gap: int = 2,
    dropped_hint: str = "",
) -> list[Text]:
    """Return the lines of a table: headings, rows, and which columns had no room.

    No cell is ever cut off. A column that is not required and has no text in any row is left out.

    Args:
        columns: the most important first.
        rows: what the columns' functions take.
        width: of the terminal in characters; None shows every column in full.
        row_style: returns the rich style of a row.
        indent: spaces before each line.
        gap: spaces between two columns.
        dropped_hint: says where the columns are that had no room.
    """
    lines = format_lines(
        columns,
        rows,
        width=width,
        row_style=row_style,
        indent=indent,
        gap=gap,
        dropped_hint=dropped_hint,
    )
    return [Text(line) if isinstance(line, str) else line for line in lines]


def format_lines(
    columns: Sequence[Column[Row]],
    rows: Sequence[Row],
    *,
    width: int | None = None,
    row_style: Callable[[Row], str] | None = None,
    indent: int = 0,
    gap: int = 2,
    dropped_hint: str = "",
) -> list[Text | str]:
    """Return format_table with a str for each line without a style: of many rows half the time."""
    cells = [
        column.cells(rows) if column.cells else [column.cell(row) for row in rows]
        for column in columns
    ]
    has_text = [
        index
        for index, column in enumerate(columns)
        if column.is_required or not rows or any(cells[index])
    ]
    columns, cells = [columns[index] for index in has_text], [cells[index] for index in has_text]
    headings = [column.heading.split("\n") for column in columns]
    widths = [
        max(_measure_widest(heading), _measure_widest(texts))
        for heading, texts in zip(headings, cells, strict=True)
    ]
    full_widths = widths
    if width is not None:
        widths = _fit(columns, widths, width - indent, gap)
    layout = _Layout(columns[: len(widths)], widths, " " * indent, " " * gap)
    lines: list[Text | str] = [
        layout.line(texts, "bold") for texts in _heading_lines(headings[: len(widths)])
    ]
    styles = map(row_style, rows) if row_style else repeat("", len(rows))
    shown = cells[: len(widths)]
    if layout.is_plain(shown) and widths == full_widths[: len(widths)]:
        lines += layout.plain_rows(rows, shown, styles)
    else:
        for index, (row, style) in enumerate(zip(rows, styles, strict=True)):
            lines += layout.row(row, [texts[index] for texts in shown], style)
    return [*lines, *_dropped_lines(columns[len(widths) :], width, dropped_hint)]


def wrap_text(text: str, width: int | None) -> list[str]:
    """Return the text in lines of at most width characters; lines after the first are indented.

    Args:
        text: one paragraph.
        width: None for one line.
    """
    if width is None:
        return [text]
    return wrap(text, width, subsequent_indent="  ", break_on_hyphens=False) or [""]


def wrap_paragraphs(texts: Iterable[str], width: int | None, style: str = "") -> list[Text]:
    """Return paragraphs as lines of at most width characters; see wrap_text.

    Args:
        texts: the paragraphs.
        width: None for one line each.
        style: rich's, of every line.
    """
    return [Text(line, style) for text in texts for line in wrap_text(text, width)]


@dataclass(frozen=True)
class _Layout(Generic[Row]):
    """The columns that are shown, with their widths."""

    columns: Sequence[Column[Row]]
    widths: Sequence[int]
    indent: str
    gap: str

    @cached_property
    def aligns(self) -> list[Callable[[str, int], str]]:
        """What aligns the cells of each column."""
        return [str.ljust if column.align == "left" else str.rjust for column in self.columns]

    def is_plain(self, cells: Sequence[Sequence[str]]) -> bool:
        """Return whether all cells of all columns are as wide as long."""
        return all(_is_as_wide_as_long("".join(texts)) for texts in cells)

    def plain_rows(
        self, rows: Sequence[Row], cells: Sequence[Sequence[str]], styles: Iterable[str]
    ) -> Iterator[Text | str]:
        """Yield the lines of all rows where ``is_plain``: a fifth of the time of ``row``."""
        steps = (width + len(self.gap) for width in self.widths)
        starts = accumulate(steps, initial=len(self.indent))
        columns = zip(self.columns, starts, self.widths, strict=False)
        styled = [(each.style, start, width) for each, start, width in columns if each.style]
        for row, line, style in zip(rows, self.plain_lines(cells), styles, strict=True):
            found = [(find(row), start, start + width) for find, start, width in styled]
            spans = [span for span in found if span[0]]
            if not style and not spans:
                yield line
                continue
            text = Text(line, style)
            for span in spans:
                text.stylize(*span)
            yield text

    def plain_lines(self, cells: Sequence[Sequence[str]]) -> list[str]:
        """Return the lines of all rows where ``is_plain``, without styles."""
        columns = zip(self.columns, self.widths, strict=True)
        fields = [
            f"{{:{'<' if column.align == 'left' else '>'}{width}}}" if width else "{}"
            for column, width in columns
        ]
        format_line = (self.indent + self.gap.join(fields)).format
        return [format_line(*texts).rstrip() for texts in zip(*cells, strict=True)]

    def row(self, row: Row, cells: Sequence[str], style: str) -> list[Text]:
        """Return the lines of one row: several where a cell is wrapped."""
        styles = [column.style(row) if column.style else "" for column in self.columns]
        if all(map(self._fits, self.columns, self.widths, cells)):
            return [self.line(cells, style, styles)]
        wrapped = [
            [cell] if self._fits(column, width, cell) else wrap_text(cell, width)
            for column, width, cell in zip(self.columns, self.widths, cells, strict=True)
        ]
        return [self.line(texts, style, styles) for texts in zip_longest(*wrapped, fillvalue="")]

    def line(self, cells: Sequence[str], style: str, styles: Sequence[str] = ()) -> Text:
        """Return one line of cells side by side."""
        aligned = [
            align(cell, width - _measure(cell) + len(cell))
            for align, width, cell in zip(self.aligns, self.widths, cells, strict=True)
        ]
        line = Text((self.indent + self.gap.join(aligned)).rstrip(), style=style)
        if not any(styles):
            return line
        start = len(self.indent)
        for text, cell_style in zip(aligned, styles, strict=False):
            if cell_style:
                line.stylize(cell_style, start, start + len(text))
            start += len(text) + len(self.gap)
        return line

    @staticmethod
    def _fits(column: Column[Row], width: int, cell: str) -> bool:
        return column.wrap_to is None or _measure(cell) <= width


def _measure(text: str) -> int:
    """Return the width of a text in characters; most texts are as wide as they are long."""
    return len(text) if _is_as_wide_as_long(text) else cell_len(text)


def _measure_widest(texts: Sequence[str]) -> int:
    is_plain = _is_as_wide_as_long("".join(texts))
    return max(map(len if is_plain else _measure, texts), default=0)


_NARROW = str.maketrans("", "", "±−–≥")
"""The characters beside those of ASCII that stand in tables of numbers; each is one cell wide."""


def _is_as_wide_as_long(text: str) -> bool:
    plain = text if text.isascii() else text.translate(_NARROW)
    return plain.isascii() and plain.isprintable()


def _fit(columns: Sequence[Column[Row]], widths: list[int], available: int, gap: int) -> list[int]:
    """Return the widths of the columns that are shown, which are the first ones."""

    def total(chosen: Sequence[int]) -> int:
        return sum(chosen) + gap * (len(chosen) - 1)

    required = max((i + 1 for i, column in enumerate(columns) if column.is_required), default=0)
    fitted = list(widths)
    for index, column in enumerate(columns):
        if column.wrap_to is not None:
            shown = max(required, index + 1)
            excess = total(fitted[:shown]) - available
            fitted[index] -= max(0, min(excess, fitted[index] - column.wrap_to))
    count = len(fitted)
    while count > required and total(fitted[:count]) > available:
        count -= 1
    return fitted[:count]


def _heading_lines(headings: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return the lines of the headings, which stand at the bottom; none where all are empty."""
    height = max(map(len, headings), default=0)
    padded = [[""] * (height - len(heading)) + list(heading) for heading in headings]
    return [list(line) for line in zip(*padded, strict=True) if any(line)]


def _dropped_lines(columns: Sequence[Column[Row]], width: int | None, hint: str) -> list[Text]:
    if not columns:
        return []
    names = [column.heading.replace("\n", " ") for column in columns]
    text = f"no room for: {list_few(names, _MOST_DROPPED)}{'; ' if hint else ''}{hint}"
    return wrap_paragraphs([text], width, "dim")
