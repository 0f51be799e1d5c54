"""How a sweep talks to its user: what it is about to do, how far it is, what failed, the end.

On a terminal the progress is one block that is updated in place. Elsewhere every run that ends is
a line of its own.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dropexp.cli.run_console import encodable
from dropexp.cli.run_tables import format_next_commands
from dropexp.sweep.conduct import SweepResult
from dropexp.sweep.plan import Plan
from dropexp.sweep.progress import Ended, Progress, Running, SettingMean
from dropexp.terminal.numbers import format_clock, format_count, format_duration, format_number
from dropexp.terminal.tables import Column, format_table

_WIDEST = 100
"""Columns beyond which the progress does not grow: the eye loses the line."""

_MOST_RUNNING = 8
_MOST_SETTINGS = 5
_MOST_PROBLEMS = 20


class SweepConsole:
    """The voice of a sweep on stdout, and of whoever watches one.

    As a context manager it leaves the terminal as it was, also after an exception or Ctrl-C.
    """

    def __init__(self, name: str, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._name = name
        self.interactive = self._console.is_interactive
        self._live: Live | None = None
        self._said: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end_live()

    def _end_live(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    # --- before ---------------------------------------------------------------------------------

    def planned(self, plan: Plan, repeated: int, *, retry_failed: bool) -> None:
        """What there is to do, before anything starts."""
        kinds = {
            "new": plan.new,
            "finished": plan.finished,
            "interrupted": plan.interrupted,
            "failed": plan.failed,
            "in training elsewhere": plan.elsewhere,
            "finished but to be measured": plan.unmeasured,
        }
        always = ("new", "finished", "interrupted", "failed")
        counts = ", ".join(f"{len(m)} {k}" for k, m in kinds.items() if m or k in always)
        total = sum(len(members) for members in kinds.values())
        self._say(Text.assemble((self._name, "bold"), f"  {format_count(total, 'run')}: {counts}"))
        if repeated:
            self._say(
                Text(
                    f"  {format_count(repeated, 'duplicate')} left out: combinations that make the "
                    f"same run, such as none at several p"
                )
            )
        if plan.failed:
            word = "tried again" if retry_failed else "left alone; --retry-failed tries them again"
            self._say(Text(f"  failed runs are {word}"))

    def listed(self, rows: Sequence[tuple[str, str, float | None]], at_a_time: int | None) -> None:
        """The runs of a sweep that is not to start, and how long it would take.

        Args:
            rows: run id, status and estimated seconds of training, None where nothing tells.
            at_a_time: runs that would go on at the same time; None where the engine decides.
        """
        to_train = [seconds for _, status, seconds in rows if status != "unmeasured"]
        for line in format_table(_LISTED_COLUMNS, rows):
            self._say(line)
        known = [seconds for seconds in to_train if seconds is not None]
        if len(known) < len(to_train):
            unknown = format_count(len(to_train) - len(known), "run")
            self._say(Text(f"no finished run like them tells how long {unknown} would take"))
        if known:
            slots = min(at_a_time or 1, len(known))
            wall = format_duration(max(sum(known) / slots, max(known)))
            how = "one after another" if slots == 1 else f"{slots} at a time"
            runs = format_count(len(known), "run")
            self._say(Text(f"about {wall} for {runs}, {how}, going by finished runs"))

    # --- meanwhile ------------------------------------------------------------------------------

    def note(self, message: str) -> None:
        """Something worth knowing."""
        self._say(Text(message))

    def begins(self, progress: Progress) -> None:
        """Take the runs that ended before as known: they are not shown one by one."""
        self._said |= {one.run.run_id for one in progress.ended}

    def progress(self, progress: Progress) -> None:
        """The state of all runs."""
        for one in progress.ended:
            if one.run.run_id not in self._said:
                self._said.add(one.run.run_id)
                if not self.interactive or not one.is_sound:
                    self._say(self._line(one, len(self._said), progress.total))
        if self.interactive:
            self._show(progress)

    def _line(self, one: Ended, count: int, total: int) -> Text:
        position = f"{count:>{len(str(total))}}/{total}"
        if not one.is_sound:
            return Text(f"{position}  {problem(one)}", style="red")
        assert one.summary is not None
        best = one.summary.best or one.summary.last
        return Text(
            f"{position}  {one.run.run_id}  val_loss {format_number(best.val_loss)}  "
            f"val_acc {format_number(best.val_acc)}  {one.summary.seconds:.1f} s"
        )

    def _show(self, progress: Progress) -> None:
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(self._block(progress), refresh=True)

    def _block(self, progress: Progress) -> Group:
        width = min(self._console.width, _WIDEST)
        parts: list[RenderableType] = [self._bar(progress, width)]
        if progress.running:
            parts.append(_running_table(progress.running, width))
        if len(progress.best) > 1:
            parts.extend(_best_table(progress.best, width))
        return Group(*parts)

    def _bar(self, progress: Progress, width: int) -> Table:
        grid = Table.grid(padding=(0, 2), expand=True)
        grid.width = width
        grid.add_column(no_wrap=True, overflow="ellipsis", max_width=width // 3)
        grid.add_column(ratio=1)
        grid.add_column(no_wrap=True)
        counts = Text(f"{progress.sound}/{progress.total} done")
        for count, word in ((progress.failed, "failed"), (progress.diverged, "diverged")):
            if count:
                counts.append(f"  {count} {word}", style="red")
        if not progress.running and len(progress.ended) < progress.total:
            counts.append("  none running")
        if progress.seconds_left is not None and len(progress.ended) < progress.total:
            counts.append(f"  {format_clock(progress.seconds_left)} left")
        bar = ProgressBar(
            total=max(1, progress.total), completed=len(progress.ended), complete_style="cyan"
        )
        grid.add_row(Text(self._name, style="bold"), bar, counts)
        return grid

    # --- afterwards -----------------------------------------------------------------------------

    def finished(self, result: SweepResult, next_commands: Sequence[tuple[str, str]]) -> None:
        """What the sweep came to, what failed, and what to do next."""
        self._end_live()
        progress = result.progress
        left = progress.total - len(progress.ended)
        header = "stopped" if left else "finished"
        counts = f"{progress.sound} of {format_count(progress.total, 'run')} done"
        trained = f"{result.trained} trained" if result.trained else "none trained"
        measured = f", {result.measured} measured" if result.measured else ""
        took = f"{trained}{measured} in {format_clock(result.seconds)}"
        self._say(Text.assemble((self._name, "bold"), f" {header}: {counts}, {took}"))
        self._say_problems(progress.unsound)
        if left:
            self._say(Text(f"{format_count(left, 'run')} left; the same command goes on"))
        if progress.best:
            for line in _best_lines(progress.best):
                self._say(line)
        for line in format_next_commands(next_commands):
            self._say(line)

    def state(self, progress: Progress) -> None:
        """A set of runs at one moment, in lines that stay."""
        self._end_live()
        left = progress.total - len(progress.ended)
        counts = f"{progress.sound} of {format_count(progress.total, 'run')} done"
        waiting = f", {len(progress.running)} running, {left - len(progress.running)} waiting"
        self._say(Text.assemble((self._name, "bold"), f"  {counts}{waiting if left else ''}"))
        self._say_problems(progress.unsound)
        for one in progress.running:
            epoch = one.last.epoch if one.last else 0
            self._say(Text(f"  {one.run.run_id}  epoch {epoch}/{one.run.epochs}"))
        if progress.best:
            for line in _best_lines(progress.best):
                self._say(line)

    def _say_problems(self, unsound: Sequence[Ended]) -> None:
        for one in unsound[:_MOST_PROBLEMS]:
            self._say(Text(f"  {problem(one)}", style="red"))
        if len(unsound) > _MOST_PROBLEMS:
            self._say(Text(f"  and {len(unsound) - _MOST_PROBLEMS} more", style="red"))

    def _say(self, text: Text) -> None:
        # soft_wrap: rich's own line ends would cut grep's lines and copied commands in two.
        self._console.print(encodable(text, self._console), soft_wrap=True)


def problem(one: Ended) -> str:
    """A failed or diverged run in a line."""
    if one.summary is not None:
        return f"{one.run.run_id}  diverged at epoch {one.summary.last.epoch}"
    return f"{one.run.run_id}  failed: {one.error or 'see its error.txt'}"


def _running_table(running: Sequence[Running], width: int) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), width=width, header_style="dim")
    table.add_column("running", ratio=1, no_wrap=True, overflow="ellipsis")
    for heading in ("seed", "epoch", "val loss", "left"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in running[:_MOST_RUNNING]:
        epoch, val_loss = (
            ("0", "")
            if one.last is None
            else (
                str(one.last.epoch),
                format_number(one.last.val_loss),
            )
        )
        left = "" if one.seconds_left is None else format_clock(one.seconds_left)
        table.add_row(
            one.run.setting, str(one.run.seed), f"{epoch}/{one.run.epochs}", val_loss, left
        )
    if len(running) > _MOST_RUNNING:
        table.add_row(f"and {len(running) - _MOST_RUNNING} more", "", "", "", "")
    return table


def _best_table(best: Sequence[SettingMean], width: int) -> list[RenderableType]:
    table = Table(box=None, padding=(0, 2, 0, 0), width=width, header_style="dim")
    table.add_column(f"best so far, of {format_count(len(best), 'setting')}", ratio=1, no_wrap=True)
    table.add_column("seeds", justify="right", no_wrap=True)
    table.add_column("mean val loss", justify="right", no_wrap=True)
    for one in best[:_MOST_SETTINGS]:
        table.add_row(one.setting, str(one.seeds), format_number(one.val_loss))
    return [table]


def _best_lines(best: Sequence[SettingMean]) -> list[Text]:
    return format_table(_BEST_COLUMNS, best[:_MOST_SETTINGS])


_LISTED_COLUMNS: tuple[Column[tuple[str, str, float | None]], ...] = (
    Column("", lambda row: row[0], align="left"),
    Column("", lambda row: row[1], align="left"),
    Column("", lambda row: "" if row[2] is None else format_duration(row[2])),
)
_BEST_COLUMNS: tuple[Column[SettingMean], ...] = (
    Column("lowest validation loss", lambda one: one.setting, align="left"),
    Column("seeds", lambda one: str(one.seeds)),
    Column("mean", lambda one: format_number(one.val_loss)),
)
