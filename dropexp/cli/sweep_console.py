"""Show a sweep to its user: the plan, the progress, the failures, the result.

On a terminal the progress is one block that is updated in place, in a notebook one line. A log has
a line for each run that ends; with more than 200 runs for each tenth of them, and for each run that
fails or diverges.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from dropexp.cli.console import CommandConsole, print_warning
from dropexp.cli.live_block import WIDEST, make_bar_line, make_block_table, make_running_table
from dropexp.cli.progress_display import ProgressDisplay, Verbosity
from dropexp.cli.run_tables import format_next_commands
from dropexp.sweep.plan_status import PlanStatus
from dropexp.sweep.progress import EndedRun, Progress, SettingMean
from dropexp.terminal.numbers import format_clock, format_count, format_duration, format_number
from dropexp.terminal.tables import Column, format_table

if TYPE_CHECKING:  # what watches a sweep composes no configs
    from dropexp.sweep.conduct import SweepResult
    from dropexp.sweep.plan import Plan

_PLAN_LABELS = {
    PlanStatus.NEW: "new",
    PlanStatus.FINISHED: "finished",
    PlanStatus.INTERRUPTED: "interrupted",
    PlanStatus.FAILED: "failed",
    PlanStatus.ELSEWHERE: "being trained by another process",
    PlanStatus.DAMAGED: "damaged and trained again",
    PlanStatus.UNMEASURED: "finished but lacking mc_dropout",
}
_ALWAYS_COUNTED = {
    PlanStatus.NEW,
    PlanStatus.FINISHED,
    PlanStatus.INTERRUPTED,
    PlanStatus.FAILED,
}

ListedRow = tuple[str, PlanStatus, float | None]
"""A run's id, its status and the estimated seconds of its training."""

_RUNS_WITH_LINES = 200
"""The most runs of which a log has a line each; of more, it has one for each tenth of them."""

_RUNS_WITHOUT_TIMES = 10
"""With more runs, the lines say how long it takes."""

_MOST_SETTINGS = 5
_MOST_PROBLEMS = 20


_WAITS = (
    "this sweep waits for the other process; one that was stopped, as Ctrl-Z does, holds its runs "
    "until it continues or is killed"
)


class SweepConsole(CommandConsole):
    """Shows a sweep on stdout, to the user who runs it or watches it."""

    def __init__(
        self,
        name: str,
        console: Console | None = None,
        *,
        verbosity: Verbosity = Verbosity.NORMAL,
    ) -> None:
        super().__init__(console, verbosity=verbosity)
        self._name = name
        self._reported: set[str] = set()

    # --- before ---------------------------------------------------------------------------------

    def show_plan(self, plan: "Plan", duplicates: int, *, retry_failed: bool) -> None:
        """Say what there is to do, before anything starts."""
        counts = [(plan.counts[status], status) for status in _PLAN_LABELS]
        listed = ", ".join(
            f"{count:,} {_PLAN_LABELS[status]}"
            for count, status in counts
            if count or status in _ALWAYS_COUNTED
        )
        total = format_count(len(plan.runs), "run")
        self.print_sentence(Text.assemble((self._name, "bold"), f"  {total}: {listed}"))
        if duplicates:
            count = format_count(duplicates, "duplicate")
            sentence = (
                f"{count} left out: combinations that make the same run, such as none at several p"
            )
            self.print_sentence(Text(sentence), indent=2)
        if plan.counts[PlanStatus.FAILED]:
            told = "trained again" if retry_failed else "skipped; --retry-failed trains them again"
            self.print_sentence(Text(f"failed runs are {told}"), indent=2)
        if plan.counts[PlanStatus.ELSEWHERE]:
            self.print_sentence(Text(_WAITS), indent=2)

    def list_runs(
        self, rows: Sequence[ListedRow], at_a_time: int | None, *, is_timed: bool = False
    ) -> None:
        """List the runs that a sweep would launch, and say how long it would take.

        Args:
            rows: id, status and estimated seconds of training; None without an estimate.
            at_a_time: runs that would train at the same time; None where the launcher decides.
            is_timed: whether an epoch was timed for the estimate.
        """
        to_train = [seconds for _, status, seconds in rows if status != PlanStatus.UNMEASURED]
        self.print_lines(format_table(_LISTED_COLUMNS, rows))
        known = [seconds for seconds in to_train if seconds is not None]
        if len(known) < len(to_train):
            unknown = format_count(len(to_train) - len(known), "run")
            reason = "no finished run is like them, and none could be timed here"
            self.print_sentence(Text(f"no estimate for {unknown}: {reason}"))
        if known:
            slots = min(at_a_time or 1, len(known))
            wall = format_duration(max(sum(known) / slots, max(known)))
            how = "one after another" if slots == 1 else f"{slots} at a time"
            runs = format_count(len(known), "run")
            source = "one timed epoch of each kind" if is_timed else "finished runs"
            self.print_sentence(Text(f"about {wall} for {runs}, {how}, estimated from {source}"))

    # --- meanwhile ------------------------------------------------------------------------------

    def begin(self, progress: Progress) -> None:
        """Note the runs that ended before the sweep, which are not reported."""
        self._reported |= {one.run.run_id for one in progress.ended}

    def report_progress(self, progress: Progress) -> None:
        """Show the progress; a failure has a line that stays, in a log other runs too."""
        for one in progress.ended:
            if one.run.run_id not in self._reported:
                self._reported.add(one.run.run_id)
                self._report_end(one, progress)
        if self.display is not ProgressDisplay.LOG:
            self.show_progress(
                lambda: self._block(progress),
                lambda: f"{self._name}  {_count(progress)}",
                len(progress.ended) / progress.total,
            )

    def _report_end(self, one: EndedRun, progress: Progress) -> None:
        number = len(self._reported)
        has_lines = progress.total <= _RUNS_WITH_LINES or self.verbosity is Verbosity.VERBOSE
        is_due = self._pace.is_due(number / progress.total) or has_lines
        if one.is_successful and not (self.display is ProgressDisplay.LOG and is_due):
            return
        place = f"{number:>{len(str(progress.total))}}/{progress.total}  "
        line = format_run_line(one, place)
        if one.is_successful and progress.total > _RUNS_WITHOUT_TIMES and progress.seconds_left:
            line.append(f"  {format_clock(progress.seconds_left)} left")
        self.print_line(line)

    def _block(self, progress: Progress) -> Group:
        width = min(self.block_width, WIDEST)
        parts: list[RenderableType] = [self._bar(progress, width)]
        if progress.running:
            parts.append(make_running_table(progress.running, width))
        if len(progress.best) > 1:
            parts.append(_best_table(progress.best, width))
        return Group(*parts)

    def _bar(self, progress: Progress, width: int) -> Table:
        counts = _count(progress)
        return make_bar_line(self._name, len(progress.ended), progress.total, counts, width)

    # --- afterwards -----------------------------------------------------------------------------

    def show_result(self, result: "SweepResult", next_commands: Sequence[tuple[str, str]]) -> None:
        """Print the result of a sweep, its failures and the next commands."""
        self.close()
        progress = result.progress
        left = progress.total - len(progress.ended)
        header = "stopped" if left else "finished"
        counts = f"{progress.num_successful:,} of {format_count(progress.total, 'run')} done"
        trained = f"{result.trained} trained" if result.trained else "none trained"
        measured = f", {result.measured} measured" if result.measured else ""
        took = f"{trained}{measured} in {format_duration(result.seconds)}"
        self.print_sentence(Text.assemble((self._name, "bold"), f" {header}: {counts}, {took}"))
        print_problems(self, progress.unsuccessful)
        if progress.best:
            self.print_lines(_best_lines(progress.best))
        if result.disk_problem:
            return  # the error says how to resume
        if left:
            are_left = "run that is left" if left == 1 else f"{left:,} runs that are left"
            self.print_sentence(Text(f"the same command resumes the {are_left}"))
        elif progress.num_successful:
            self.print_lines(format_next_commands(next_commands))

    def show_state(self, progress: Progress) -> None:
        """Print the state of a set of runs, in lines that stay."""
        self.close()
        left = progress.total - len(progress.ended)
        counts = f"{progress.num_successful:,} of {format_count(progress.total, 'run')} done"
        waiting = f", {len(progress.running)} running, {left - len(progress.running)} waiting"
        text = Text.assemble((self._name, "bold"), f"  {counts}{waiting if left else ''}")
        self.print_sentence(text)
        print_problems(self, progress.unsuccessful)
        for one in progress.running:
            epoch = one.last.epoch if one.last else 0
            self.print_line(Text(f"  {one.run.run_id}  epoch {epoch}/{one.run.epochs}"))
        if progress.best:
            self.print_lines(_best_lines(progress.best))


def _count(progress: Progress) -> Text:
    """Return how many runs have ended, and the time that is left."""
    counts = Text(f"{progress.num_successful}/{progress.total} done")
    for count, word in ((progress.num_failed, "failed"), (progress.num_diverged, "diverged")):
        if count:
            counts.append(f"  {count} {word}", style="red")
    if not progress.running and len(progress.ended) < progress.total:
        counts.append("  none running")
    if progress.seconds_left is not None and len(progress.ended) < progress.total:
        counts.append(f"  {format_clock(progress.seconds_left)} left")
    return counts


def print_problems(console: CommandConsole, unsuccessful: Sequence[EndedRun]) -> None:
    """Print the first of the runs that have failed or diverged, and how many more there are."""
    if console.verbosity is Verbosity.QUIET:
        for one in unsuccessful:
            print_warning(describe_problem(one))
    for one in unsuccessful[:_MOST_PROBLEMS]:
        console.print_sentence(Text(describe_problem(one), style="red"), indent=2)
    if len(unsuccessful) > _MOST_PROBLEMS:
        console.print_line(Text(f"  and {len(unsuccessful) - _MOST_PROBLEMS} more", style="red"))


def describe_problem(one: EndedRun) -> str:
    """Return a failed or diverged run as a line."""
    if one.summary is not None:
        return f"{one.run.run_id}  diverged at epoch {one.summary.last.epoch}"
    return f"{one.run.run_id}  failed: {one.error or 'see its error.txt'}"


def format_run_line(one: EndedRun, place: str) -> Text:
    """Return a run that has ended as a line; place comes before it, such as ``3/40  ``."""
    if not one.is_successful:
        return Text(f"{place}{describe_problem(one)}", style="red")
    assert one.summary is not None
    best = one.summary.best or one.summary.last
    return Text(
        f"{place}{one.run.run_id}  val_loss {format_number(best.val_loss)}  "
        f"val_acc {format_number(best.val_acc)}  {one.summary.seconds:.1f} s"
    )


def _best_table(best: Sequence[SettingMean], width: int) -> Table:
    first = f"best so far, of {format_count(len(best), 'setting')}"
    table = make_block_table(first, ("seeds", "mean val loss"), width)
    for one in best[:_MOST_SETTINGS]:
        table.add_row(one.setting, str(one.seeds), format_number(one.val_loss))
    return table


def _best_lines(best: Sequence[SettingMean]) -> list[Text]:
    return format_table(_BEST_COLUMNS, best[:_MOST_SETTINGS])


_LISTED_COLUMNS: tuple[Column[ListedRow], ...] = (
    Column("", lambda row: row[0], align="left"),
    Column("", lambda row: row[1], align="left"),
    Column("", lambda row: "" if row[2] is None else format_duration(row[2])),
)
_BEST_COLUMNS: tuple[Column[SettingMean], ...] = (
    Column("lowest validation loss", lambda one: one.setting, align="left"),
    Column("seeds", lambda one: str(one.seeds)),
    Column("mean", lambda one: format_number(one.val_loss)),
)
