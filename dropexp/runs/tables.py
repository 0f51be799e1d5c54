"""Listed runs as lines of text, CSV and JSON."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.text import Text

from dropexp.runs.listing import ListedRun, Status
from dropexp.terminal.columns import Column, headings, hidden, line, that_fit

STYLES = {
    Status.FINISHED: "",
    Status.DIVERGED: "red",
    Status.INTERRUPTED: "yellow",
    Status.RUNNING: "cyan",
    Status.FAILED: "red",
    Status.DAMAGED: "red",
}


def _best(key: str, sign: str = "") -> Callable[[ListedRun], str]:
    return lambda run: _measured(run.values[f"best.{key}"], sign)


# The most important first: what has no room is dropped from the end.
_COLUMNS: tuple[Column[ListedRun], ...] = (
    Column("", "run", lambda run: run.run_id, is_text=True),
    Column("", "status", lambda run: run.status.value, is_text=True),
    Column("", "epochs", lambda run: _epochs(run)),
    Column("val", "loss", _best("val_loss")),
    Column("test", "loss", _best("test_loss")),
    Column("test", "acc", _best("test_acc")),
    Column("loss", "gap", _best("loss_gap", "+")),
    Column("", "seconds", lambda run: _seconds(run.values["seconds"])),
    Column("", "changed", lambda run: minute(run.changed), is_text=True),
)
_ALWAYS_SHOWN = 2  # the id and the status


def table(runs: Sequence[ListedRun], width: int | None) -> list[Text]:
    """One line a run under two of headings, and below them what was left out.

    Args:
        runs: in the order to show.
        width: of the terminal in columns; None shows every column.
    """
    cells = [[column.cell(run) for run in runs] for column in _COLUMNS]
    widths = [
        max(map(len, (column.above, column.below, *found)))
        for column, found in zip(_COLUMNS, cells, strict=True)
    ]
    shown = that_fit(widths, width, _ALWAYS_SHOWN)
    lines = headings(_COLUMNS[:shown], widths)
    for index, run in enumerate(runs):
        text = line([column[index] for column in cells[:shown]], _COLUMNS, widths)
        lines.append(Text(text, style=STYLES[run.status]))
    lines += [Text(), *(Text(words, style="dim") for words in _caption(runs))]
    return lines + [Text(words, style="dim") for words in hidden(_COLUMNS[shown:])]


def as_csv(runs: Sequence[ListedRun], among: Sequence[ListedRun]) -> str:
    """Every value of every run; empty where a run has none.

    Args:
        runs: in the order to write.
        among: all runs of the folder, whose fields are the columns whatever is chosen.
    """
    columns = _all_keys(among)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    for run in runs:
        writer.writerow([_csv_cell(run.values.get(column)) for column in columns])
    return file.getvalue()


def as_json(runs: Sequence[ListedRun], among: Sequence[ListedRun]) -> str:
    """Every value of every run: a list of flat objects, null where a run has none; see as_csv."""
    columns = _all_keys(among)
    rows = [{column: run.values.get(column) for column in columns} for run in runs]
    return json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def removal_list(sizes: Mapping[str, int], runs: Sequence[ListedRun]) -> list[Text]:
    """What would be removed: one line a run with its status, time and size.

    Args:
        sizes: run id → bytes.
        runs: the runs.
    """
    rows = [
        [run.run_id, run.status.value, minute(run.changed), size(sizes[run.run_id])] for run in runs
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        Text(
            f"{run_id:<{widths[0]}}  {status:<{widths[1]}}  {changed}  {bytes_:>{widths[3]}}",
            style=STYLES[run.status],
        )
        for (run_id, status, changed, bytes_), run in zip(rows, runs, strict=True)
    ]


def minute(seconds: float) -> str:
    """A time in seconds since 1970 as local ``YYYY-MM-DD HH:MM``."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")


def size(number: int) -> str:
    """Bytes in the largest unit (of 1000) in which there is at least one."""
    amount = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 999.5:
            return (
                f"{amount:.0f} {unit}" if unit == "B" or amount >= 99.5 else f"{amount:.2g} {unit}"
            )
        amount /= 1000
    return f"{amount:.1f} TB"


def _caption(runs: Sequence[ListedRun]) -> list[str]:
    counts = {status: sum(run.status is status for run in runs) for status in Status}
    return [
        ", ".join(f"{count} {status}" for status, count in counts.items() if count),
        "losses, acc and gap (val - train) at the epoch of the lowest validation loss",
    ]


def _epochs(run: ListedRun) -> str:
    if run.status is Status.DAMAGED:
        return ""
    asked = run.config.get("train.epochs")
    return f"{run.epochs}/{asked}" if asked is not None else str(run.epochs or "")


def _measured(value: float | None, sign: str = "") -> str:
    if value is None:
        return ""
    return f"{value:{sign}.3g}" if abs(value) >= 1000 else f"{value:{sign}.3f}"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}" if value < 1 else f"{value:.1f}"


def _all_keys(runs: Sequence[ListedRun]) -> list[str]:
    return list(dict.fromkeys(key for run in runs for key in run.values))


def _csv_cell(value: Any) -> Any:
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, bool | list) else value
