"""The columns of a report's tables, and their cells as text: the same for HTML and Markdown."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dropexp.compare.results import Comparison, Metric, Row
from dropexp.compare.table import more_seeds, verdict_words
from dropexp.statistics import Estimate, Verdict

_POINTS = 100  # of an accuracy's 1


@dataclass(frozen=True, slots=True)
class Cell:
    """What a cell shows, and the number that the table is sorted by."""

    text: str
    interval: str = ""
    value: float = math.nan
    badge: str = ""  # good, bad or note: how a page marks it

    @property
    def words(self) -> str:
        """The cell in one line."""
        return f"{self.text} {self.interval}".rstrip()


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, what it means, and its cell of a row."""

    heading: str
    meaning: str
    cell: Callable[[Row], Cell]


@dataclass(frozen=True, slots=True)
class Table:
    """Columns with their cells: one row a setting."""

    columns: tuple[Column, ...]
    names: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...]


def number(value: float, metric: str, *, signed: bool = False) -> str:
    """A value of a column in its unit, without the unit: accuracies in percent.

    A minus is the sign that is as wide as a plus.
    """
    if not math.isfinite(value):
        return "–" if math.isnan(value) else str(value)
    sign = "+" if signed else ""
    share = "acc" in metric.split("_")
    text = f"{_POINTS * value:{sign}.1f}" if share else f"{value:{sign}.3f}"
    return text.replace("-", "−")


def interval(estimate: Estimate, metric: str, *, signed: bool = False) -> str:
    """An estimate's interval: ``[4.9, 7.3]``; empty where there is none."""
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return ""
    low = number(estimate.low, metric, signed=signed)
    return f"[{low}, {number(estimate.high, metric, signed=signed)}]"


def main_table(comparison: Comparison) -> Table:
    """What decides: the metric, its paired difference and the verdict."""
    metric = comparison.metric
    wanted = [Metric.TEST_ACC.value, Metric.TEST_LOSS.value, Metric.LOSS_GAP.value]
    is_compared = any(row.difference is not None for row in comparison.rows)
    columns = [
        Column("seeds", "completed runs that the numbers rest on", _seeds),
        *(_compared(comparison) if is_compared else []),
        *(_estimate(key) for key in dict.fromkeys([metric.value, *wanted])),
    ]
    return _table(comparison.rows, columns)


def _compared(comparison: Comparison) -> list[Column]:
    """What the paired comparison came to."""
    metric = comparison.metric
    return [
        Column("verdict", "what may be claimed", lambda row: _verdict(comparison, row)),
        Column(
            f"vs baseline{_unit(metric.value)}",
            f"mean paired difference in {metric.words} to the baseline with the same seeds",
            lambda row: _of(row.difference, metric.value, signed=True),
        ),
        Column("better in", "of the pairs; a run that diverged lost its own", _wins),
        Column("P(better)", "the probability to be better on a new seed", _probability),
        Column("p (Holm)", "sign-flip test, corrected over the table", _p_value),
    ]


def detail_table(comparison: Comparison) -> Table:
    """Everything else that was measured."""
    columns = [
        _estimate(key) for key in _DETAILS if any(key in row.estimates for row in comparison.rows)
    ]
    columns.append(Column("parameters", "trained numbers of the network", _parameters))
    return _table(comparison.rows, columns)


_DETAILS = {
    "train_loss": ("train loss", "in eval mode"),
    "val_loss": ("val loss", "in eval mode"),
    "train_acc": ("train acc", "in eval mode, against the labels trained on"),
    "val_acc": ("val acc", "in eval mode"),
    "acc_gap": ("acc gap", "training − validation"),
    "best_epoch": ("best epoch", "of the lowest validation loss"),
    "epochs": ("epochs", "that were trained"),
    "rise": ("rise", "of validation loss from its lowest to its last value, nats"),
    "area": ("area", "between the validation and the training loss curve, nat·epochs"),
    "test_ece": ("test ECE", "expected calibration error on the test set"),
    "test_entropy": ("test entropy", "of the predicted probabilities, nats"),
    "mc_test_loss": ("MC test loss", "by the passes of mc_dropout, nats"),
    "mc_test_acc": ("MC test acc", "by the passes of mc_dropout"),
    "mc_test_ece": ("MC test ECE", "by the passes of mc_dropout"),
    "mc_test_entropy": ("MC entropy", "predictive, by the passes of mc_dropout, nats"),
    "noisy_label_acc": ("memorised", "accuracy on the wrong training labels alone"),
    "seconds_per_epoch": ("s/epoch", "training and evaluation, seconds"),
    "seconds": ("seconds", "of all epochs"),
}
_MAIN = {
    "test_loss": ("test loss", "negative log-likelihood, nats"),
    "test_acc": ("test acc", "share of test images that are right"),
    "loss_gap": ("loss gap", "validation − training, nats"),
}
_BADGES = {
    Verdict.BETTER: "good",
    Verdict.WORSE: "bad",
    Verdict.NO_CLEAR_DIFFERENCE: "plain",
    Verdict.TOO_FEW_SEEDS: "note",
}
_DECIMALS = {"best_epoch": 1, "epochs": 1, "area": 2, "seconds": 1}


def _table(rows: Sequence[Row], columns: Sequence[Column]) -> Table:
    return Table(
        tuple(columns),
        tuple(row.setting.name for row in rows),
        tuple(tuple(column.cell(row) for column in columns) for row in rows),
    )


def _unit(key: str) -> str:
    return " (%)" if "acc" in key.split("_") else ""


def _estimate(key: str) -> Column:
    heading, meaning = {**_DETAILS, **_MAIN}[key]
    return Column(
        heading + _unit(key),
        f"{meaning}; mean and interval over seeds",
        lambda row: _of(row.estimates.get(key), key),
    )


def _of(estimate: Estimate | None, key: str, *, signed: bool = False) -> Cell:
    if estimate is None:
        return Cell("")
    if key in _DECIMALS:
        low, high = estimate.low, estimate.high
        ends = f"[{low:.{_DECIMALS[key]}f}, {high:.{_DECIMALS[key]}f}]" if low == low else ""
        return Cell(f"{estimate.value:.{_DECIMALS[key]}f}", ends, estimate.value)
    text = number(estimate.value, key, signed=signed)
    return Cell(text, interval(estimate, key, signed=signed), estimate.value)


def _seeds(row: Row) -> Cell:
    diverged = len(row.setting.diverged)
    return Cell(str(row.n), f"+ {diverged} diverged" if diverged else "", row.n)


def _wins(row: Row) -> Cell:
    if not row.pairs:
        return Cell("")
    return Cell(f"{row.pairs_better} of {len(row.pairs)}", "", row.pairs_better / len(row.pairs))


def _probability(row: Row) -> Cell:
    if row.better is None:
        return Cell("")
    share, has_ends = row.better, math.isfinite(row.better.low)
    ends = f"[{share.low:.2f}, {share.high:.2f}]" if has_ends else ""
    return Cell(f"{share.value:.2f}", ends, share.value)


def _p_value(row: Row) -> Cell:
    p = row.adjusted_p
    return Cell("") if p is None or math.isnan(p) else Cell(f"{p:.3g}", "", p)


def _verdict(comparison: Comparison, row: Row) -> Cell:
    if row.verdict is None:
        return Cell(verdict_words(comparison, row))
    more = more_seeds(row)
    notes = ["underfits"] if row.underfits else []
    notes += [f"+{more:,} seed{'' if more == 1 else 's'} would settle it"] if more else []
    rank = list(Verdict).index(row.verdict)
    return Cell(row.verdict.value, ", ".join(notes), rank, _BADGES[row.verdict])


def _parameters(row: Row) -> Cell:
    return Cell(f"{row.parameters:,}", "", row.parameters)
