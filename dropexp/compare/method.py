"""The sentences above a table: how epochs were selected, what was tested, how to read it."""

import math
from collections.abc import Sequence

from dropexp.compare.estimates import find_target
from dropexp.compare.method_of_test import describe_test
from dropexp.compare.results import Comparison, Row
from dropexp.config.classics import list_active_classics
from dropexp.runs.metric_types import EpochChoice

_EARLY_STOPPING = "early_stopping"


def describe_method(comparison: Comparison, baseline: str, *, is_chosen: bool) -> list[str]:
    """Return sentences on how epochs were selected, what was tested and how it was corrected.

    Args:
        comparison: the comparison, without its sentences.
        baseline: the description of what a row is compared with; see Baselines.
        is_chosen: whether ``--baseline`` chose it.
    """
    rows, at = comparison.rows, comparison.at
    selection = (
        f"{_describe_epoch(at, rows, comparison.target)} Values are means over seeds; each row has "
        f"its own {comparison.confidence:.0%} t interval."
    )
    tested = [row for row in rows if row.baseline is not None]
    if not tested and all(row.setting.is_plain for row in rows):
        nothing = "Nothing is tested: every setting is none. --baseline compares with one of them."
        return [selection, nothing]
    if not tested:
        return [selection, f"Nothing is tested: no setting has a baseline ({baseline})."]
    metric = comparison.metric
    side = "below" if metric.sign > 0 else "above"
    sentences = [
        selection,
        f"vs baseline is the difference in {metric.name} to the baseline ({baseline}), paired by "
        f"seed; {side} 0 is {metric.improvement}.",
        " ".join(describe_test(comparison)),
    ]
    if is_chosen:
        sentences.append(
            "--baseline chose what rows are compared with: the error rate holds if that was chosen "
            "before any result was seen."
        )
    if at is EpochChoice.BEST and any(_EARLY_STOPPING in row.setting.classics for row in rows):
        sentences.append(
            "Early stopping changes nothing before it ends a run: at the best epoch a stopped run "
            "differs only where the full run improves later. It saves epochs; --at last shows "
            "what it prevents."
        )
    if any(row.setting.diverged for row in rows):
        sentences.append(
            "A run that diverged loses its pair: in the test it counts as the largest difference "
            "of its row. Means and intervals leave it out."
        )
    return sentences


def _describe_epoch(at: EpochChoice, rows: Sequence[Row], target: float | None) -> str:
    match at:
        case EpochChoice.BEST:
            return "Runs are compared at the epoch of their lowest validation loss."
        case EpochChoice.LAST:
            return f"Runs are compared at their last epoch{_describe_last_epochs(rows)}."
        case EpochChoice.MATCHED:
            assert target is not None
            return (
                f"Runs are compared at their first epoch with a training loss of at most "
                f"{target:.4g}, "
                f"the lowest that every run reaches; {_find_least_fitted(rows)} sets it. The test "
                f"set is not evaluated there."
            )


def _describe_last_epochs(rows: Sequence[Row]) -> str:
    """Return the range of last epochs where early stopping made them differ."""
    last = [run.epochs for row in rows for run in row.setting.completed]
    is_on = any(_EARLY_STOPPING in list_active_classics(row.setting.fields) for row in rows)
    if not is_on or min(last, default=0) == max(last, default=0):
        return ""
    return f", {min(last)} to {max(last)}: early stopping ended some runs sooner"


def _find_least_fitted(rows: Sequence[Row]) -> str:
    """Return the name of the setting whose run sets the target, so that a filter can drop it."""
    return max(
        rows,
        key=lambda row: find_target(row.setting.completed) if row.setting.completed else -math.inf,
    ).setting.name
