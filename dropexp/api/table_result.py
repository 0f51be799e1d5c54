"""What every result has that a command prints as a table: its text, and a data frame."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from dropexp.api.frames import make_frame
from dropexp.terminal.plain_text import make_printable

_WIDTH = 100  # characters of a line of text


class TableResult(ABC):
    """A result that ``print`` shows as its command does, and a notebook as a table."""

    @abstractmethod
    def _format_lines(self, width: int) -> Sequence[Text]:
        """Return what the command prints on a terminal of a width in characters."""

    @abstractmethod
    def _tabulate(self) -> Sequence[Mapping[str, Any]]:
        """Return the lines of ``-f csv`` as column → value, at least one."""

    def to_frame(self, frame: str = "pandas") -> Any:
        """Return a data frame with the rows and the columns of ``-f csv``.

        Args:
            frame: ``pandas`` or ``polars``.

        Raises:
            UserError: the library is unknown, or not installed.
        """
        lines = self._tabulate()
        return make_frame({key: [line[key] for line in lines] for key in lines[0]}, frame)

    def __str__(self) -> str:
        """Return what the command prints, as text."""
        return "\n".join(make_printable(line.plain) for line in self._format_lines(_WIDTH))

    def __repr__(self) -> str:
        """Return the text, as an interactive session shows it."""
        return str(self)

    @abstractmethod
    def _repr_html_(self) -> str:
        """Return what a notebook shows: a table with its sentences and notes."""
