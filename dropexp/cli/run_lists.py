"""Listed runs as tables for a terminal."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from rich.text import Text

from dropexp.runs.listed_run import ListedRun, ListedStatus
from dropexp.terminal.numbers import format_decimals, format_number, format_size, format_time
from dropexp.terminal.tables import Column, format_table, wrap_text

STATUS_STYLES = {
    ListedStatus.FINISHED: "",
    ListedStatus.DIVERGED: "red",
    ListedStatus.INTERRUPTED: "yellow",
    ListedStatus.RUNNING: "cyan",
    ListedStatus.FAILED: "red",
    ListedStatus.DAMAGED: "red",
}


_EXPLANATION = "losses, acc and gap (val - train) at the epoch of the lowest val loss"


def format_run_list(runs: Sequence[ListedRun], width: int | None) -> list[Text]:
    """Return one line for each run, and below them the number of runs of each status.

    Args:
        runs: in the order to show.
        width: of the terminal in characters; None shows every column.
    """
    counted = Counter(run.status for run in runs)
    counts = {status: counted[status] for status in ListedStatus}
    table = format_table(_LIST_COLUMNS, runs, width=width, row_style=_status_style)
    has_results = any(" loss" in line.plain for line in table[:2])  # a heading has two lines
    return [
        *table,
        Text(),
        Text(", ".join(f"{count} {status}" for status, count in counts.items() if count), "dim"),
        *([Text(_EXPLANATION, "dim")] if has_results else []),
    ]


def format_removals(
    runs: Sequence[ListedRun],
    sizes: Mapping[str, int],
    reasons: Mapping[str, str],
    width: int | None = None,
) -> list[Text]:
    """Return one line for each run that is to be removed, and one below where there is no room.

    Args:
        runs: in the order to show.
        sizes: run id → bytes of its folder.
        reasons: run id → the arguments that chose it.
        width: of the terminal in characters; None for any.
    """
    columns: tuple[Column[ListedRun], ...] = (
        Column("", lambda run: run.run_id, align="left"),
        Column("", lambda run: run.status.value, align="left"),
        Column("", lambda run: format_time(run.changed)),
        Column("", lambda run: format_size(sizes[run.run_id])),
        Column("", lambda run: f"chosen by {reasons[run.run_id]}", align="left"),
    )
    lines = format_table(columns, runs, row_style=_status_style)
    if width is None or all(line.cell_len <= width for line in lines):
        return lines
    lines = format_table(columns[:-1], runs, row_style=_status_style)
    return [
        each
        for line, run in zip(lines, runs, strict=True)
        for each in (line, *_indent(f"chosen by {reasons[run.run_id]}", width))
    ]


def _indent(text: str, width: int) -> list[Text]:
    return [Text(f"    {line}") for line in wrap_text(text, max(width - 4, 20))]


def _status_style(run: ListedRun) -> str:
    return STATUS_STYLES[run.status]


def _format_best(key: str, sign: str = "") -> Callable[[ListedRun], str]:
    name = f"best.{key}"

    def cell(run: ListedRun) -> str:
        value = run.get_result(name)
        return "" if value is None else format_number(value, sign)

    return cell


def _format_epochs(run: ListedRun) -> str:
    if run.status is ListedStatus.DAMAGED:
        return ""
    requested = run.config.get("train.epochs")
    return str(run.epochs or "") if requested is None else f"{run.epochs}/{requested}"


def _format_seconds(run: ListedRun) -> str:
    seconds = run.get_result("seconds")
    return "" if seconds is None else format_decimals(seconds, 2 if seconds < 1 else 1)


_LIST_COLUMNS: tuple[Column[ListedRun], ...] = (
    Column("run", lambda run: run.run_id, align="left", is_required=True),
    Column("status", lambda run: run.status.value, align="left", is_required=True),
    Column("epochs", _format_epochs),
    Column("val\nloss", _format_best("val_loss")),
    Column("test\nloss", _format_best("test_loss")),
    Column("test\nacc", _format_best("test_acc")),
    Column("loss\ngap", _format_best("loss_gap", "+")),
    Column("seconds", _format_seconds),
    Column("changed", lambda run: format_time(run.changed), align="left"),
)
