"""Listed runs as tables for a terminal."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from dropexp.runs.indexed_runs import IndexedRuns
from dropexp.runs.listed_run import ListedRun, ListedStatus, list_packed, read_results
from dropexp.terminal.numbers import format_decimals, format_number, format_size, format_time
from dropexp.terminal.tables import Column, format_lines, format_table, wrap_text

STATUS_STYLES = {
    ListedStatus.FINISHED: "",
    ListedStatus.DIVERGED: "red",
    ListedStatus.INTERRUPTED: "yellow",
    ListedStatus.RUNNING: "cyan",
    ListedStatus.FAILED: "red",
    ListedStatus.DAMAGED: "red",
}


_EXPLANATION = "losses, acc and gap (val - train) at the epoch of the lowest val loss"


def format_run_list(runs: Sequence[ListedRun], width: int | None) -> list[Text | str]:
    """Return one line for each run, and below them the number of runs of each status.

    A line without a style is a str.

    Args:
        runs: in the order to show.
        width: of the terminal in characters; None shows every column.
    """
    counted = Counter(run.status for run in runs)
    counts = {status: counted[status] for status in ListedStatus}
    table = format_lines(LIST_COLUMNS, runs, width=width, row_style=_status_style)
    has_results = any(" loss" in str(line) for line in table[:2])  # a heading has two lines
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


def _list_best(key: str, sign: str = "") -> Column[ListedRun]:
    name, plain = f"best.{key}", f"{{:{sign}.3f}}".format

    def format_value(value: float | None) -> str:
        return "" if value is None else format_number(value, sign)

    def cells(runs: Sequence[ListedRun]) -> list[str]:
        return [
            # As format_value, without a call for nearly all runs.
            plain(value) if value is not None and -1000 < value < 1000 else format_value(value)
            for value in read_results(runs, name)
        ]

    heading = key.replace("_", "\n")
    return Column(heading, lambda run: format_value(run.get_result(name)), cells=cells)


def _format_epochs(run: ListedRun) -> str:
    if run.status is ListedStatus.DAMAGED:
        return ""
    requested = run.config.get("train.epochs")
    return str(run.epochs or "") if requested is None else f"{run.epochs}/{requested}"


def _list_epochs(runs: Sequence[ListedRun]) -> list[str]:
    asked: dict[IndexedRuns | None, Any] = {
        packed: packed.shared.fields.get("train.epochs") for packed in list_packed(runs)
    }
    return [
        _format_epochs(run) if (epochs := asked.get(run.packed)) is None else f"{done}/{epochs}"
        for run, done in zip(runs, read_results(runs, "last.epoch"), strict=True)
    ]


def _format_seconds(seconds: float | None) -> str:
    return "" if seconds is None else format_decimals(seconds, 2 if seconds < 1 else 1)


LIST_COLUMNS: tuple[Column[ListedRun], ...] = (
    Column("run", lambda run: run.run_id, align="left", is_required=True),
    Column("status", lambda run: run.status, align="left", is_required=True),
    Column("epochs", _format_epochs, cells=_list_epochs),
    _list_best("val_loss"),
    _list_best("test_loss"),
    _list_best("test_acc"),
    _list_best("loss_gap", "+"),
    Column(
        "seconds",
        lambda run: _format_seconds(run.get_result("seconds")),
        cells=lambda runs: list(map(_format_seconds, read_results(runs, "seconds"))),
    ),
    Column("changed", lambda run: format_time(run.changed), align="left"),
)
