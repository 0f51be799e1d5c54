"""What all commands print with: lines, sentences and one block that is updated in place."""

import sys
from collections.abc import Callable, Iterable
from io import StringIO
from itertools import islice
from types import TracebackType
from typing import Self, TextIO

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.segment import Segment
from rich.text import Text

from dropexp.cli.notebook_bar import NotebookBar
from dropexp.cli.progress_display import (
    LogPace,
    ProgressDisplay,
    RewrittenLine,
    Verbosity,
    choose_display,
    is_in_notebook,
    is_tty,
)
from dropexp.terminal.plain_text import make_printable


class SafeConsole(Console):
    """Prints no character of a text that controls the terminal; everything is printed with it.

    Texts come from run folders, which may come from anywhere. Rich's own control sequences pass;
    its markup is off, so that a text in brackets is a text.
    """

    def __init__(
        self,
        *,
        stderr: bool = False,
        file: TextIO | None = None,
        force_terminal: bool | None = None,
        width: int | None = None,
    ) -> None:
        super().__init__(
            stderr=stderr,
            file=file,
            force_terminal=force_terminal,
            width=width,
            highlight=False,
            markup=False,
            emoji=False,
            force_jupyter=False,
        )
        # FORCE_COLOR, which notebooks and CI set, asks for colours: it makes no file a terminal.
        self.is_tty = is_tty(file or (sys.stderr if stderr else sys.stdout))
        self.is_default = file is None and not stderr

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Return the segments of what is printed, with escapes for control characters."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            yield segment if control else Segment(make_printable(text, keep_lines=True), style)


def print_text(text: str) -> None:
    """Print a text of several lines on stdout as it is, but for control characters."""
    typer.echo(make_printable(text, keep_lines=True), nl=False)


_LINES_AT_A_TIME = 200


def _has_style(line: Text) -> bool:
    return bool(line.style or line.spans)


class _Nowhere(StringIO):
    """Keeps nothing of what is written."""

    def write(self, text: str) -> int:
        return len(text)


class CommandConsole:
    """Prints what a command has to say, on stdout unless a console is given.

    As a context manager it leaves the terminal as it was, also after an exception or Ctrl-C.

    Args:
        console: to print on; None: stdout.
        verbosity: how much is printed.

    Attributes:
        verbosity: as given.
        display: how progress is shown.
        interactive: whether the output is a terminal whose lines can be updated.
        width: of the terminal in characters; None where the output is a file or a pipe.
    """

    def __init__(
        self, console: Console | None = None, *, verbosity: Verbosity = Verbosity.NORMAL
    ) -> None:
        self.verbosity = verbosity
        if verbosity is Verbosity.QUIET:
            console = SafeConsole(file=_Nowhere())
        self._console = console or SafeConsole()
        is_terminal = self._console.is_terminal
        if isinstance(self._console, SafeConsole):
            is_terminal = self._console.is_tty
            self.display = choose_display(
                is_terminal=is_terminal, is_dumb=self._console.is_dumb_terminal
            )
            if self._console.is_default and is_in_notebook():
                self.display = ProgressDisplay.BAR
        else:
            is_live = self._console.is_interactive
            self.display = ProgressDisplay.BLOCK if is_live else ProgressDisplay.LOG
        self.interactive = self.display is ProgressDisplay.BLOCK
        if verbosity is Verbosity.VERBOSE:
            self.display = ProgressDisplay.LOG  # lines that stay
        self.width = self._console.width if is_terminal else None
        self._live: Live | None = None
        self._line = RewrittenLine(self._write)
        self._notebook_bar = NotebookBar()
        self._pace = LogPace()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop showing progress; safe to call again."""
        self._line.clear()
        if self._live is not None:
            self._live.stop()
            self._live = None

    def print_line(self, text: Text) -> None:
        """Print a line as it is; the terminal may wrap it."""
        self._line.clear()
        # Without soft_wrap rich inserts line ends, which break copied commands and grep.
        self._console.print(self._make_safe(text), soft_wrap=True)

    def print_lines(self, lines: Iterable[Text | str]) -> None:
        """Print lines as they are; the terminal may wrap them. A str has no style."""
        # Rich takes 0.2 ms to print a text of any length, and 10 µs a line.
        left = iter(lines)
        while batch := list(islice(left, _LINES_AT_A_TIME)):
            styled = [line for line in batch if isinstance(line, Text) and _has_style(line)]
            if len(batch) < _LINES_AT_A_TIME or styled:
                texts = [Text(line) if isinstance(line, str) else line for line in batch]
                self.print_line(Text("\n").join(texts))
            else:
                self._print_plain("\n".join(map(str, batch)))

    def _print_plain(self, text: str) -> None:
        """Print lines without a style as print_line does, in a tenth of the time."""
        console = self._console
        if not isinstance(console, SafeConsole) or "\t" in text or self._live is not None:
            self.print_line(Text(text))
            return
        self._line.clear()
        console.file.write(self._escape(text) + "\n")

    def print_sentence(self, text: Text, indent: int = 0) -> None:
        """Print a sentence, on a terminal wrapped between words."""
        if self.interactive:
            padded = Padding(self._make_safe(text), (0, 0, 0, indent), expand=False)
            self._console.print(padded)
        else:
            self.print_line(Text(" " * indent) + text)

    def note(self, message: str) -> None:
        """Print a message."""
        self.print_sentence(Text(message))

    def print_blank_line(self) -> None:
        """Print an empty line."""
        self._line.clear()
        self._console.print()

    def show_progress(
        self,
        block: Callable[[], RenderableType],
        line: Callable[[], str],
        share: float,
        *,
        transient: bool = True,
    ) -> None:
        """Show progress: as a block, a bar or a line that is updated, or rarely in a log.

        Args:
            block: returns the block.
            line: returns the line.
            share: the fraction that is done, in [0, 1]: a log has a line for each tenth.
            transient: whether the block leaves the screen when it is closed.
        """
        match self.display:
            case ProgressDisplay.BLOCK:
                self.show_block(block(), transient=transient)
            case ProgressDisplay.BAR:
                self._notebook_bar.show(self._make_safe(Text(line())).plain, share)
            case ProgressDisplay.LINE:
                self._line.show(self._make_safe(Text(line())).plain, is_last=share >= 1)
            case ProgressDisplay.LOG:
                if self._pace.is_due(share):
                    self.print_line(Text(line()))

    def _write(self, text: str) -> None:
        self._console.file.write(text)
        self._console.file.flush()

    def show_block(self, block: RenderableType, *, transient: bool) -> None:
        """Draw the block that is updated in place, or draw it anew.

        Args:
            block: replaces the one on the screen.
            transient: whether the block leaves the screen when it is closed.
        """
        if self._live is None:
            # Live's own thread would take time from training.
            self._live = Live(console=self._console, auto_refresh=False, transient=transient)
            self._live.start()
        self._live.update(block, refresh=True)

    @property
    def block_width(self) -> int:
        """The most characters that a line of the block may have."""
        # The terminal prints ^C behind the block. On a full line it would begin a new one, and a
        # copy of the block would stay on the screen.
        return max(1, self._console.width - len("^C^C"))

    def _make_safe(self, text: Text) -> Text:
        """Return the text with escapes for control characters and what the encoding lacks."""
        plain = self._escape(text.plain)
        return text if plain == text.plain else Text(plain, style=text.style)

    def _escape(self, text: str) -> str:
        console, plain = self._console, make_printable(text, keep_lines=True)
        if not console.options.ascii_only:
            return plain
        return plain.encode(console.encoding, "backslashreplace").decode(console.encoding)


def print_error(message: str) -> None:
    """Print a message as an error on stderr."""
    _on_stderr().print_sentence(Text(f"error: {message}", "red"))


def print_notice(message: str) -> None:
    """Print a message that is no error on stderr, such as what to do after Ctrl-C."""
    _on_stderr().print_sentence(Text(message))


def print_warning(message: str) -> None:
    """Print a message as a warning on stderr."""
    _on_stderr().print_sentence(Text.assemble(("warning:", "yellow"), f" {message}"))


def _on_stderr() -> CommandConsole:
    return CommandConsole(SafeConsole(stderr=True))
