"""What all commands print with: lines, sentences and one block that is updated in place."""

from collections.abc import Iterable
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.text import Text


class CommandConsole:
    """Prints what a command has to say, on stdout unless a console is given.

    As a context manager it leaves the terminal as it was, also after an exception or Ctrl-C.

    Attributes:
        interactive: whether the output is a terminal whose lines can be updated.
        width: of the terminal in characters; None where the output is a file or a pipe.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self.interactive = self._console.is_interactive
        self.width = self._console.width if self._console.is_terminal else None
        self._live: Live | None = None

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
        """Stop updating the block; safe to call again."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def print_line(self, text: Text) -> None:
        """Print a line as it is; the terminal may wrap it."""
        # Without soft_wrap rich inserts line ends, which break copied commands and grep.
        self._console.print(self._make_encodable(text), soft_wrap=True)

    def print_lines(self, lines: Iterable[Text]) -> None:
        """Print lines as they are; the terminal may wrap them."""
        for line in lines:
            self.print_line(line)

    def print_sentence(self, text: Text, indent: int = 0) -> None:
        """Print a sentence, on a terminal wrapped between words."""
        if self.interactive:
            padded = Padding(self._make_encodable(text), (0, 0, 0, indent), expand=False)
            self._console.print(padded)
        else:
            self.print_line(Text(" " * indent) + text)

    def print_blank_line(self) -> None:
        """Print an empty line."""
        self._console.print()

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

    def _make_encodable(self, text: Text) -> Text:
        """Return the text with escapes for the characters that the output's encoding lacks."""
        console = self._console
        if not console.options.ascii_only:
            return text
        plain = text.plain.encode(console.encoding, "backslashreplace").decode(console.encoding)
        return text if plain == text.plain else Text(plain, style=text.style)


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
    return CommandConsole(Console(stderr=True, highlight=False))
