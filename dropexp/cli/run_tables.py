"""The epochs and the summary of a run as text for a terminal."""

import math
from collections.abc import Sequence

from rich.text import Text

from dropexp.runs.records import EpochRecord, RunSummary, SampledTest, SelectedEpoch
from dropexp.terminal.numbers import format_count, format_duration, format_number
from dropexp.terminal.tables import Column, format_table

_METRICS = (
    "train_loss",
    "val_loss",
    "test_loss",
    "train_acc",
    "val_acc",
    "test_acc",
    "loss_gap",
    "acc_gap",
)
_SummaryRow = tuple[str, SelectedEpoch | SampledTest]


def format_summary(summary: RunSummary) -> list[Text]:
    """Return the results of a run as a table: one row each for the best and the last epoch.

    Between them stands one for the passes of mc_dropout, which are of the best epoch.
    """
    rows: list[_SummaryRow] = [
        (name, block)
        for name, block in (
            ("best", summary.best),
            ("mc", summary.mc_dropout),
            ("last", summary.last),
        )
        if block is not None
    ]
    columns: list[Column[_SummaryRow]] = [
        Column("", lambda row: row[0], is_required=True),
        Column("epoch", lambda row: str(getattr(row[1], "epoch", "")), is_required=True),
        *map(_metric_column, _METRICS),
    ]
    return format_table(columns, rows, gap=3)


def _metric_column(key: str) -> Column[_SummaryRow]:
    sign = "+" if key.endswith("_gap") else ""

    def cell(row: _SummaryRow) -> str:
        value = getattr(row[1], key, None)  # the passes of mc_dropout are of the test set only
        return "" if value is None else format_number(value, sign)

    return Column(key.replace("_", "\n"), cell)


def format_next_commands(commands: Sequence[tuple[str, str]]) -> list[Text]:
    """Return lines that propose commands to type next.

    Args:
        commands: (command, what it does in a few words), the most useful first.
    """
    columns: tuple[Column[tuple[str, str]], ...] = (
        Column("", lambda row: "next  " if row is commands[0] else "", align="left"),
        Column("", lambda row: row[0], align="left", style=lambda _: "bold"),
        # As a comment of the shell's, so that the whole line can be copied.
        Column("", lambda row: f"# {row[1]}", align="left", style=lambda _: "dim"),
    )
    return format_table(columns, commands)


def format_mc_dropout(summary: RunSummary) -> list[str]:
    """Return what the row ``mc`` of the summary is, and its numbers that have no column."""
    sampled, best = summary.mc_dropout, summary.best
    if sampled is None or best is None:
        return []
    passes = "1 pass" if sampled.passes == 1 else f"{sampled.passes} passes"
    parts = []
    for name, value, plain in (
        ("calibration error", sampled.test_ece, best.test_ece),
        ("entropy in nats", sampled.test_entropy, best.test_entropy),
    ):
        if value is not None:
            beside = "" if plain is None else f" (best: {format_number(plain)})"
            parts.append(f"test {name} {format_number(value)}{beside}")
    return [
        f"mc = mean probabilities of {passes} at the best epoch with the noise on;",
        f"     {', '.join(parts)}",
    ]


def describe_variance_shift(summary: RunSummary) -> list[str]:
    """Return the variance shift of batch norm in a line; none where it was not measured."""
    epochs = (("best", summary.best), ("last", summary.last))
    values = [
        f"{each.variance_shift:.2f} at the {name} epoch"
        for name, each in epochs
        if each is not None and each.variance_shift is not None
    ]
    return [f"variance shift of batch norm (1 = none): {', '.join(values)}"] if values else []


def describe_gaps(summary: RunSummary) -> str:
    """Return what the gaps of the summary are, in a line."""
    gaps = "loss gap = val - train; acc gap = train - val"
    noisy = summary.last.noisy_label_val_loss
    if noisy is None or noisy == summary.last.val_loss:
        return gaps
    return f"{gaps}, as if val had the label noise of train"


def format_epoch(record: EpochRecord, epochs: int) -> str:
    """Return an epoch as a line for a pipe or a file.

    Args:
        record: of the epoch.
        epochs: how many the run has at most.
    """
    return (
        f"epoch {record.epoch:>{len(str(epochs))}}/{epochs}"
        f"  train_loss {format_number(record.train_loss)}"
        f"  val_loss {format_number(record.val_loss)}"
        f"  loss_gap {format_number(record.loss_gap, '+')}"
        f"  val_acc {format_number(record.val_acc)}"
    )


def format_live_epoch(record: EpochRecord, width: int) -> Text:
    """Return an epoch as the line under the progress bar, of at most ``width`` characters."""
    parts = (
        ("train loss", format_number(record.train_loss)),
        ("val loss", format_number(record.val_loss)),
        ("loss gap", format_number(record.loss_gap, "+")),
        ("val acc", format_number(record.val_acc)),
    )
    line = Text(no_wrap=True, overflow="crop")
    for index, (name, value) in enumerate(parts):
        line.append("   " if index else "").append(f"{name} ", style="dim").append(value)
    line.truncate(width)
    return line


def describe_cost(summary: RunSummary, records: Sequence[EpochRecord]) -> str:
    """Return a run's epochs, time, parameters, memory and audit in one line."""
    parts = [f"{format_count(len(records), 'epoch')} in {format_duration(summary.seconds)}"]
    parts += [f"{summary.parameters:,} parameters"] if summary.parameters else []
    # Unknown on Windows, and of a run that a loop of the user's own has trained.
    memory: float | None = summary.peak_memory_mb
    if memory is not None and math.isfinite(memory):
        parts.append(f"peak memory {memory:,.0f} MB")
    return ", ".join([*parts, f"audit {summary.audit.value}"])


def describe_divergence(records: Sequence[EpochRecord]) -> str:
    """Return at which epoch a run diverged, in a sentence."""
    epoch = next((record.epoch for record in records if not record.is_finite), None)
    where = "Diverged" if epoch is None else f"Diverged at epoch {epoch}"
    return f"{where}: a loss is no longer a finite number, so training stopped."
