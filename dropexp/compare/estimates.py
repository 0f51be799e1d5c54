"""The metrics of a run at the epoch at which it is compared, and their means over seeds."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from dropexp.compare.mc_dropout import has_results
from dropexp.compare.settings import ComparedRun
from dropexp.errors import UserError
from dropexp.runs.metric_types import EpochChoice, Metric, MetricSource
from dropexp.runs.metrics import METRIC_REGISTRY
from dropexp.runs.records import OPTIONAL_COLUMNS
from dropexp.statistics import (
    Estimate,
    common_target,
    matched_epoch,
    mean_interval,
    positive_mean_interval,
)

MATCHED_BY = "train_loss"
"""The column of metrics.csv that is equal in all runs at EpochChoice.MATCHED."""

Values = Mapping[str, float | None]
"""The values of one run by metric key; None where a number was not measured."""


def read_values(
    runs: Sequence[ComparedRun],
    at: EpochChoice,
    target: float | None,
    only: Metric | None = None,
) -> dict[ComparedRun, Values]:
    """Return the values of every run at the epoch at which it is compared.

    Args:
        runs: the completed runs.
        at: the epoch of each run.
        target: the training loss at which runs are matched, in nats; see find_target. None
            without matching.
        only: the metric to read; None reads all.
    """
    if only is not None:
        return {run: _values_of(run, [only], at, target) for run in runs}
    metrics = [metric for metric in METRIC_REGISTRY.values() if at in metric.epochs]
    if not has_results(runs):
        metrics = [metric for metric in metrics if metric.source is not MetricSource.MC_DROPOUT]
    return {run: _values_of(run, metrics, at, target) for run in runs}


def find_target(runs: Iterable[ComparedRun]) -> float:
    """Return the lowest training loss that every run reaches, in nats.

    Raises:
        UserError: a run has no finite training loss, or there are no runs.
    """
    runs = list(runs)
    target = common_target(run.curves[MATCHED_BY] for run in runs)
    if math.isfinite(target):
        return target
    without = [run.run_id for run in runs if not np.isfinite(run.curves[MATCHED_BY]).any()]
    if not without:
        raise UserError("--at matched needs completed runs, and there are none.")
    raise UserError(
        f"--at matched needs a training loss that every run reaches; {', '.join(without[:3])} "
        f"has no finite training loss."
    )


def refuse_old_runs(metric: Metric, runs: Sequence[ComparedRun]) -> None:
    """Raise UserError if no run has a metric that runs of results version 1 lack.

    Raises:
        UserError: names the metric, and says what to type instead.
    """
    if metric.key not in OPTIONAL_COLUMNS or not runs:
        return
    if all(getattr(run.summary.last, metric.key) is None for run in runs):
        instead = metric.key.removeprefix("clean_label_").removeprefix("noisy_label_")
        raise UserError(
            f"--metric {metric.key} was not measured in these runs, which an older dropexp "
            f"trained. Add --metric {instead}, or repeat the command that trained them, which "
            f"trains them again."
        )


def estimate_means(values: Sequence[Values], confidence: float) -> dict[str, Estimate]:
    """Return the mean of each metric over runs with its interval; see estimate_mean."""
    estimates = {}
    for key, metric in METRIC_REGISTRY.items():
        known = [value for run in values if (value := run.get(key)) is not None]
        if known:
            estimates[key] = estimate_mean(known, metric, confidence)
    return estimates


def estimate_mean(values: Sequence[float], metric: Metric | None, confidence: float) -> Estimate:
    """Return the mean over runs with its t interval, within what the metric can be.

    See positive_mean_interval for a quantity that is never negative. Of a fraction the interval is
    cut at 0 and 1, which does not change its coverage.

    Args:
        values: one for each run.
        metric: what they are of; None for a quantity without limits.
        confidence: the interval's coverage, in (0, 1).
    """
    limits = metric.limits if metric else (-math.inf, math.inf)
    if limits == (0.0, math.inf) and min(values, default=0.0) >= 0:
        return positive_mean_interval(values, confidence)
    return mean_interval(values, confidence).clip(limits)


def _values_of(
    run: ComparedRun, metrics: Iterable[Metric], at: EpochChoice, target: float | None
) -> Values:
    summary = run.summary
    selected = summary.best if at is EpochChoice.BEST else summary.last
    epoch = None
    if at is EpochChoice.MATCHED:
        epoch = matched_epoch(run.curves[MATCHED_BY], math.nan if target is None else target)
    # A network without noise needs no passes: each pass would equal the deterministic evaluation.
    is_deterministic = summary.p == 0 and summary.mc_dropout is None
    sampled = summary.best if is_deterministic else summary.mc_dropout
    values: dict[str, float | None] = {}
    for metric in metrics:
        match metric.source:
            case MetricSource.RUN:
                value = getattr(run, metric.key)
            case MetricSource.MC_DROPOUT:
                value = getattr(sampled, metric.stored_as, None)
            case MetricSource.EPOCH if at is EpochChoice.MATCHED:
                value = None if epoch is None else _read_curve(run, metric.key, epoch)
            case _:
                value = getattr(selected, metric.key, None)
        values[metric.key] = value
    return values


def _read_curve(run: ComparedRun, column: str, epoch: int) -> float | None:
    """Return a column's value at an epoch; None where it was not measured."""
    if column in OPTIONAL_COLUMNS and getattr(run.summary.last, column) is None:
        return None
    return float(run.curves[column][epoch - 1])
