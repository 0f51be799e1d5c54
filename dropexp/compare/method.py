"""The sentences above a table: how epochs were selected, what was tested, how to read it."""

import math
from collections.abc import Sequence

from dropexp.compare.estimates import find_target
from dropexp.compare.method_of_test import (
    describe_interval,
    describe_test,
    explain_no_test,
    name_interval,
)
from dropexp.compare.results import Comparison, Row
from dropexp.compare.rules import TestKind
from dropexp.config.classics import list_active_classics
from dropexp.runs.metric_types import EpochChoice
from dropexp.terminal.numbers import format_count

_EARLY_STOPPING = "early_stopping"


def describe_method(comparison: Comparison, baseline: str, *, is_chosen: bool) -> list[str]:
    """Return sentences on how epochs were selected, what was tested and how it was corrected.

    Args:
        comparison: the comparison, without its sentences.
        baseline: the description of what a row is compared with; see Baselines.
        is_chosen: whether ``--baseline`` chose it.
    """
    rows, at = comparison.rows, comparison.at
    selection = _describe_epoch(comparison)
    tested = [row for row in rows if row.baseline is not None]
    if len(rows) == 1:
        return [selection, "Nothing is tested: there is no other setting to compare with."]
    if not tested and all(row.setting.is_plain for row in rows):
        nothing = "Nothing is tested: every setting is none. --baseline compares with one of them."
        return [selection, nothing]
    if not tested:
        return [selection, f"Nothing is tested: no setting has a baseline ({baseline})."]
    if not any(row.pairs for row in tested):
        return [selection, explain_no_test(comparison)]
    metric = comparison.metric
    side = "below" if metric.sign > 0 else "above"
    sentences = [
        selection,
        f"vs baseline: paired difference in {metric.name} to {baseline}; {side} 0 is "
        f"{metric.improvement}. {describe_interval(comparison)}".rstrip(),
        " ".join(describe_test(comparison)),
    ]
    if is_chosen:
        sentences.append(
            "--baseline chose what rows are compared with: error rates hold if that was before any "
            "result was seen."
        )
    if at is EpochChoice.BEST and any(_EARLY_STOPPING in row.setting.classics for row in rows):
        sentences.append(
            "At its best epoch a run that early stopping ended differs only if the full run "
            "improves later; --at last shows what early stopping prevents."
        )
    if any(row.setting.diverged for row in rows):
        sentences.append(
            "A run that diverged loses its pair: the test counts it as the row's largest "
            "difference, means and intervals leave it out."
        )
    return sentences


def summarise_method(comparison: Comparison) -> list[str]:
    """Return what a reader of a terminal needs above a table, of 80 columns: three lines.

    A comparison in which nothing is tested has its own sentences, which are short.
    """
    if not any(row.pairs for row in comparison.rows):
        return list(comparison.sentences)
    metric, rule = comparison.metric, comparison.rule
    side = "below" if metric.sign > 0 else "above"
    rows = format_count(comparison.tests, "row")
    correction = "Holm" if comparison.test.kind is TestKind.ANYTIME else rule.correction_name
    return [
        comparison.sentences[0],
        f"vs baseline: paired difference in {metric.name}, {name_interval(comparison)}; "
        f"{side} 0 is {metric.improvement}.",
        f"Verdicts: {comparison.test.kind} test, {correction} over {rows}, p <= {rule.alpha:g}.",
    ]


def _describe_epoch(comparison: Comparison) -> str:
    rows = comparison.rows
    means = f"Means over seeds with {comparison.confidence:.0%} t intervals; each run"
    if rows and all(row.n <= 1 for row in rows):
        means = "One seed for each setting; each run"
    match comparison.at:
        case EpochChoice.BEST:
            return f"{means} at its lowest validation loss."
        case EpochChoice.LAST:
            return f"{means} at its last epoch{_describe_last_epochs(rows)}."
        case EpochChoice.MATCHED:
            return (
                f"{means} at its first epoch with a training loss of at most "
                f"{comparison.target:.4g}, the lowest that every run reaches; "
                f"{_find_least_fitted(rows)} sets it. The test set is not evaluated there."
            )


def _describe_last_epochs(rows: Sequence[Row]) -> str:
    """Return the range of last epochs where early stopping made them differ."""
    last = [epochs for row in rows for epochs in row.setting.completed.read("last.epoch")]
    is_on = any(_EARLY_STOPPING in list_active_classics(row.setting.fields) for row in rows)
    if not is_on or min(last, default=0) == max(last, default=0):
        return ""
    return f", {min(last)} to {max(last)}: early stopping ended some runs sooner"


def _find_least_fitted(rows: Sequence[Row]) -> str:
    """Return the name of the setting whose run sets the target, so that a filter can drop it."""
    return max(
        rows,
        key=lambda row: find_target([row.setting]) if row.setting.completed else -math.inf,
    ).setting.name
