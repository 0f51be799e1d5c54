"""The row that a report names first, chosen by validation results and reported by test results.

The row with the best of many test results looks better than it is. Validation results choose it
instead. That alone removes little: both are measured on the same run, and their paired differences
correlate by 0.7 at the best epoch and by 0.9 at the last one (runs on digits, 2026-11-26). So the
size is also given without the luck of the choice: for each seed, the other seeds choose the row,
and the seed itself only measures it (cross-validation of a choice; Stone 1974).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dropexp.compare.pairing import PairedComparison
from dropexp.compare.question import Question
from dropexp.compare.results import Comparison, Row
from dropexp.runs.metric_types import EpochChoice, Metric
from dropexp.statistics import Estimate, Verdict

_ON_VALIDATION = frozenset({"val_loss", "val_acc", "noisy_label_val_loss", "loss_gap", "acc_gap"})
"""The deciding metrics that are measured on the images that choose the row."""


@dataclass(frozen=True)
class Headline:
    """The row that answers the question.

    Attributes:
        row: the tested row with the best validation results.
        candidates: among how many tested rows it was chosen.
        is_stable: whether it is chosen whichever seed is left out.
        held_out: the mean difference of the deciding metric, in its unit, where each seed measures
            the row that the other seeds choose; without an interval, NaN where it is unknown.
        also_better: the other rows that are better.
    """

    row: Row
    candidates: int
    is_stable: bool
    held_out: Estimate
    also_better: tuple[Row, ...]

    @property
    def is_chosen(self) -> bool:
        """Whether there was a choice."""
        return self.candidates > 1


def find_headline(comparison: Comparison) -> Row | None:
    """Return the row with the best validation results; None if no row is tested.

    It is the row that gains most over its own baseline: the metric itself would only find the
    easiest data where data differ. Diverged runs count, as in the test.
    """
    return min(_list_tested(comparison), key=_selection_key, default=None)


def describe_choice(comparison: Comparison) -> Headline | None:
    """Return the headline's row and how it was chosen; None if no row is tested."""
    row = find_headline(comparison)
    if row is None:
        return None
    tested = _list_tested(comparison)
    is_stable, held_out = _hold_out(tested, row, find_selection_metric(comparison).sign)
    better = [
        each for each in comparison.rows if each.verdict is Verdict.BETTER and each is not row
    ]
    return Headline(row, len(tested), is_stable, held_out, tuple(better))


def find_selection_metric(comparison: Comparison) -> Metric:
    """Return the validation metric that chooses the row; a file has the deciding one only."""
    if comparison.source:
        return comparison.metric
    return Question(metric=comparison.metric).selection_metric


def is_on_validation(comparison: Comparison) -> bool:
    """Return whether the row is chosen and measured on the same images."""
    if comparison.source:
        return True
    return comparison.at is EpochChoice.MATCHED or comparison.metric.key in _ON_VALIDATION


def _list_tested(comparison: Comparison) -> list[Row]:
    return [row for row in comparison.rows if row.pairs]


def _selection_key(row: Row) -> tuple[bool, bool, float]:
    """Return a sort key; rows without a completed pair come last, as their score has no unit."""
    is_measured = row.difference is not None and math.isfinite(row.difference.value)
    return (not is_measured, math.isnan(row.selection_score), row.selection_score)


def _hold_out(tested: Sequence[Row], chosen: Row, sign: int) -> tuple[bool, Estimate]:
    """Return whether every choice without one seed is the same, and the held-out difference.

    Args:
        tested: the candidates.
        chosen: the one that all seeds choose.
        sign: of the selection metric.
    """
    # Settings with few seeds would leave hardly a seed that all have.
    tested = [row for row in tested if 2 * len(row.pairs) >= len(chosen.pairs)]
    scores, results = _tabulate(tested, sign)
    is_known = np.isfinite(scores)
    # A seed that only some settings have does not measure a choice among all of them.
    seeds = np.flatnonzero(is_known.all(axis=0))
    others = is_known.sum(axis=1, keepdims=True) - 1
    sums = np.nansum(scores, axis=1, keepdims=True) - scores[:, seeds]
    if len(seeds) < 2 or not others.all():
        return True, Estimate(math.nan, math.nan, math.nan, 0)
    picks = (sums / others).argmin(axis=0)
    held = results[picks, seeds]
    held = held[np.isfinite(held)]
    mean = float(held.mean()) if held.size else math.nan
    is_stable = all(tested[pick] is chosen for pick in picks)
    return is_stable, Estimate(mean, math.nan, math.nan, held.size)


def _tabulate(tested: Sequence[Row], sign: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the selection scores and the differences, shape (rows, seeds); NaN for none."""
    seeds = sorted({pair.seed for row in tested for pair in row.selection_pairs})
    places = {seed: place for place, seed in enumerate(seeds)}
    scores, results = np.full((2, len(tested), len(seeds)), math.nan)
    for index, row in enumerate(tested):
        compared = PairedComparison(row.selection_pairs, sign)
        for pair, score in zip(compared.pairs, compared.scores, strict=True):
            scores[index, places[pair.seed]] = score
        for pair in row.pairs:
            if pair.seed in places:
                results[index, places[pair.seed]] = pair.difference
    return scores, results
