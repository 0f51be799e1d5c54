"""What one run prints: its progress, its results, messages.

On a terminal the progress is one block that is updated in place, in a notebook one line. In a pipe
or a file every line is plain text for grep.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dropexp.cli.audit_table import format_audit
from dropexp.cli.console import CommandConsole, print_warning
from dropexp.cli.live_block import WIDEST
from dropexp.cli.progress_display import LogPace, ProgressDisplay, Verbosity
from dropexp.cli.run_tables import (
    describe_cost,
    describe_divergence,
    describe_gaps,
    describe_variance_shift,
    format_epoch,
    format_live_epoch,
    format_mc_dropout,
    format_next_commands,
    format_summary,
)
from dropexp.runs.files import METRICS
from dropexp.runs.records import EpochRecord, RunStatus, RunSummary, find_best_epoch
from dropexp.runs.write import RunFolder
from dropexp.terminal.chart import draw_line_chart
from dropexp.terminal.numbers import format_clock
from dropexp.training.progress import EpochProgress

_SECONDS_BETWEEN_REFRESHES = 0.5
_SECONDS_BETWEEN_STEP_LINES = 30.0
_PLAIN_LINES = 10
_CHART_HEIGHT = 13
_CHART_NEEDS_COLUMNS = 60
_EPOCH_NEEDS_COLUMNS = 60

_CAPTION = "best = lowest validation loss; losses in nats; train measured in eval mode"


class RunConsole(CommandConsole):
    """Prints one run on stdout; a RunView."""

    def __init__(
        self, console: Console | None = None, *, verbosity: Verbosity = Verbosity.NORMAL
    ) -> None:
        super().__init__(console, verbosity=verbosity)
        self._next_refresh = 0.0
        self._seconds: list[float] = []  # of the epochs of this process; a resumed run has more
        self._last: EpochRecord | None = None
        self._pace_of_steps = LogPace(_SECONDS_BETWEEN_STEP_LINES)

    # --- before and while the run trains ----------------------------------------------------

    def start(self, run_id: str, lines: Sequence[str]) -> None:
        """Print the header: the run, its data and its model."""
        self.print_line(Text(run_id, style="bold"))
        for line in lines:
            self.print_sentence(Text(line), indent=2)

    def warn(self, message: str) -> None:
        """Print a message that the user should act on."""
        if self.verbosity is Verbosity.QUIET:
            print_warning(message)
        self.print_sentence(Text.assemble(("warning:", "yellow"), f" {message}"))

    def report_audit(self, line: str) -> None:
        """Print the outcome of the audit."""
        self.print_sentence(Text(f"audit  {line}"), indent=2)

    def show_audit(self, folder: Path) -> None:
        """Print each check of a run's audit, where everything is to be printed."""
        if self.verbosity is not Verbosity.VERBOSE:
            return
        report = RunFolder(folder.parent, folder.name).read_audit()
        if report is not None:
            self.print_blank_line()
            self.print_lines(format_audit(report["checks"], self.width))

    def report_step(self, progress: EpochProgress) -> None:
        """Show the progress within a long epoch; in a log, a line for each tenth of the run."""
        share = progress.epochs_done / progress.epochs
        if self.display is not ProgressDisplay.LOG:
            self.show_progress(
                lambda: self._progress_within(progress),
                lambda: self._describe_step(progress),
                share,
                transient=False,
            )
            self._next_refresh = time.monotonic() + _SECONDS_BETWEEN_REFRESHES
        elif self._pace_of_steps.is_due(share):
            self.print_line(Text(self._describe_step(progress)))

    def report_epoch(self, record: EpochRecord, epochs: int) -> None:
        """Show the progress after one more epoch, of at most ``epochs``."""
        self._seconds.append(record.seconds)
        self._last = record
        if self.display is not ProgressDisplay.LOG:
            self._show_progress(record, epochs)
        elif self._deserves_a_line(record, epochs):
            self._pace_of_steps.note_line(record.epoch / epochs)
            self.print_line(Text(format_epoch(record, epochs)))

    def _show_progress(self, record: EpochRecord, epochs: int) -> None:
        # Drawing takes about 1 ms, which training loses, and an epoch of a small job 80 ms.
        now = time.monotonic()
        if now < self._next_refresh and record.epoch < epochs:
            return
        self.show_progress(
            lambda: self._progress(record, epochs),
            lambda: self._describe_epoch(record, epochs),
            record.epoch / epochs,
            transient=False,
        )
        self._next_refresh = now + _SECONDS_BETWEEN_REFRESHES

    def _describe_epoch(self, record: EpochRecord, epochs: int) -> str:
        left = format_clock(self._mean_seconds * (epochs - record.epoch))
        return f"{format_epoch(record, epochs)}  {left} left"

    def _describe_step(self, progress: EpochProgress) -> str:
        """Return the progress in a long epoch as a line: its share, and the run's time left."""
        place = f"epoch {progress.epoch:>{len(str(progress.epochs))}}/{progress.epochs}"
        left = format_clock(self._estimate_left(progress))
        return f"{place}  {progress.share:.0%} of it, run {left} left"

    def _estimate_left(self, progress: EpochProgress) -> float:
        """Return the seconds that the rest of the run takes."""
        per_epoch = self._mean_seconds or progress.seconds / progress.share
        return max(per_epoch * (progress.epochs - progress.epochs_done), progress.seconds_left)

    def _progress(self, record: EpochRecord, epochs: int) -> Group:
        left = self._mean_seconds * (epochs - record.epoch)
        first = self._bar_line(record.epoch, epochs, f"{format_clock(left)} left", record.epoch)
        return Group(first, format_live_epoch(record, self.block_width))

    def _progress_within(self, progress: EpochProgress) -> RenderableType:
        """Return the block in a long epoch: its share and time left, then those of the run."""
        done = progress.epochs_done
        run_left = self._estimate_left(progress)
        text = f"{progress.share:.0%}, run {format_clock(run_left)} left"
        if self.block_width >= _EPOCH_NEEDS_COLUMNS:
            epoch_left = format_clock(progress.seconds_left)
            text = (
                f"{progress.share:.0%} of it, {epoch_left} left; run {format_clock(run_left)} left"
            )
        first = self._bar_line(progress.epoch, progress.epochs, text, done)
        if self._last is None:
            return first
        return Group(first, format_live_epoch(self._last, self.block_width))

    @property
    def _mean_seconds(self) -> float:
        return sum(self._seconds) / len(self._seconds) if self._seconds else 0.0

    def _bar_line(self, epoch: int, epochs: int, text: str, done: float) -> Table:
        line = Table.grid(padding=(0, 2), expand=True)
        line.width = min(self.block_width, WIDEST)
        line.add_column(no_wrap=True)
        line.add_column(ratio=1)
        line.add_column(no_wrap=True)
        line.add_row(
            Text(f"epoch {epoch:>{len(str(epochs))}}/{epochs}"),
            ProgressBar(total=epochs, completed=done, complete_style="cyan"),
            Text(text),
        )
        return line

    def _deserves_a_line(self, record: EpochRecord, epochs: int) -> bool:
        if self.verbosity is Verbosity.VERBOSE:
            return True
        every = -(-epochs // _PLAIN_LINES)
        is_first_seen = len(self._seconds) == 1
        is_last = record.epoch == epochs or not record.is_finite
        return is_first_seen or is_last or record.epoch % every == 0

    # --- after the run ------------------------------------------------------------------------

    def show_run(
        self,
        summary: RunSummary,
        records: Sequence[EpochRecord],
        folder: Path,
        next_commands: Sequence[tuple[str, str]],
        *,
        is_reused: bool,
    ) -> None:
        """Print the results of a run that has ended.

        Args:
            summary: of the run.
            records: of all its epochs.
            folder: of the run.
            next_commands: (command, what it does in a few words), the most useful first.
            is_reused: whether the run was finished before, so that nothing was trained.
        """
        header = "diverged" if summary.status is RunStatus.DIVERGED else "finished"
        if is_reused:
            header = "is finished and was not trained again; force=true trains it again"
        if self._live is not None:
            # The table below repeats what the progress shows.
            self._live.transient = True
        self.close()
        self.print_blank_line()
        self.print_sentence(Text.assemble((summary.run_id, "bold"), f" {header}"))
        if summary.status is RunStatus.DIVERGED:
            self.print_sentence(Text(describe_divergence(records), style="red"))
            self.print_line(Text(f"Every epoch is in {folder / METRICS}", style="red"))
        self.show_results(summary, records)
        self._print_folder_and_commands(folder, next_commands)

    def show_results(self, summary: RunSummary, records: Sequence[EpochRecord]) -> None:
        """Print a finished run's table, its curves (on a terminal), its time and memory."""
        self._print_table(summary)
        self.show_curves(records)
        self.print_sentence(Text(describe_cost(summary, records)))

    def show_curves(self, records: Sequence[EpochRecord]) -> None:
        """Draw the losses of the epochs, on a terminal that is wide enough."""
        if self._draws_charts:
            self._print_chart(records)

    def _print_table(self, summary: RunSummary) -> None:
        self.print_blank_line()
        for row in format_summary(summary):
            self.print_line(row)
        self.print_blank_line()
        more = (*format_mc_dropout(summary), *describe_variance_shift(summary))
        for line in (_CAPTION, describe_gaps(summary), *more):
            self.print_line(Text(line, style="dim"))
        self.print_blank_line()

    @property
    def _draws_charts(self) -> bool:
        is_wide = self._console.width >= _CHART_NEEDS_COLUMNS
        return self.interactive and is_wide and not self._console.options.ascii_only

    def _print_chart(self, records: Sequence[EpochRecord]) -> None:
        best = find_best_epoch(records)
        chart = draw_line_chart(
            {
                "train loss": [record.train_loss for record in records],
                "val loss": [record.val_loss for record in records],
            },
            width=min(self._console.width, WIDEST),
            height=_CHART_HEIGHT,
            x_label="epoch",
            y_label="loss in nats",
            marks={best.epoch: f"best {best.epoch}"} if best else {},
        )
        if chart:
            self.print_line(chart)
            self.print_blank_line()

    def _print_folder_and_commands(
        self, folder: Path, next_commands: Sequence[tuple[str, str]]
    ) -> None:
        self.print_line(Text(f"folder  {folder}"))
        self.print_lines(format_next_commands(next_commands))
