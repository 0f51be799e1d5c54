"""Tables of text whose most important columns come first: what has no room is dropped."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from rich.text import Text

Item = TypeVar("Item")
_GAP = "  "


@dataclass(frozen=True)
class Column(Generic[Item]):
    """A column: two lines of heading, and an item's cell."""

    above: str
    below: str
    cell: Callable[[Item], str]
    is_text: bool = False  # to the left
    style: Callable[[Item], str] = lambda _item: ""

    @property
    def name(self) -> str:
        """Both lines of the heading in one."""
        return f"{self.above} {self.below}".strip()


def that_fit(widths: Sequence[int], width: int | None, at_least: int) -> int:
    """How many columns fit; so many are shown in any case.

    Args:
        widths: of the columns, in characters.
        width: of the terminal; None for no limit.
        at_least: columns that are never dropped.
    """
    shown = len(widths)
    while (
        width is not None
        and shown > at_least
        and sum(widths[:shown]) + len(_GAP) * (shown - 1) > width
    ):
        shown -= 1
    return shown


def headings(columns: Sequence[Column[Item]], widths: Sequence[int]) -> list[Text]:
    """Two lines, in bold."""
    lines = ([each.above for each in columns], [each.below for each in columns])
    return [Text(line(cells, columns, widths), style="bold") for cells in lines]


def line(cells: Sequence[str], columns: Sequence[Column[Item]], widths: Sequence[int]) -> str:
    """Cells side by side, texts to the left and numbers to the right."""
    aligned = [
        f"{cell:<{width}}" if column.is_text else f"{cell:>{width}}"
        for cell, width, column in zip(cells, widths, columns, strict=False)
    ]
    return _GAP.join(aligned).rstrip()


def hidden(columns: Sequence[Column[Item]]) -> list[str]:
    """A line that says which columns had no room; none if all had."""
    names = ", ".join(column.name for column in columns)
    return [f"no room for: {names}"] if columns else []
