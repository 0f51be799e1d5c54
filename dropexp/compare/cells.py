"""The cells of a comparison's table: text, an interval, and the number to sort by."""

import math
from typing import NamedTuple

from dropexp.compare.notes import describe_verdict
from dropexp.compare.results import Comparison, Row
from dropexp.runs.metric_types import Metric, Notation
from dropexp.statistics import Estimate, Verdict


class Cell(NamedTuple):
    """The content of a cell.

    Attributes:
        text: the value, formatted; empty for an empty cell.
        interval: the interval as ``[low, high]``; empty for none.
        margin: the half-width of a symmetric interval as ``±0.123``; empty for none.
        sort_value: the number by which rows are sorted; NaN for none.
        verdict: the verdict, in a cell of the column of verdicts.
    """

    text: str = ""
    interval: str = ""
    margin: str = ""
    sort_value: float = math.nan
    verdict: Verdict | None = None

    @property
    def with_interval(self) -> str:
        """The value and its interval in one line."""
        return f"{self.text} {self.interval}".rstrip()

    @property
    def in_short(self) -> str:
        """The value and ± its margin, or its interval where that is not symmetric."""
        return f"{self.text} {self.margin}" if self.margin else self.with_interval


def estimate_cell(
    estimate: Estimate | None,
    metric: Metric,
    notation: Notation,
    *,
    is_signed: bool | None = None,
    shows_interval: bool = True,
) -> Cell:
    """Return an estimate's cell; empty where there is none.

    Args:
        estimate: a mean or a difference, in the metric's unit.
        metric: whose values to format.
        notation: how numbers are written.
        is_signed: whether positive values have a plus sign, as differences do; None for a mean.
        shows_interval: whether the cell has the interval.
    """
    if estimate is None or math.isnan(estimate.value):
        return Cell()

    def text(value: float) -> str:
        return metric.format(value, notation, is_signed=is_signed)

    cell = Cell(text(estimate.value), sort_value=estimate.value)
    if not shows_interval or not math.isfinite(estimate.low):
        return cell
    interval = f"[{text(estimate.low)}, {text(estimate.high)}]"
    below, above = estimate.value - estimate.low, estimate.high - estimate.value
    if not math.isclose(below, above, rel_tol=1e-6, abs_tol=1e-12):
        return cell._replace(interval=interval)
    half = metric.format(above, notation, is_signed=False)
    return cell._replace(interval=interval, margin=f"±{half}")


def setting_cell(row: Row) -> Cell:
    """Return the name of a row's setting."""
    return Cell(row.setting.name)


def n_cell(row: Row) -> Cell:
    """Return the completed runs; of how many, where some diverged."""
    runs = len(row.setting.runs)
    return Cell(str(row.n) if row.n == runs else f"{row.n}/{runs}", sort_value=row.n)


def verdict_cell(comparison: Comparison, row: Row) -> Cell:
    """Return the verdict, with the seeds that would decide an open row."""
    rank = math.nan if row.verdict is None else list(Verdict).index(row.verdict)
    return Cell(describe_verdict(comparison, row), sort_value=rank, verdict=row.verdict)


def wins_cell(row: Row) -> Cell:
    """Return in how many pairs the setting is better."""
    if not row.pairs:
        return Cell()
    share = row.pairs_better / len(row.pairs)
    return Cell(f"{row.pairs_better} of {len(row.pairs)}", sort_value=share)


def p_value_cell(row: Row) -> Cell:
    """Return the corrected p-value."""
    p = row.adjusted_p
    if p is None or math.isnan(p):
        return Cell()
    return Cell("<0.001" if p < 0.001 else f"{p:.3f}", sort_value=p)


def probability_cell(row: Row) -> Cell:
    """Return the probability that the setting is better with a new seed."""
    share = row.better
    if share is None or math.isnan(share.value):
        return Cell()
    interval = f"[{share.low:.2f}, {share.high:.2f}]" if share.n > 1 else ""
    return Cell(f"{share.value:.2f}", interval, sort_value=share.value)


def evidence_cell(row: Row) -> Cell:
    """Return the evidence of the anytime test so far, and what is needed."""
    if row.evidence is None or row.evidence_needed is None:
        return Cell()
    text = f"{row.evidence:,.1f} of {row.evidence_needed:,.0f}"
    return Cell(text, sort_value=row.evidence)


def parameters_cell(row: Row) -> Cell:
    """Return how many numbers of the network are trained."""
    return Cell(f"{row.parameters:,}", sort_value=row.parameters) if row.parameters else Cell()
