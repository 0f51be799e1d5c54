"""How a run talks to its user: progress, the summary table, messages.

On a terminal the progress is one block that is updated in place. Elsewhere (a pipe, a file, a
CI log) every line is plain text that grep can read.
"""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dropexp.cli.run_tables import (
    divergence,
    facts,
    live_epoch,
    next_command_lines,
    plain_epoch,
    sampled_facts,
    summary_table,
)
from dropexp.runs.records import EpochRecord, RunStatus, RunSummary, find_best_epoch
from dropexp.terminal.chart import line_chart
from dropexp.terminal.numbers import format_clock

_SECONDS_BETWEEN_REFRESHES = 0.5
_PLAIN_LINES = 10
_WIDEST = 100
"""Columns beyond which the progress and the chart do not grow: the eye loses the line."""

_CHART_HEIGHT = 13
_CHART_NEEDS_COLUMNS = 60

_CAPTION = (
    "best = lowest validation loss; losses in nats; train measured in eval mode",
    "loss gap = val - train; acc gap = train - val",
)


class RunConsole:
    """The voice of one run on stdout.

    As a context manager it leaves the terminal as it was, also after an exception or Ctrl-C.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self.interactive = self._console.is_interactive
        self.width = self._console.width if self._console.is_terminal else None
        self._live: Live | None = None
        self._next_refresh = 0.0
        self._seconds: list[float] = []  # of the epochs seen, which a resumed run has fewer of

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
        """Stop the progress, which stays on the screen; safe to call again."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    # --- before and while the run trains ----------------------------------------------------

    def start(self, run_id: str, lines: Sequence[str]) -> None:
        """The header: what is about to be trained, on what."""
        self._print(Text(run_id, style="bold"))
        for line in lines:
            self._print_prose(Text(line), indent=2)

    def note(self, message: str) -> None:
        """Something that is good to know."""
        self._print_prose(Text(message))

    def warn(self, message: str) -> None:
        """Something that the user should act on or know about the result."""
        self._print_prose(Text.assemble(("warning:", "yellow"), f" {message}"))

    def report_audit(self, line: str) -> None:
        """What the audit found."""
        self._print_prose(Text(f"audit  {line}"), indent=2)

    def report_epoch(self, record: EpochRecord, epochs: int) -> None:
        """One more epoch, of at most ``epochs``, is done."""
        self._seconds.append(record.seconds)
        if self.interactive:
            self._show_progress(record, epochs)
        elif self._deserves_a_line(record, epochs):
            self._print(Text(plain_epoch(record, epochs)))

    def _show_progress(self, record: EpochRecord, epochs: int) -> None:
        # Drawing costs about 1 ms, an epoch of a small job 80 ms: without this limit, and with
        # Live's own refresh thread, the display would be paid for in training time.
        now = time.monotonic()
        if now < self._next_refresh and record.epoch < epochs:
            return
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
        self._live.update(self._progress(record, epochs), refresh=True)
        self._next_refresh = now + _SECONDS_BETWEEN_REFRESHES

    def _progress(self, record: EpochRecord, epochs: int) -> Group:
        mean_seconds = sum(self._seconds) / len(self._seconds)
        left = format_clock(mean_seconds * (epochs - record.epoch))
        width = min(self._console.width, _WIDEST)
        first = Table.grid(padding=(0, 2), expand=True)
        first.width = width
        first.add_column(no_wrap=True)
        first.add_column(ratio=1)
        first.add_column(no_wrap=True)
        first.add_row(
            Text(f"epoch {record.epoch:>{len(str(epochs))}}/{epochs}"),
            ProgressBar(total=epochs, completed=record.epoch, complete_style="cyan"),
            Text(f"{left} left"),
        )
        return Group(first, live_epoch(record, self._console.width))

    def _deserves_a_line(self, record: EpochRecord, epochs: int) -> bool:
        every = -(-epochs // _PLAIN_LINES)
        is_first_seen = len(self._seconds) == 1
        is_last = record.epoch == epochs or not record.is_finite
        return is_first_seen or is_last or record.epoch % every == 0

    # --- after the run ------------------------------------------------------------------------

    def finished(
        self,
        summary: RunSummary,
        records: Sequence[EpochRecord],
        folder: Path,
        next_commands: Sequence[tuple[str, str]],
    ) -> None:
        """The results of a run that has just ended.

        Args:
            summary: what the run came to.
            records: all its epochs.
            folder: where it lies.
            next_commands: (command, what it does in a few words), most useful first.
        """
        header = "diverged" if summary.status is RunStatus.DIVERGED else "finished"
        self._results(header, summary, records, folder, next_commands)

    def reused(
        self,
        summary: RunSummary,
        records: Sequence[EpochRecord],
        folder: Path,
        next_commands: Sequence[tuple[str, str]],
    ) -> None:
        """The results of a run that had been finished before; nothing was trained."""
        header = "was finished before and is not trained again; force=true starts over"
        self._results(header, summary, records, folder, next_commands)

    def _results(
        self,
        header: str,
        summary: RunSummary,
        records: Sequence[EpochRecord],
        folder: Path,
        next_commands: Sequence[tuple[str, str]],
    ) -> None:
        if self._live is not None:
            # The table says it all; the last state of the progress would only stand in the way.
            self._live.transient = True
            self.close()
        self._blank_line()
        self._print_prose(Text.assemble((summary.run_id, "bold"), f" {header}"))
        if summary.status is RunStatus.DIVERGED:
            self._print_prose(Text(divergence(records), style="red"))
            self._print(Text(f"What led to it: {folder / 'metrics.csv'}", style="red"))
        self.measured(summary, records)
        self._print_folder_and_commands(folder, next_commands)

    def measured(self, summary: RunSummary, records: Sequence[EpochRecord]) -> None:
        """The numbers of a finished run: the table, its curves on a terminal, what it took."""
        self._print_table(summary)
        self.curves(records)
        self._print_prose(Text(facts(summary, records)))

    def curves(self, records: Sequence[EpochRecord]) -> None:
        """The losses of the epochs so far, on a terminal that has room for them."""
        if self._draws_charts:
            self._print_chart(records)

    def lines(self, lines: Iterable[Text]) -> None:
        """Lines as they are, which the terminal may wrap."""
        for line in lines:
            self._print(line)

    def _print_table(self, summary: RunSummary) -> None:
        self._blank_line()
        for row in summary_table(summary):
            self._print(row)
        self._blank_line()
        for line in (*_CAPTION, *sampled_facts(summary)):
            self._print(Text(line, style="dim"))
        self._blank_line()

    @property
    def _draws_charts(self) -> bool:
        is_wide = self._console.width >= _CHART_NEEDS_COLUMNS
        return self.interactive and is_wide and not self._console.options.ascii_only

    def _print_chart(self, records: Sequence[EpochRecord]) -> None:
        best = find_best_epoch(records)
        chart = line_chart(
            {
                "train loss": [record.train_loss for record in records],
                "val loss": [record.val_loss for record in records],
            },
            width=min(self._console.width, _WIDEST),
            height=_CHART_HEIGHT,
            x_label="epoch",
            y_label="loss in nats",
            marks={best.epoch: f"best {best.epoch}"} if best else {},
        )
        if chart:
            self._print(chart)
            self._blank_line()

    def _print_folder_and_commands(
        self, folder: Path, next_commands: Sequence[tuple[str, str]]
    ) -> None:
        self._print(Text(f"folder  {folder}"))
        self.lines(next_command_lines(next_commands))

    # --- printing -----------------------------------------------------------------------------

    def _print(self, text: Text) -> None:
        # Rich wraps lines with line ends of its own, which would end up in copied commands and
        # cut grep's lines in two; soft_wrap leaves that to the terminal.
        self._console.print(encodable(text, self._console), soft_wrap=True)

    def _print_prose(self, text: Text, indent: int = 0) -> None:
        """Print sentences, wrapped between words on a terminal."""
        if self.interactive:
            padded = Padding(encodable(text, self._console), (0, 0, 0, indent), expand=False)
            self._console.print(padded)
        else:
            self._print(Text(" " * indent) + text)

    def _blank_line(self) -> None:
        self._console.print()


def error(message: str) -> None:
    """Say on stderr what went wrong, in red where that is a terminal."""
    RunConsole(Console(stderr=True, highlight=False)).lines([Text(f"error: {message}", "red")])


def warning(message: str) -> None:
    """Say on stderr what the output on stdout does not show."""
    RunConsole(Console(stderr=True, highlight=False)).lines(
        [Text.assemble(("warning:", "yellow"), f" {message}")]
    )


def encodable(text: Text, console: Console) -> Text:
    """The text with escapes for the characters that the console's encoding does not have."""
    if not console.options.ascii_only:
        return text
    plain = text.plain.encode(console.encoding, "backslashreplace").decode(console.encoding)
    return text if plain == text.plain else Text(plain, style=text.style)
