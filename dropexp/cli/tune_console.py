"""Show a search to its user: what it may choose, its progress, the answer and what it cost."""

import math
import time
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from dropexp.cli.console import CommandConsole
from dropexp.cli.live_block import WIDEST, make_bar_line, make_block_table
from dropexp.cli.progress_display import ProgressDisplay, Verbosity
from dropexp.cli.run_tables import format_next_commands
from dropexp.config.overrides import Interval
from dropexp.statistics import Estimate, Verdict
from dropexp.sweep.budget import Budget
from dropexp.sweep.progress import Progress
from dropexp.sweep.tuning.candidates import Dimension
from dropexp.sweep.tuning.conduct import TuneResult
from dropexp.sweep.tuning.confirmation import RULE, Confirmation
from dropexp.sweep.tuning.proposals import WORST, Trial
from dropexp.sweep.tuning.search import Search
from dropexp.sweep.tuning.space import TuneRequest
from dropexp.terminal.numbers import format_count, format_duration, format_number
from dropexp.terminal.tables import Column, format_table

_MOST_SETTINGS = 8


class TuneConsole(CommandConsole):
    """Shows a search on stdout.

    Args:
        name: of its study.
        budget: of the search and the confirmation.
        console: to print on; None: stdout.
        verbosity: how much is printed.
    """

    def __init__(
        self,
        name: str,
        budget: Budget,
        console: Console | None = None,
        *,
        verbosity: Verbosity = Verbosity.NORMAL,
    ) -> None:
        super().__init__(console, verbosity=verbosity)
        self._name = name
        self._budget = budget
        self._search = Search()
        self._rows: Sequence[Confirmation] = ()
        self._runs = 0
        self._progress: Progress | None = None
        self._started = time.monotonic()

    # --- before ---------------------------------------------------------------------------------

    def show_plan(self, request: TuneRequest) -> None:
        """Say what can be chosen."""
        self.print_sentence(
            Text.assemble(
                (self._name, "bold"), f"  within {self._budget}: {_describe_space(request)}"
            )
        )

    # --- meanwhile ------------------------------------------------------------------------------

    def begin(self, progress: Progress) -> None:
        """Receive the runs of a batch before any is launched."""
        self.report_progress(progress)

    def report_progress(self, progress: Progress) -> None:
        """Update the block on a terminal, the line in a notebook."""
        self._progress = progress
        if self.display is not ProgressDisplay.LOG:
            self._show()

    def report_search(self, search: Search, runs: int) -> None:
        """Show the progress after a generation."""
        self._search, self._runs = search, runs
        self._progress = None
        self._show()

    def report_confirmation(self, rows: Sequence[Confirmation], runs: int) -> None:
        """Show the progress of the confirmation; a setting that is decided has a line in a log."""
        decided = {row.candidate.name for row in self._rows if row.is_decided}
        self._rows, self._runs = rows, runs
        self._progress = None
        self._show()
        for row in rows if self.display is ProgressDisplay.LOG else ():
            if row.is_decided and row.candidate.name not in decided:
                self.print_line(Text(f"confirming  {runs} runs  {_describe_row(row)}"))

    def _show(self) -> None:
        self.show_progress(self._block, self._describe_progress, self._share())

    def _share(self) -> float:
        """Return the fraction of the budget that is spent."""
        if self._budget.runs:
            return min(1.0, self._runs / self._budget.runs)
        elapsed = time.monotonic() - self._started
        return min(1.0, elapsed / self._budget.seconds) if self._budget.seconds else 0.0

    def _describe_progress(self) -> str:
        stage, runs = self._describe_stage()
        measured = [row for row in self._rows if row.pairs]
        if measured:
            return f"{stage}  {runs}  {'; '.join(map(_describe_row, measured))}"
        best = self._search.best
        so_far = f"best {best.candidate.name} {_signed(best.mean)}" if best else "none complete"
        return f"{stage}  {runs}  {format_count(len(self._search.trials), 'setting')}  {so_far}"

    def _describe_stage(self) -> tuple[str, str]:
        done = self._runs + (len(self._progress.ended) if self._progress else 0)
        of = f"{done}/{self._budget.runs} runs" if self._budget.runs else f"{done} runs"
        return "confirming" if self._rows else "choosing", of

    def _block(self) -> Group:
        width = min(self.block_width, WIDEST)
        parts: list[RenderableType] = [self._bar(width)]
        if self._rows:
            parts.append(_confirmation_table(self._rows, width))
        elif self._search.trials:
            parts.append(_trial_table(self._search, width))
        return Group(*parts)

    def _bar(self, width: int) -> Table:
        progress = self._progress
        ended = len(progress.ended) if progress else 0
        counts = Text("  ".join(self._describe_stage()))
        done = self._runs + ended
        if progress and progress.running:
            counts.append(f"  {len(progress.running)} running")
        total = self._budget.runs or max(1, done + (progress.total - ended if progress else 0))
        return make_bar_line(self._name, min(done, total), total, counts, width)

    # --- afterwards -----------------------------------------------------------------------------

    def show_result(self, result: TuneResult, next_commands: Sequence[tuple[str, str]]) -> None:
        """Print the answer, what was tried, what it cost and the next commands."""
        self.close()
        self.print_sentence(Text(summarise(result), style="bold"))
        for row in result.confirmed[1:] if len(result.confirmed) > 1 else ():
            self.print_sentence(Text(_conclude(row)))
        self.print_blank_line()
        self.print_sentence(
            Text(
                "tried (exploration, no test): validation loss against none on the seeds that chose"
            )
        )
        trials = sorted(result.search.trials, key=_by_completeness)
        self.print_lines(format_table(_TRIED_COLUMNS, trials, width=self.width))
        self.print_blank_line()
        self._print_cost(result)
        for run_id, reason in result.failed.items():
            self.print_sentence(Text(f"{run_id}  failed: {reason}", style="red"), indent=2)
        if result.runs > len(result.failed):
            self.print_lines(format_next_commands(next_commands))

    def _print_cost(self, result: TuneResult) -> None:
        trained = "none" if not result.trained else f"{result.trained}"
        confirming = result.runs - result.search_runs
        self.print_sentence(
            Text(
                f"cost: {format_count(result.runs, 'run')}, {result.search_runs} for choosing and "
                f"{confirming} for confirming ({trained} trained now), in "
                f"{format_duration(result.seconds)}"
            )
        )


def summarise(result: TuneResult) -> str:
    """Return the answer of a search in one sentence, by the fresh seeds alone."""
    if not result.confirmed:
        return "no setting tried had a lower validation loss than none: there is nothing to confirm"
    return _conclude(result.confirmed[0])


def _conclude(row: Confirmation) -> str:
    name, estimate = row.candidate.name, row.estimate()
    if not row.pairs:
        return f"{name} was chosen, and the budget has left no seed to confirm it"
    seeds = format_count(len(row.pairs), "fresh seed")
    size = format_number(abs(estimate.value))
    ends = _format_ends(estimate)
    if row.verdict is Verdict.BETTER:
        return (
            f"{name} is better than none: on {seeds} it lowers the test loss by {size} nats "
            f"(difference {_signed(estimate.value)}{ends}, anytime p = {row.p_value:.2g})"
        )
    if row.verdict is Verdict.WORSE:
        return (
            f"{name} was chosen by validation results, but is worse than none: on {seeds} it "
            f"raises the test loss by {size} nats (difference {_signed(estimate.value)}{ends}, "
            f"anytime p = {row.p_value:.2g})"
        )
    reason = (
        "too few for a verdict" if row.verdict is Verdict.TOO_FEW_SEEDS else "no clear difference"
    )
    return (
        f"{name} was chosen, but is not confirmed: on {seeds} its test loss differs from that of "
        f"none by {_signed(estimate.value)} nats{ends}, {reason}; a larger --budget goes on"
    )


def _describe_space(request: TuneRequest) -> str:
    branches = request.space.branches
    dimensions = {each: None for of_one in branches.values() for each in of_one}
    parts = [", ".join(branches), *(_describe_dimension(each) for each in dimensions)]
    return "; ".join(parts)


def _describe_dimension(dimension: Dimension) -> str:
    if isinstance(dimension.domain, Interval):
        scale = " on a log scale" if dimension.domain.is_log else ""
        return f"{dimension.key} from {dimension.domain.low:g} to {dimension.domain.high:g}{scale}"
    return f"{dimension.key} {' or '.join(dimension.domain.texts)}"


def _describe_row(row: Confirmation) -> str:
    estimate = row.estimate()
    return (
        f"{row.candidate.name}  {len(row.pairs)} seeds  {_signed(estimate.value)}"
        f"{_format_ends(estimate)}  {row.verdict}"
    )


def _format_ends(estimate: Estimate) -> str:
    """Return `` [−0.05, −0.01]``; empty where there are too few pairs for an interval."""
    if not math.isfinite(estimate.low):
        return ""
    return f" [{format_number(estimate.low)}, {format_number(estimate.high)}]"


def _signed(value: float) -> str:
    return format_number(value, "+")


def _by_completeness(trial: Trial) -> tuple[bool, float]:
    return not trial.is_complete, trial.mean


def _format_mean(trial: Trial) -> str:
    if WORST in trial.differences.values():
        return "diverged or failed"
    return _signed(trial.mean)


def _confirmation_table(rows: Sequence[Confirmation], width: int) -> Table:
    # Settings that an earlier command has confirmed count too; only the decisions know of them.
    needed = max(row.evidence_needed or len(rows) / RULE.alpha for row in rows)
    others = ("seeds", "test loss - none", f"evidence of {needed:.0f}", "")
    table = make_block_table("confirming on fresh seeds", others, width)
    for row in rows:
        estimate = row.estimate()
        table.add_row(
            row.candidate.name,
            str(len(row.pairs)),
            f"{_signed(estimate.value)}{_format_ends(estimate)}" if row.pairs else "",
            f"{row.evidence:.3g}",
            row.verdict if row.is_decided else "",
        )
    return table


def _trial_table(search: Search, width: int) -> Table:
    tried = format_count(len(search.trials), "setting")
    table = make_block_table(f"best so far, of {tried}", ("seeds", "val loss - none", ""), width)
    for trial in sorted(search.trials, key=_by_completeness)[:_MOST_SETTINGS]:
        table.add_row(
            trial.candidate.name, str(len(trial.differences)), _format_mean(trial), trial.state
        )
    return table


_TRIED_COLUMNS: tuple[Column[Trial], ...] = (
    Column("setting", lambda trial: trial.candidate.name, align="left", is_required=True),
    Column("seeds", lambda trial: str(len(trial.differences)), is_required=True),
    Column("mean difference", _format_mean, is_required=True),
    Column("", lambda trial: trial.state, align="left"),
)
