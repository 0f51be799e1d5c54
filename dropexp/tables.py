"""Records, summaries and comparisons as lines of text."""

from collections.abc import Sequence

from rich.text import Text

from dropexp.compare import Row
from dropexp.records import EpochRecord, RunSummary, SelectedEpoch

_HEADINGS = (
    ("", ""),
    ("", "epoch"),
    ("train", "loss"),
    ("val", "loss"),
    ("test", "loss"),
    ("train", "acc"),
    ("val", "acc"),
    ("test", "acc"),
    ("loss", "gap"),
    ("acc", "gap"),
)


def summary_table(best: SelectedEpoch | None, last: SelectedEpoch) -> list[Text]:
    """The lines of the summary table: two of headings, one for each epoch there is."""
    above, below = zip(*_HEADINGS, strict=True)
    rows = [
        [name, *_cells(selected)]
        for name, selected in (("best", best), ("last", last))
        if selected is not None
    ]
    widths = [max(map(len, column)) for column in zip(above, below, *rows, strict=True)]
    lines = [_aligned(above, widths), _aligned(below, widths)]
    return [Text(line, style="bold") for line in lines] + [
        Text(_aligned(row, widths)) for row in rows
    ]


def _aligned(cells: Sequence[str], widths: Sequence[int], gap: str = "   ") -> str:
    return gap.join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))


def _cells(selected: SelectedEpoch) -> list[str]:
    """The cells of a table row after its name, in the order of _HEADINGS."""
    losses = (selected.train_loss, selected.val_loss, selected.test_loss)
    accuracies = (selected.train_acc, selected.val_acc, selected.test_acc)
    gaps = (selected.loss_gap, selected.acc_gap)
    numbers = [_number(value) for value in (*losses, *accuracies)]
    return [str(selected.epoch), *numbers, *(_number(gap, "+") for gap in gaps)]


def _number(value: float, sign: str = "") -> str:
    """Three decimals, or three digits where that would be a long row of them."""
    return f"{value:{sign}.3g}" if abs(value) >= 1000 else f"{value:{sign}.3f}"


def plain_epoch(record: EpochRecord, epochs: int) -> str:
    return (
        f"epoch {record.epoch:>{len(str(epochs))}}/{epochs}"
        f"  train_loss {_number(record.train_loss)}  val_loss {_number(record.val_loss)}"
        f"  loss_gap {_number(record.loss_gap, '+')}  val_acc {_number(record.val_acc)}"
    )


def live_epoch(record: EpochRecord, width: int) -> Text:
    """The line under the progress bar, at most ``width`` columns."""
    parts = (
        ("train loss", _number(record.train_loss)),
        ("val loss", _number(record.val_loss)),
        ("loss gap", _number(record.loss_gap, "+")),
        ("val acc", _number(record.val_acc)),
    )
    line = Text(no_wrap=True, overflow="crop")
    for index, (name, number) in enumerate(parts):
        line.append("   " if index else "").append(f"{name} ", style="dim").append(number)
    line.truncate(width)
    return line


def clock(seconds: float) -> str:
    """Seconds as m:ss or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def facts(summary: RunSummary, records: Sequence[EpochRecord]) -> str:
    epochs = f"{len(records)} epoch{'' if len(records) == 1 else 's'}"
    return (
        f"{epochs} in {_duration(summary.seconds)}, {summary.parameters:,} parameters, "
        f"peak memory {summary.peak_memory_mb:,.0f} MB, audit {summary.audit.value}"
    )


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{clock(seconds)} {'h' if seconds >= 3600 else 'min'}"


def divergence(records: Sequence[EpochRecord]) -> str:
    epoch = next((record.epoch for record in records if not record.is_finite), None)
    where = "Diverged" if epoch is None else f"Diverged at epoch {epoch}"
    return f"{where}: a loss is no longer a finite number, so training was stopped there."


def _comparison_cells(row: Row) -> list[str]:
    numbers = [_number(row.test_loss), _number(row.test_acc)]
    gaps = [_number(row.loss_gap, "+"), _number(row.acc_gap, "+")]
    paired = ["", ""]
    if row.difference is not None:
        paired = [_number(row.difference, "+"), f"{row.better} of {row.pairs}"]
    return [row.setting, str(row.seeds), *numbers, *gaps, *paired]


def _columns(cells: Sequence[str], widths: Sequence[int]) -> str:
    name, *rest = cells
    return "  ".join([f"{name:<{widths[0]}}", _aligned(rest, widths[1:], gap="  ")]).rstrip()


def comparison(rows: Sequence[Row], left_out: Sequence[str]) -> list[Text]:
    """One line a setting, then what the numbers are and what was left out."""
    headings = (
        ("", "", "test", "test", "loss", "acc", "test loss", "better"),
        ("setting", "seeds", "loss", "acc", "gap", "gap", "vs none", "in"),
    )
    cells = [_comparison_cells(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*headings, *cells, strict=True)]
    lines = [Text(_columns(line, widths), style="bold") for line in headings]
    lines += [Text(_columns(line, widths)) for line in cells]
    lines += [
        Text(),
        Text("means over seeds, each run at its epoch of the lowest validation loss", "dim"),
        Text("vs none: test loss - that of none, same seed, all else equal; < 0 is better", "dim"),
    ]
    lines += [
        Text(f"{row.setting}: {row.diverged} of {row.seeds} runs diverged", "red")
        for row in rows
        if row.diverged
    ]
    lines += [
        Text(f"{row.setting}: {row.unproven} of {row.seeds} runs without a passed audit", "red")
        for row in rows
        if row.unproven
    ]
    lines += [Text(f"left out: {reason}", "yellow") for reason in left_out]
    return lines
