"""The registry of columns: what the table of a comparison shows, for every format.

The terminal, Markdown, LaTeX and the page render these columns. The columns of metrics come from
the registry of metrics; see dropexp.runs.metrics. CSV and JSON hold every number instead.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dropexp.compare.cells import (
    Cell,
    estimate_cell,
    evidence_cell,
    n_cell,
    p_value_cell,
    parameters_cell,
    probability_cell,
    setting_cell,
    verdict_cell,
    wins_cell,
)
from dropexp.compare.results import Comparison, Row
from dropexp.runs.metric_types import EpochChoice, Metric, Notation
from dropexp.runs.metrics import METRIC_REGISTRY
from dropexp.runs.records import OPTIONAL_COLUMNS


@dataclass(frozen=True, slots=True)
class ComparisonColumn:
    """A column of a comparison.

    Attributes:
        key: its name in this registry; the column of a metric has the metric's key.
        heading: its heading; a terminal breaks it into two lines.
        meaning: what it shows, in one phrase.
        cell: returns the cell of a row.
        is_main: whether it belongs to the main table of a document. A terminal ignores this and
            shows as many columns, in order, as there is room for.
        is_text: whether it is aligned to the left.
        is_required: whether it is shown on the narrowest terminal, and where all cells are empty.
        shows_interval: whether its intervals are shown where there is little room.
    """

    key: str
    heading: str
    meaning: str
    cell: Callable[[Row], Cell]
    is_main: bool = True
    is_text: bool = False
    is_required: bool = False
    shows_interval: bool = False


@dataclass(frozen=True, slots=True)
class ComparisonTable:
    """Columns with their cells, one row for each setting; the first column names it."""

    columns: tuple[ComparisonColumn, ...]
    rows: tuple[tuple[Cell, ...], ...]


_BESIDE_VERDICT = ("loss_gap", "epochs")
_MAIN = ("test_acc", "test_loss")
"""The metrics that the main table shows beside the deciding one; all others are details."""


def list_columns(
    comparison: Comparison,
    notation: Notation = Notation.TERMINAL,
    *,
    with_hidden: bool = False,
) -> list[ComparisonColumn]:
    """Return the columns of a comparison, the most important first.

    Args:
        comparison: the comparison; columns depend on its deciding metric and its epoch.
        notation: how numbers are written.
        with_hidden: whether columns that say nothing new are listed too, such as the number of
            epochs where it is the same in all settings.
    """
    metrics = list(METRIC_REGISTRY.values()) if with_hidden else _other_metrics(comparison)
    others = {each.key: each for each in metrics if each.key != comparison.metric.key}

    def take(*keys: str) -> list[ComparisonColumn]:
        return [_metric_column(others.pop(key), notation) for key in keys if key in others]

    columns = [
        *_setting_columns(),
        _metric_column(comparison.metric, notation, is_deciding=True),
        *_verdict_columns(comparison, notation),
        *take(*_BESIDE_VERDICT),
        *_test_columns(comparison),
        *take(*_MAIN),
    ]
    details = [
        *take("val_loss"),
        *take(*others),
        ComparisonColumn(
            "parameters", "parameters", "trained numbers of the network", parameters_cell
        ),
    ]
    return columns + [replace(column, is_main=False) for column in details]


def _setting_columns() -> list[ComparisonColumn]:
    """Return the columns that say what was trained, and how often."""
    return [
        ComparisonColumn(
            "setting", "setting", "what was trained", setting_cell, is_text=True, is_required=True
        ),
        ComparisonColumn(
            "n", "n", "completed runs; of how many, where some diverged", n_cell, is_required=True
        ),
    ]


def _verdict_columns(comparison: Comparison, notation: Notation) -> list[ComparisonColumn]:
    """Return the columns with the answer: the difference and what may be claimed of it."""
    metric = comparison.metric
    unit = metric.document_heading().removeprefix(metric.heading)
    return [
        ComparisonColumn(
            "difference",
            f"vs baseline{unit if notation is Notation.DOCUMENT else ''}",
            f"mean paired difference in {metric.name} to the baseline with the same seeds",
            lambda row: estimate_cell(row.difference, metric, notation, is_signed=True),
            is_required=True,
            shows_interval=True,
        ),
        ComparisonColumn(
            "verdict",
            "verdict",
            "what may be claimed; (+k): about k more seeds would decide the row",
            lambda row: verdict_cell(comparison, row),
            is_text=True,
            is_required=True,
        ),
    ]


def _test_columns(comparison: Comparison) -> list[ComparisonColumn]:
    """Return the columns that a verdict rests on."""
    return [
        ComparisonColumn(
            "pairs_better",
            "better in",
            "pairs in which it is better; a diverged run loses",
            wins_cell,
        ),
        ComparisonColumn(
            "adjusted_p",
            f"p ({comparison.rule.correction_name})",
            "p-value of the test, corrected for all rows that are tested together",
            p_value_cell,
        ),
        ComparisonColumn(
            "better",
            "P(better)",
            "probability that it is better with a new seed",
            probability_cell,
            shows_interval=True,
        ),
        ComparisonColumn(
            "evidence",
            "evidence so far",
            "largest evidence so far of the anytime test, and what a verdict needs at most",
            evidence_cell,
            is_main=False,
        ),
    ]


def make_table(comparison: Comparison, columns: Sequence[ComparisonColumn]) -> ComparisonTable:
    """Return the columns with the cells of every row; empty ones are left out unless required.

    Args:
        comparison: the comparison whose rows to show.
        columns: the columns to show, from list_columns.
    """
    cells = [[column.cell(row) for row in comparison.rows] for column in columns]
    shown = [
        index
        for index, column in enumerate(cells)
        if columns[index].is_required or any(cell.text for cell in column)
    ]
    return ComparisonTable(
        tuple(columns[index] for index in shown),
        tuple(zip(*(cells[index] for index in shown), strict=True)),
    )


def make_main_table(comparison: Comparison) -> ComparisonTable:
    """Return the main table of a document: verdicts, the deciding metric and the test results."""
    columns = list_columns(comparison, Notation.DOCUMENT)
    return make_table(comparison, [column for column in columns if column.is_main])


def make_detail_table(comparison: Comparison) -> ComparisonTable:
    """Return the table of details: each setting with the columns that the main table lacks."""
    setting, *columns = list_columns(comparison, Notation.DOCUMENT)
    details = [column for column in columns if not column.is_main]
    return make_table(comparison, [setting, *details])


def _other_metrics(comparison: Comparison) -> list[Metric]:
    """Return the metrics that have a column beside the deciding one.

    The epoch of comparison is shown where runs are matched, and the number of epochs where it
    differs between settings, as with early stopping.
    """
    trained = {
        row.estimates["epochs"].value for row in comparison.rows if "epochs" in row.estimates
    }
    hidden = {comparison.metric.key}
    if comparison.at is not EpochChoice.MATCHED:
        hidden.add("epoch")
    if len(trained) < 2:
        hidden.add("epochs")
    hidden |= {key for key in OPTIONAL_COLUMNS if _equals_counterpart(comparison, key)}
    return [metric for metric in METRIC_REGISTRY.values() if metric.key not in hidden]


def _equals_counterpart(comparison: Comparison, key: str) -> bool:
    """Return whether a metric of noisy or clean labels repeats another, as without label noise."""
    other = key.removeprefix("clean_label_").removeprefix("noisy_label_")
    pairs = [(row.estimates.get(key), row.estimates.get(other)) for row in comparison.rows]
    return all(a is None or b is None or a.value == b.value for a, b in pairs)


def _metric_column(
    metric: Metric, notation: Notation, *, is_deciding: bool = False
) -> ComparisonColumn:
    is_document = notation is Notation.DOCUMENT
    is_main = is_deciding or metric.shows_interval
    shows_interval = is_main or is_document

    def cell(row: Row) -> Cell:
        estimate = row.estimates.get(metric.key)
        return estimate_cell(estimate, metric, notation, shows_interval=shows_interval)

    return ComparisonColumn(
        metric.key,
        metric.document_heading() if is_document else metric.heading,
        f"{metric.meaning}; mean over seeds",
        cell,
        is_required=is_deciding,
        shows_interval=is_main,
    )
