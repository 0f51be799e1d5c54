"""A small line chart for the terminal, drawn with braille dots."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

MIN_WIDTH = 40
"""Characters of the narrowest chart that can be read."""

_STYLES = ("cyan", "magenta", "green", "blue")
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # [row][column] of U+2800 + bits
_MOST_TICKS = 4


@dataclass(frozen=True, slots=True)
class _Axis:
    """A y axis from low to high with ticks at multiples of step."""

    low: float
    high: float
    step: float

    @property
    def ticks(self) -> list[float]:
        first, last = math.ceil(self.low / self.step), math.floor(self.high / self.step)
        return [multiple * self.step for multiple in range(first, last + 1)]

    def label(self, tick: float) -> str:
        """Return a tick as text; all ticks of an axis have the same number of decimals."""
        if not 1e-4 <= self.step < 1e5:
            return f"{tick:.3g}"
        return f"{tick:.{max(0, -math.floor(math.log10(self.step * 1.0001)))}f}"

    def dot_row(self, value: float, rows: int) -> int:
        """Return the row of dots, 0 at the top, in a canvas with ``rows`` rows of cells."""
        return round((self.high - value) / (self.high - self.low) * (4 * rows - 1))


class _Canvas:
    """Cells of 2 × 4 dots; a cell has the colour of the last line drawn into it."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self._bits = [[0] * columns for _ in range(rows)]
        self._styles = [[""] * columns for _ in range(rows)]

    def set_dot(self, x: int, y: int, style: str) -> None:
        """Set the dot at column x (0 … 2·columns−1) and row y (0 is the top)."""
        self._bits[y // 4][x // 2] |= _DOTS[y % 4][x % 2]
        self._styles[y // 4][x // 2] = style

    def cells(self, row: int) -> Iterator[tuple[str, str]]:
        """Yield the characters of a row of cells with their styles."""
        for bits, style in zip(self._bits[row], self._styles[row], strict=True):
            yield (chr(0x2800 + bits) if bits else " "), style


def draw_line_chart(
    series: Mapping[str, Sequence[float]],
    *,
    width: int,
    height: int,
    x_label: str,
    y_label: str,
    marks: Mapping[int, str] | None = None,
) -> Text:
    """Draw lines over x = 1, 2, …, each with its name at its right end.

    The first line is solid and each further line has fewer dots, so that lines differ without
    colour too. A value that is not finite leaves a gap.

    Args:
        series: name → the values at x = 1, 2, …
        width: of the chart with its labels, in characters; at least MIN_WIDTH.
        height: of the chart with its labels, in lines; at least 6.
        x_label: stands under the x axis.
        y_label: stands above the y axis.
        marks: x → a short text under the x axis, shown where there is room.

    Returns:
        ``height`` lines, or an empty text if fewer than two values are finite.
    """
    values = [value for line in series.values() for value in line if _is_drawable(value)]
    last_x = max((len(line) for line in series.values()), default=0)
    if last_x < 2 or len(values) < 2:
        return Text()
    axis = _nice_axis(min(values), max(values))
    margin = max(len(axis.label(tick)) for tick in axis.ticks)
    names = max(len(name) for name in series)
    canvas = _Canvas(columns=width - margin - 2 - names - 1, rows=height - 3)
    for index, line in enumerate(series.values()):
        _draw_line(canvas, line, last_x, axis, spacing=index + 1, style=_line_style(index))
    chart = Text(f"{y_label}\n", no_wrap=True)
    _append_plot(chart, canvas, axis, margin, _end_labels(series, axis, canvas.rows))
    chart.append(" " * (margin + 1) + "└" + "─" * canvas.columns + "\n", style="dim")
    x_axis = _x_axis_labels(last_x, canvas.columns, x_label, marks or {})
    chart.append(" " * (margin + 2) + x_axis)
    return chart


def _line_style(index: int) -> str:
    return _STYLES[index % len(_STYLES)]


def _nice_axis(low: float, high: float) -> _Axis:
    """Return the axis from low to high with two to four round ticks."""
    if high - low <= 1e-6 * max(abs(low), abs(high)):  # a flat line lies in the middle
        around = 0.1 * abs(high) or 1.0
        low, high = low - around, high + around
    exponent = math.floor(math.log10(high - low)) - 1
    while True:
        for factor in (1, 2, 5):
            axis = _Axis(low, high, step=factor * 10.0**exponent)
            if len(axis.ticks) <= _MOST_TICKS:
                return axis
        exponent += 1


def _is_drawable(value: float) -> bool:
    # The difference of larger values may overflow.
    return math.isfinite(value) and abs(value) < 1e300


def _draw_line(
    canvas: _Canvas, line: Sequence[float], last_x: int, axis: _Axis, *, spacing: int, style: str
) -> None:
    """Draw a line between finite neighbours; set every ``spacing``-th dot."""
    scale = (2 * canvas.columns - 1) / (last_x - 1)
    previous: tuple[int, int] | None = None
    drawn = 0  # along the line, so that steep and flat parts are equally dense
    for index, value in enumerate(line):
        if not _is_drawable(value):
            previous = None
            continue
        point = (round(index * scale), axis.dot_row(value, canvas.rows))
        for dot in [point] if previous is None else _list_dots_between(previous, point):
            if drawn % spacing == 0:
                canvas.set_dot(*dot, style)
            drawn += 1
        previous = point


def _list_dots_between(start: tuple[int, int], end: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Yield the dots after start on the straight line to end."""
    (x0, y0), (x1, y1) = start, end
    steps = max(abs(x1 - x0), abs(y1 - y0))
    for i in range(1, steps + 1):
        yield round(x0 + (x1 - x0) * i / steps), round(y0 + (y1 - y0) * i / steps)


def _end_labels(
    series: Mapping[str, Sequence[float]], axis: _Axis, rows: int
) -> dict[int, tuple[str, str]]:
    """Return row → (name, style): each name at the end of its line, or as near as possible."""
    wanted = []
    for index, (name, line) in enumerate(series.items()):
        finite = [value for value in line if _is_drawable(value)]
        if finite:
            wanted.append((axis.dot_row(finite[-1], rows), name, _line_style(index)))
    wanted.sort(key=lambda label: label[0])
    labels: dict[int, tuple[str, str]] = {}
    lowest_free = 0
    for position, (dot_row, name, style) in enumerate(wanted):
        still_to_place = len(wanted) - position - 1
        row = min(max(dot_row // 4, lowest_free), rows - 1 - still_to_place)
        labels[row] = (name, style)
        lowest_free = row + 1
    return labels


def _append_plot(
    chart: Text, canvas: _Canvas, axis: _Axis, margin: int, names: Mapping[int, tuple[str, str]]
) -> None:
    ticks = {axis.dot_row(tick, canvas.rows) // 4: axis.label(tick) for tick in axis.ticks}
    for row in range(canvas.rows):
        chart.append(f"{ticks.get(row, ''):>{margin}} ")
        chart.append("┤" if row in ticks else "│", style="dim")
        for cell, style in canvas.cells(row):
            chart.append(cell, style=style)
        name, style = names.get(row, ("", ""))
        chart.append(f" {name}" if name else "", style=style)
        chart.append("\n")


def _x_axis_labels(last_x: int, columns: int, x_label: str, marks: Mapping[int, str]) -> str:
    """Return the line under the x axis: first and last x, marks, label, where there is room."""
    line = [" "] * columns
    _place(line, "1", 0)
    _place(line, str(last_x), columns - len(str(last_x)))
    for x, text in marks.items():
        column = round((x - 1) / (last_x - 1) * (columns - 1))
        _place(line, text, min(max(column - len(text) // 2, 2), columns - len(text)))
    places = [round(columns * share) - len(x_label) // 2 for share in (0.5, 0.25, 0.75)]
    for place in places:
        if _place(line, x_label, place):
            break
    return "".join(line).rstrip()


def _place(line: list[str], text: str, start: int) -> bool:
    """Write text into a line unless it would touch other text; return whether it was written."""
    end = start + len(text)
    if start < 0 or any(cell != " " for cell in line[max(start - 1, 0) : end + 1]):
        return False
    line[start:end] = text
    return True
