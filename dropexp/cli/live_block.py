"""The parts of a block that is updated in place: the line with the bar, and tables below it."""

from collections.abc import Sequence

from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dropexp.sweep.progress import RunningRun
from dropexp.terminal.numbers import format_clock, format_number

WIDEST = 100
"""The most characters of a block and of a chart: the eye loses a longer line."""

_MOST_RUNNING = 8


def make_bar_line(name: str, completed: int, total: int, counts: Text | str, width: int) -> Table:
    """Return a name, a bar and counts in one line.

    Args:
        name: of the study; cut short where it takes more than a third of the line.
        completed: how many runs have ended.
        total: how many runs there are.
        counts: behind the bar, never cut short.
        width: of the line in characters.
    """
    grid = Table.grid(padding=(0, 2), expand=True)
    grid.width = width
    grid.add_column(no_wrap=True, overflow="ellipsis", max_width=width // 3)
    grid.add_column(ratio=1)
    grid.add_column(no_wrap=True)
    bar = ProgressBar(total=max(1, total), completed=completed, complete_style="cyan")
    grid.add_row(Text(name, style="bold"), bar, counts)
    return grid


def make_block_table(first: str, others: Sequence[str], width: int) -> Table:
    """Return a table without rows, the first column of which takes the space that is left.

    Args:
        first: the heading of that column, whose cells are cut short where they are too long.
        others: the headings of the other columns, which are aligned to the right.
        width: in characters.
    """
    table = Table(box=None, padding=(0, 2, 0, 0), width=width, header_style="dim")
    table.add_column(first, ratio=1, no_wrap=True, overflow="ellipsis")
    for heading in others:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def make_running_table(running: Sequence[RunningRun], width: int) -> Table:
    """Return the running runs as a table of a width in characters."""
    table = make_block_table("running", ("seed", "epoch", "val loss", "left"), width)
    for one in running[:_MOST_RUNNING]:
        epoch = one.last.epoch if one.last else 0
        done = f"{epoch}/{one.run.epochs}"
        if one.within is not None:
            done = f"{one.within.share:.0%} of {one.within.epoch}/{one.run.epochs}"
        table.add_row(
            one.run.setting,
            str(one.run.seed),
            done,
            format_number(one.last.val_loss) if one.last else "",
            "" if one.seconds_left is None else format_clock(one.seconds_left),
        )
    if len(running) > _MOST_RUNNING:
        table.add_row(f"and {len(running) - _MOST_RUNNING} more", "", "", "", "")
    return table
