"""Show a sweep until decided to its user: the rows on their way to a verdict, round by round.

On a terminal there is one block that is updated in place, in a notebook one line. A log has a line
for each decided row, for each run that fails or diverges, and now and then one for a round.
"""

import math
import time
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dropexp.cli.console import CommandConsole
from dropexp.cli.live_block import make_bar_line, make_block_table, make_running_table
from dropexp.cli.progress_display import ProgressDisplay, Verbosity
from dropexp.cli.run_tables import format_next_commands
from dropexp.cli.sweep_console import format_run_line, print_problems
from dropexp.statistics import Estimate, Verdict
from dropexp.sweep.progress import Progress
from dropexp.sweep.sequential.conduct import SequentialResult
from dropexp.sweep.sequential.design import (
    Fate,
    RowState,
    SequentialDesign,
    SequentialState,
    StopReason,
)
from dropexp.sweep.sequential.prepare import SequentialPlan
from dropexp.terminal.numbers import format_clock, format_count, format_duration, format_number
from dropexp.terminal.tables import Column, format_table

_WIDEST = 110
_BAR = 10
_MOST_ROWS = 14
_STYLES = {
    Verdict.BETTER: "green",
    Verdict.WORSE: "red",
    Verdict.PRACTICALLY_EQUAL: "cyan",
}


class UntilDecidedConsole(CommandConsole):
    """Shows a sweep until decided on stdout.

    Args:
        plan: the sweep.
        console: to print on; None: standard output.
        verbosity: how much is printed.
    """

    def __init__(
        self,
        plan: SequentialPlan,
        console: Console | None = None,
        *,
        verbosity: Verbosity = Verbosity.NORMAL,
    ) -> None:
        super().__init__(console, verbosity=verbosity)
        self._plan = plan
        self._state: SequentialState | None = None
        self._started = time.monotonic()
        self._reported: set[str] = set()

    # --- before ---------------------------------------------------------------------------------

    def show_plan(self, state: SequentialState) -> None:
        """Say what is to be decided, and what limits it."""
        plan, design = self._plan, self._plan.design
        rows = format_count(len(design.rows), "row")
        limits = [f"at most {design.most_seeds} seeds"]
        if plan.budget.runs or plan.budget.seconds:
            limits.append(f"budget {plan.budget}")
        first = f"  until decided: {rows} by {plan.question.deciding_metric.key}, "
        self.print_sentence(Text.assemble((plan.request.study, "bold"), first + ", ".join(limits)))
        if state.round is not None and state.round.number == 1:
            seeds = len(state.round.seeds)
            runs = format_count(len(state.round.cells), "run")
            left = len(state.round.missing)
            self.print_sentence(
                Text(
                    f"starts with {seeds} seeds, {runs}, {left} of them to train: with "
                    f"{format_count(design.tests, 'row')} no verdict is possible below "
                    f"{design.fewest_seeds} seeds"
                ),
                indent=2,
            )
        if design.further_tests:
            self.print_sentence(
                Text(
                    f"the correction counts {format_count(design.further_tests, 'row')} more, "
                    f"of the studies that asked for some of these runs first"
                ),
                indent=2,
            )
        if plan.question.margin is None:
            self.print_sentence(
                Text(
                    "without --margin a setting without an effect stays open to the end; "
                    "--margin 0.01 lets it be practically equal"
                ),
                indent=2,
            )
        if plan.request.without_baseline:
            left_out = ", ".join(plan.request.without_baseline)
            self.print_sentence(Text(f"left out, as they have no baseline: {left_out}"), indent=2)

    # --- meanwhile ------------------------------------------------------------------------------

    def report_state(self, state: SequentialState) -> None:
        """Receive the state after a round; a log says what it has decided, and how far it is."""
        before = {row.row.setting: row.fate for row in self._state.rows} if self._state else {}
        decided = [row for row in state.rows if before and row.fate is not before[row.row.setting]]
        self._state = state
        if self.display is not ProgressDisplay.LOG:
            return
        for row in decided:
            self.print_line(Text(self._describe_fate(row)))
        is_due = self._pace.is_due(self._share(state))
        if state.round is not None and (decided or is_due or not before):
            self.print_line(Text(self._describe_round(state)))

    def _share(self, state: SequentialState) -> float:
        """Return how much of what limits the sweep is used, in [0, 1]."""
        budget = self._plan.budget
        seeds = max((len(row.seeds) for row in state.rows), default=0)
        shares = [seeds / self._plan.design.most_seeds]
        if budget.runs:
            shares.append(state.asked / budget.runs)
        if budget.seconds:
            shares.append((time.monotonic() - self._started) / budget.seconds)
        return min(1.0, max(shares))

    def report_progress(self, progress: Progress, state: SequentialState) -> None:
        """Show the progress; a run that fails or diverges has a line that stays."""
        for one in progress.ended:
            if one.run.run_id not in self._reported:
                self._reported.add(one.run.run_id)
                if not one.is_successful:
                    self.print_line(format_run_line(one, "  "))
        if self.display is not ProgressDisplay.LOG:
            self.show_progress(
                lambda: self._block(state, progress),
                lambda: f"{self._plan.request.study}  {self._count(state, progress)}",
                self._share(state),
            )

    def _describe_fate(self, row: RowState) -> str:
        seeds = format_count(len(row.seeds), "seed")
        if row.fate is Fate.FAILED:
            return f"  {row.row.setting}: no further seeds, as its runs fail or diverge"
        assert row.decision is not None
        shown = format_difference(row.decision.difference)
        return f"  {row.row.setting}: {row.decision.verdict} after {seeds} ({shown})"

    def _describe_round(self, state: SequentialState) -> str:
        assert state.round is not None
        first, last = state.round.seeds[0], state.round.seeds[-1]
        seeds = f"seed {first}" if first == last else f"seeds {first} to {last}"
        open_rows = f"{len(state.open_rows)} of {format_count(len(state.rows), 'row')} open"
        left = self._describe_what_is_left(state)
        return f"round {state.round.number}: {seeds}, {open_rows}{f', {left}' if left else ''}"

    def _describe_what_is_left(self, state: SequentialState) -> str:
        budget = self._plan.budget
        if budget.runs is not None:
            return f"{state.asked} of {budget}"
        if budget.seconds is not None:
            left = max(0.0, budget.seconds - (time.monotonic() - self._started))
            return f"{format_clock(left)} of {budget} left"
        return ""

    def _block(self, state: SequentialState, progress: Progress) -> Group:
        width = min(self.block_width, _WIDEST)
        parts: list[RenderableType] = [self._head(state, progress, width)]
        parts.append(self._rows_table(state, width))
        if progress.running:
            parts.append(make_running_table(progress.running, width))
        return Group(*parts)

    def _head(self, state: SequentialState, progress: Progress, width: int) -> Table:
        counts = self._count(state, progress)
        name = self._plan.request.study
        return make_bar_line(name, len(progress.ended), progress.total, counts, width)

    def _count(self, state: SequentialState, progress: Progress) -> str:
        """Return the round, its runs, the time that they take, and what is left of the budget."""
        counts = f"{len(progress.ended):,}/{progress.total:,} runs"
        if state.round is not None:
            counts = f"round {state.round.number}: {counts}"
        if progress.seconds_left is not None and len(progress.ended) < progress.total:
            counts += f", {format_clock(progress.seconds_left)}"
        if left := self._describe_what_is_left(state):
            counts += f"  {left}"
        return counts

    def _rows_table(self, state: SequentialState, width: int) -> Table:
        decided = len(state.rows) - len(state.open_rows)
        heading = f"{decided} of {format_count(len(state.rows), 'row')} decided"
        metric = self._plan.question.deciding_metric.key
        table = make_block_table(heading, ("seeds", metric), width)
        table.add_column("evidence", width=_BAR, no_wrap=True)
        table.add_column("", no_wrap=True)
        rows = sorted(state.rows, key=lambda row: row.fate is not Fate.OPEN)
        for row in rows[:_MOST_ROWS]:
            table.add_row(*self._row_cells(row, state))
        if len(rows) > _MOST_ROWS:
            table.add_row(f"and {len(rows) - _MOST_ROWS} more", "", "", "", "")
        return table

    def _row_cells(self, row: RowState, state: SequentialState) -> list[RenderableType]:
        decision, seeds = row.decision, str(len(row.seeds))
        if decision is None:
            return [row.row.setting, seeds, "", "", Text("waits for seeds", style="dim")]
        needed = find_evidence_needed(state, self._plan.design)
        style = _STYLES.get(decision.verdict, "") if row.fate is Fate.DECIDED else ""
        outcome = Text(format_outcome(row, needed), style=style)
        share = find_share_of_evidence(decision.evidence or 1.0, needed)
        bar = ProgressBar(
            total=1.0,
            completed=share,
            width=_BAR,
            complete_style=style or "cyan",
            finished_style=style or "cyan",
        )
        return [row.row.setting, seeds, format_difference(decision.difference), bar, outcome]

    # --- afterwards -----------------------------------------------------------------------------

    def show_result(
        self, result: SequentialResult, next_commands: Sequence[tuple[str, str]]
    ) -> None:
        """Print the rows with their verdicts, what ended it, what it took and what to type next."""
        self.close()
        state, reason = result.state, result.reason
        trained = f"{result.trained} trained now" if result.trained else "none trained now"
        runs = format_count(len(state.cells), "run")
        done = len(result.progress.ended)
        counts = f"{runs} in all" if done == len(state.cells) else f"{done} of {runs} done"
        took = f"{counts}, {trained} in {format_duration(result.seconds)}"
        header = "stopped" if reason is None else "finished"
        name = (self._plan.request.study, "bold")
        self.print_sentence(Text.assemble(name, f" {header}: {_explain(reason, state)}; {took}"))
        print_problems(self, result.progress.unsuccessful)
        self.print_lines(self._format_rows(state))
        if advice := self._advise(result):
            self.print_sentence(Text(advice))
        if reason is not None and result.progress.num_successful:
            self.print_lines(format_next_commands(next_commands))

    def _format_rows(self, state: SequentialState) -> list[Text]:
        needed = find_evidence_needed(state, self._plan.design)
        metric = self._plan.question.deciding_metric.key
        columns: tuple[Column[RowState], ...] = (
            Column("setting", lambda row: row.row.setting, align="left", is_required=True),
            Column("seeds", lambda row: str(len(row.seeds)), is_required=True),
            Column(f"difference\nin {metric}", _format_row_difference, is_required=True),
            Column("", lambda row: format_outcome(row, needed), align="left", is_required=True),
        )
        return format_table(columns, state.rows, width=self.width)

    def _advise(self, result: SequentialResult) -> str:
        """Return what would decide the rows that are open, as a sentence; empty if none is."""
        if result.reason is None:
            return "the same command resumes the sweep"
        open_rows = format_count(len(result.state.open_rows), "row")
        match result.reason:
            case StopReason.MOST_SEEDS:
                more = 2 * self._plan.design.most_seeds
                hint = f"--most-seeds {more} goes on"
                if self._plan.question.margin is None:
                    hint += ", and --margin lets a setting without an effect be practically equal"
                return f"{open_rows} open: {hint}"
            case StopReason.MOST_RUNS:
                more = 2 * (self._plan.budget.runs or 0)
                return f"{open_rows} open: --budget {more}runs goes on"
            case StopReason.MOST_TIME:
                return f"{open_rows} open: the same command goes on"
        return ""


def find_evidence_needed(state: SequentialState, design: SequentialDesign) -> float:
    """Return the evidence that makes the next open row better or worse, by Holm's correction."""
    alpha = design.rule.alpha
    rejected = sum(
        row.decision is not None and row.decision.adjusted_p <= alpha for row in state.rows
    )
    return max(1, design.tests - rejected) / alpha


def find_share_of_evidence(evidence: float, needed: float) -> float:
    """Return how far evidence is on its way, on a logarithmic scale, in [0, 1]."""
    return min(1.0, max(0.0, math.log(max(evidence, 1.0)) / math.log(needed)))


def format_outcome(row: RowState, needed: float) -> str:
    """Return the verdict of a row; of an open one its evidence and what it needs."""
    if row.fate is Fate.FAILED:
        return "runs fail or diverge"
    if row.decision is None:
        return ""
    if row.fate is Fate.DECIDED:
        return str(row.decision.verdict)
    return f"open, evidence {row.decision.evidence or 1.0:.3g} of {needed:.3g}"


def format_difference(difference: Estimate) -> str:
    """Return a mean difference with half the width of its interval: ``-0.031 ±0.058``."""
    if math.isnan(difference.value):
        return ""
    mean = format_number(difference.value, "+")
    half = (difference.high - difference.low) / 2
    return f"{mean} ±{format_number(half)}" if math.isfinite(half) else mean


def _format_row_difference(row: RowState) -> str:
    return "" if row.decision is None else format_difference(row.decision.difference)


def _explain(reason: StopReason | None, state: SequentialState) -> str:
    if reason is None:
        return f"{len(state.open_rows)} of {format_count(len(state.rows), 'row')} open"
    return str(reason)
