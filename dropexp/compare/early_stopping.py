"""How much of what a regulariser gives does early stopping alone give?

Early stopping alone is the baseline at its lowest validation loss: the epoch is chosen by
validation results, with a patience that never ends too soon. No run has to be stopped for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from dropexp.compare.engine import compare
from dropexp.compare.found_runs import FoundRuns
from dropexp.compare.question import Question
from dropexp.compare.results import Comparison, Row
from dropexp.errors import UserError
from dropexp.runs.metric_types import EpochChoice, Metric, Unit
from dropexp.runs.metrics import METRIC_REGISTRY, deciding_metrics
from dropexp.statistics import Estimate, Verdict, mean_interval, ratio_of_means


@dataclass(frozen=True)
class StoppingRow:
    """A setting, and what early stopping explains of its gain.

    Attributes:
        name: of the setting.
        baseline: the name of its baseline.
        last: its row of the comparison at the last epoch; ``last.difference`` is its gain.
        best: the same at the lowest validation loss: what it gives where both are stopped.
        matched: the same at equal training loss, in another metric; None where that has no row.
        alone: the baseline at its lowest validation loss − the baseline at its last epoch, in the
            metric's unit.
        share: alone / gain, 1 where early stopping alone gives as much, with Fieller's interval;
            None where the setting is not better at the last epoch, so that nothing is to be
            explained.
    """

    name: str
    baseline: str
    last: Row
    best: Row
    matched: Row | None
    alone: Estimate
    share: Estimate | None


@dataclass(frozen=True)
class StoppingShares:
    """The answer: a row for each setting with a baseline, and the comparisons that it rests on."""

    rows: tuple[StoppingRow, ...]
    metric: Metric
    last: Comparison
    best: Comparison
    matched: Comparison


def measure_stopping(found: FoundRuns, question: Question) -> StoppingShares:
    """Compare at the last epoch, at the lowest validation loss and at equal training loss.

    Args:
        found: the runs, with their curves.
        question: gives the metric, the baseline and the level; its epoch is ignored.

    Raises:
        UserError: the metric is not known at both epochs, no setting has a baseline, or the runs
            cannot be compared.
    """
    metric = question.metric or METRIC_REGISTRY["test_loss"]
    if metric.is_of_whole_run or not {EpochChoice.LAST, EpochChoice.BEST} <= set(metric.epochs):
        allowed = ", ".join(
            each.key
            for each in deciding_metrics()
            if {EpochChoice.LAST, EpochChoice.BEST} <= set(each.epochs) and not each.is_of_whole_run
        )
        raise UserError(
            f"--metric {metric.key} is not measured at the best and at the last epoch. "
            f"Allowed: {allowed}."
        )
    is_accuracy = metric.unit is Unit.FRACTION
    at_fit = METRIC_REGISTRY["noisy_label_val_acc" if is_accuracy else "noisy_label_val_loss"]
    last, best, matched = (
        compare(found, replace(question, metric=each, at=at, stated=""))
        for each, at in (
            (metric, EpochChoice.LAST),
            (metric, EpochChoice.BEST),
            (at_fit, EpochChoice.MATCHED),
        )
    )
    by_name: tuple[Mapping[str, Row], ...] = tuple(
        {row.setting.name: row for row in each.rows} for each in (best, matched)
    )
    rows = [
        _measure(row, by_name[0][row.setting.name], by_name[1].get(row.setting.name), last)
        for row in last.rows
        if row.baseline is not None and row.pairs
    ]
    if not rows:
        raise UserError(_explain_no_rows(last))
    return StoppingShares(tuple(rows), metric, last, best, matched)


def _explain_no_rows(comparison: Comparison) -> str:
    if all(row.setting.is_plain for row in comparison.rows):
        return (
            "early-stopping needs a setting with a regulariser; every one is none. Train one on "
            "the same seeds, or name a setting to compare with by --baseline."
        )
    return (
        "early-stopping needs a setting with a baseline on the same seeds: add runs of "
        "regulariser=none, or name a setting by --baseline."
    )


def _measure(last: Row, best: Row, matched: Row | None, comparison: Comparison) -> StoppingRow:
    confidence = comparison.rule.confidence
    stopped = {pair.seed: pair.baseline for pair in best.pairs}
    alone, gains = [], []
    for seed, baseline, value in last.pairs:
        at_best = stopped.get(seed)
        if baseline is not None and value is not None and at_best is not None:
            alone.append(at_best - baseline)
            gains.append(value - baseline)
    is_gain = last.verdict is Verdict.BETTER
    return StoppingRow(
        name=last.setting.name,
        baseline=last.baseline or "",
        last=last,
        best=best,
        matched=matched,
        alone=mean_interval(alone, confidence),
        share=ratio_of_means(alone, gains, confidence) if is_gain else None,
    )
