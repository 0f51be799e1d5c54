"""Records and summaries as lines of text."""

from collections.abc import Sequence

from rich.text import Text

from dropexp.runs.records import EpochRecord, RunSummary, SampledTest, SelectedEpoch
from dropexp.terminal.numbers import clock, number

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


def summary_table(summary: RunSummary) -> list[Text]:
    """The lines of the summary table: two of headings, one for each epoch there is.

    Between them one for the passes of mc_dropout, which are of the best epoch.
    """
    above, below = zip(*_HEADINGS, strict=True)
    rows = [["last", *_cells(summary.last)]]
    if summary.mc_dropout is not None:
        rows.insert(0, ["mc", *_sampled_cells(summary.mc_dropout)])
    if summary.best is not None:
        rows.insert(0, ["best", *_cells(summary.best)])
    widths = [max(map(len, column)) for column in zip(above, below, *rows, strict=True)]
    lines = [_aligned(above, widths), _aligned(below, widths)]
    return [Text(line, style="bold") for line in lines] + [
        Text(_aligned(row, widths).rstrip()) for row in rows
    ]


def _aligned(cells: Sequence[str], widths: Sequence[int], gap: str = "   ") -> str:
    return gap.join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))


def _cells(selected: SelectedEpoch) -> list[str]:
    """The cells of a table row after its name, in the order of _HEADINGS."""
    losses = (selected.train_loss, selected.val_loss, selected.test_loss)
    accuracies = (selected.train_acc, selected.val_acc, selected.test_acc)
    gaps = (selected.loss_gap, selected.acc_gap)
    numbers = [number(value) for value in (*losses, *accuracies)]
    return [str(selected.epoch), *numbers, *(number(gap, "+") for gap in gaps)]


def _sampled_cells(sampled: SampledTest) -> list[str]:
    """Only the test set is sampled."""
    of = {"loss": sampled.test_loss, "acc": sampled.test_acc}
    return [number(of[below]) if above == "test" else "" for above, below in _HEADINGS[1:]]


def sampled_facts(summary: RunSummary) -> list[str]:
    """What the row mc is, and what the table has no column for; nothing without such a row."""
    sampled, best = summary.mc_dropout, summary.best
    if sampled is None or best is None:
        return []
    passes = "1 pass" if sampled.passes == 1 else f"{sampled.passes} passes"
    parts = [
        f"test {name} {number(value)}{'' if plain is None else f' (best: {number(plain)})'}"
        for name, value, plain in (
            ("calibration error", sampled.test_ece, best.test_ece),
            ("entropy in nats", sampled.test_entropy, best.test_entropy),
        )
        if value is not None
    ]
    return [
        f"mc = mean probabilities of {passes} at the best epoch with the noise on;",
        f"     {', '.join(parts)}",
    ]


def plain_epoch(record: EpochRecord, epochs: int) -> str:
    return (
        f"epoch {record.epoch:>{len(str(epochs))}}/{epochs}"
        f"  train_loss {number(record.train_loss)}  val_loss {number(record.val_loss)}"
        f"  loss_gap {number(record.loss_gap, '+')}  val_acc {number(record.val_acc)}"
    )


def live_epoch(record: EpochRecord, width: int) -> Text:
    """The line under the progress bar, at most ``width`` columns."""
    parts = (
        ("train loss", number(record.train_loss)),
        ("val loss", number(record.val_loss)),
        ("loss gap", number(record.loss_gap, "+")),
        ("val acc", number(record.val_acc)),
    )
    line = Text(no_wrap=True, overflow="crop")
    for index, (name, value) in enumerate(parts):
        line.append("   " if index else "").append(f"{name} ", style="dim").append(value)
    line.truncate(width)
    return line


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
