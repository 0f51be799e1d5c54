"""How the progress of a command is shown: as a block, as one line, or as lines in a log."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import TextIO

_SECONDS_BETWEEN_REWRITES = 0.5
_TENTHS = 10
_NO = {"", "0", "false"}


class ProgressDisplay(Enum):
    """How progress is shown."""

    BLOCK = auto()  # a terminal: several lines that are updated in place
    BAR = auto()  # Python in a notebook: a bar that is updated in place
    LINE = auto()  # a command in a notebook, whose terminal moves the cursor no other way: a line
    LOG = auto()  # a file, a pipe, CI: a new line after every tenth


class Verbosity(Enum):
    """How much a command prints."""

    QUIET = auto()  # warnings and errors, on stderr
    NORMAL = auto()
    VERBOSE = auto()  # a line for every epoch, or for every run of a sweep


def choose_display(
    *, is_terminal: bool, is_dumb: bool, environment: Mapping[str, str] = os.environ
) -> ProgressDisplay:
    """Return how progress is shown.

    Args:
        is_terminal: whether the output is a terminal.
        is_dumb: whether it is one that cannot move its cursor.
        environment: the variables of the process.
    """
    is_in_ci = environment.get("CI", "").lower() not in _NO
    if not is_terminal or is_dumb or is_in_ci:
        return ProgressDisplay.LOG
    # Of Jupyter's kernels, which give "!dropexp …" a terminal of their own.
    is_notebook = "JPY_PARENT_PID" in environment
    return ProgressDisplay.LINE if is_notebook else ProgressDisplay.BLOCK


def is_in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook, which shows HTML."""
    # A notebook has imported it; importing it here would cost every command 0.3 s.
    interactive = sys.modules.get("IPython")
    shell = interactive.get_ipython() if interactive is not None else None
    return hasattr(shell, "kernel")


def is_tty(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal, whatever FORCE_COLOR says of its colours."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # it is closed
        return False


class LogPace:
    """Says when a log gets its next line of progress: after every tenth, and at the end.

    Args:
        min_seconds: the least time between two lines; the last line comes whenever it does.
    """

    def __init__(self, min_seconds: float = 0.0) -> None:
        self._min_seconds = min_seconds
        self._tenths = 0
        self._last = time.monotonic()

    def is_due(self, share: float) -> bool:
        """Return whether progress has passed another tenth since the last line.

        Args:
            share: the fraction that is done, in [0, 1].
        """
        tenths = _count_tenths(share)
        is_too_soon = tenths < _TENTHS and time.monotonic() - self._last < self._min_seconds
        if tenths <= self._tenths or is_too_soon:
            return False
        self.note_line(share)
        return True

    def note_line(self, share: float) -> None:
        """Take a line that was printed for another reason into account."""
        self._tenths, self._last = _count_tenths(share), time.monotonic()


def _count_tenths(share: float) -> int:
    return int(share * _TENTHS + 1e-9)


class RewrittenLine:
    """One line at the end of the output that is written anew over itself.

    Args:
        write: writes a text as it is.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._shown = ""
        self._next = 0.0

    def show(self, text: str, *, is_last: bool = False) -> None:
        """Write the line anew, unless it was written a moment ago.

        Args:
            text: of one line.
            is_last: whether it is written in any case.
        """
        now = time.monotonic()
        if now < self._next and not is_last:
            return
        # A carriage return deletes nothing: spaces cover what is left of a longer line.
        self._write(f"\r{text.ljust(len(self._shown))}")
        self._shown = text
        self._next = now + _SECONDS_BETWEEN_REWRITES

    def clear(self) -> None:
        """Remove the line, so that another text can be printed in its place."""
        if self._shown:
            self._write(f"\r{' ' * len(self._shown)}\r")
            self._shown = ""
            self._next = 0.0
