"""The metrics of a run at the epoch at which it is compared, and their means over seeds."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dropexp.compare.compared_runs import ComparedRun, ComparedRuns
from dropexp.compare.settings import Setting
from dropexp.compare.unmeasured import find_absent_sources
from dropexp.errors import UserError
from dropexp.runs.metric_types import EpochChoice, Metric, MetricSource
from dropexp.runs.metrics import METRIC_REGISTRY
from dropexp.runs.packed import NUMBERS
from dropexp.runs.records import OPTIONAL_COLUMNS
from dropexp.statistics import (
    Estimate,
    common_target,
    matched_epoch,
    mean_interval,
    mean_intervals,
    positive_mean_interval,
)

_SETTINGS_AT_A_TIME = 100  # whose values are held: 3 MB of a hundred runs each

MATCHED_BY = "train_loss"
"""The column of metrics.csv that is equal in all runs at EpochChoice.MATCHED."""

Table = tuple[NDArray[np.float64], NDArray[np.bool_]]
"""Values, and which of them are known; both of shape (metrics, runs)."""

BySeed = Mapping[int, float | None]
"""The value of a metric by seed; None where it is not finite. Other seeds were not measured."""


class MetricValues:
    """The values of settings' completed runs at the epoch at which they are compared.

    Args:
        settings: the settings whose runs may be asked for.
        at: the epoch of each run.
        target: the training loss at which runs are matched, in nats; see find_target. None
            without matching.
    """

    def __init__(
        self, settings: Iterable[Setting], at: EpochChoice, target: float | None = None
    ) -> None:
        self._at = at
        self._target = target
        metrics = [metric for metric in METRIC_REGISTRY.values() if at in metric.epochs]
        absent = find_absent_sources(settings)
        metrics = [each for each in metrics if each.source not in absent]
        self._metrics = metrics
        self._packed_names = {metric.key: _name_packed(metric, at) for metric in metrics}
        self._by_seed: dict[int, tuple[Setting, BySeed]] = {}
        self._kept = ""

    def by_seed(self, setting: Setting, metric: Metric) -> BySeed:
        """Return the values of a setting's completed runs in one metric."""
        if metric.key != self._kept:  # those of all metrics are 100 MB for 100,000 runs
            self._by_seed, self._kept = {}, metric.key
        if id(setting) not in self._by_seed:
            # With the setting, so that no other one gets its identity.
            self._by_seed[id(setting)] = setting, self._read_by_seed(setting, metric)
        return self._by_seed[id(setting)][1]

    def _read_by_seed(self, setting: Setting, metric: Metric) -> BySeed:
        if metric.key not in self._packed_names:
            return {}
        values, is_known = self._read_table(setting.completed, [metric])
        seeds = setting.completed.seeds
        if is_known.all() and np.isfinite(values).all():
            return dict(zip(seeds, values[0].tolist(), strict=True))
        return {
            seed: value if math.isfinite(value) else None
            for seed, value, has in zip(
                seeds, values[0].tolist(), is_known[0].tolist(), strict=True
            )
            if has
        }

    def estimate_means(
        self, settings: Sequence[Setting], confidence: float
    ) -> list[dict[str, Estimate]]:
        """Return for each setting the mean of each metric over runs; see estimate_mean."""
        estimates: list[dict[str, Estimate]] = []
        for start in range(0, len(settings), _SETTINGS_AT_A_TIME):
            some = settings[start : start + _SETTINGS_AT_A_TIME]
            estimates += self._estimate_some(some, confidence)
        return estimates

    def _estimate_some(
        self, settings: Sequence[Setting], confidence: float
    ) -> Iterator[dict[str, Estimate]]:
        tables = [self._read_table(setting.completed, self._metrics) for setting in settings]
        # Rows of equal length of all settings together; an interval is that of its row alone.
        whole: dict[int, list[NDArray[np.float64]]] = {}
        for values, is_known in tables:
            whole.setdefault(values.shape[1], []).append(values[is_known.all(axis=1)])
        intervals = {
            n: iter(mean_intervals(np.concatenate(rows), confidence)) for n, rows in whole.items()
        }
        for values, is_known in tables:
            n = values.shape[1]
            has_all: list[bool] = np.logical_and.reduce(is_known, axis=1).tolist()
            estimates = {}
            for row, metric in enumerate(self._metrics if n else ()):
                # As estimate_mean, which takes a metric at a time.
                estimate = next(intervals[n]) if has_all[row] else None
                if estimate is not None and not estimate.low <= 0:
                    estimates[metric.key] = estimate.clip(metric.limits)
                elif is_known[row].any():
                    known = values[row, is_known[row]].tolist()
                    estimates[metric.key] = estimate_mean(known, metric, confidence)
            yield estimates

    def _read_table(self, runs: ComparedRuns, metrics: Sequence[Metric]) -> Table:
        names = tuple(self._packed_names[metric.key] for metric in metrics)
        if runs and all(names):
            return _unpack(runs, names, metrics)
        values = np.full((len(metrics), len(runs)), math.nan)
        is_known = np.zeros(values.shape, dtype=bool)
        rows = [row for row, name in enumerate(names) if name and runs]
        if rows:
            wanted = tuple(names[row] for row in rows)
            values[rows], is_known[rows] = _unpack(runs, wanted, [metrics[row] for row in rows])
        others = [row for row in range(len(names)) if row not in rows]
        slow = [metrics[row] for row in others]
        for column, run in enumerate(runs if others else ()):
            of_run = _values_of(run, slow, self._at, self._target)
            for row, value in zip(others, of_run, strict=True):
                if value is not None:
                    values[row, column], is_known[row, column] = value, True
        return values, is_known


def _unpack(runs: ComparedRuns, names: tuple[str, ...], metrics: Sequence[Metric]) -> Table:
    """Return the values of metrics that are among packed numbers, or come from them."""
    numbers, known = runs.unpack((*names, "last.epoch"))
    for row, metric in enumerate(metrics):
        if metric.key == _PER_EPOCH:
            numbers[row] /= numbers[-1]
    return numbers[:-1], known[:-1]


def read_value(run: ComparedRun, metric: Metric, at: EpochChoice) -> float | None:
    """Return the value of a run in one metric; None where it was not measured."""
    return _values_of(run, [metric], at, None)[0]


_PER_EPOCH = "seconds_per_epoch"
_PACKED_OF_RUN = {
    "epochs": "last.epoch",
    "best_epoch": "best.epoch",
    "seconds": "seconds",
    _PER_EPOCH: "seconds",  # divided by last.epoch
    "rise": "rise",
    "area": "area",
}


def _name_packed(metric: Metric, at: EpochChoice) -> str:
    """Return the name of a metric among packed numbers; empty where it is none of them."""
    if metric.source is MetricSource.RUN:
        return _PACKED_OF_RUN.get(metric.key, "")
    if metric.source is MetricSource.FORGETTING:
        return f"forgetting.{metric.key}"
    if metric.source is MetricSource.MC_DROPOUT or at is EpochChoice.MATCHED:
        return ""
    name = f"{'best' if at is EpochChoice.BEST else 'last'}.{metric.key}"
    return name if name in NUMBERS else ""


def find_target(settings: Iterable[Setting]) -> float:
    """Return the lowest training loss that every completed run reaches, in nats.

    Raises:
        UserError: a run has no finite training loss, or there are no runs.
    """
    runs = [run for setting in settings for run in setting.completed]
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


def refuse_old_runs(metric: Metric, settings: Iterable[Setting]) -> None:
    """Raise UserError if no completed run has a metric that runs of results version 1 lack.

    Raises:
        UserError: names the metric, and says what to type instead.
    """
    if metric.key not in OPTIONAL_COLUMNS:
        return
    known = [has for each in settings for has in each.completed.list_known(f"last.{metric.key}")]
    if known and not any(known):
        instead = metric.key.removeprefix("clean_label_").removeprefix("noisy_label_")
        raise UserError(
            f"--metric {metric.key} was not measured in these runs, which an older dropexp "
            f"trained. Add --metric {instead}, or repeat the command that trained them, which "
            f"trains them again."
        )


def refuse_unrecorded(metric: Metric, settings: Iterable[Setting], at: EpochChoice) -> None:
    """Raise UserError if a loop of the user's own has recorded a metric for none of its runs.

    Raises:
        UserError: names the metric, and says what to type or to record instead.
    """
    recorded = [each for each in settings if each.is_of_own_loop]
    runs = [run for setting in recorded for run in setting.completed]
    if not runs:
        return
    if metric.key in OPTIONAL_COLUMNS:
        raise UserError(
            f"--metric {metric.key} is not known of runs of your own loop: how their labels are "
            f"noisy was not recorded. Add --metric val_loss."
        )
    if at is EpochChoice.MATCHED:
        return
    values = [read_value(run, metric, at) for run in runs]
    if any(value is not None and math.isfinite(value) for value in values):
        return
    hint = "Call log_test(…) in the loop, or add --metric val_loss."
    if metric.source is not MetricSource.SELECTED_EPOCH:
        hint = "Give it to log(…) in the loop, or add --metric val_loss."
    raise UserError(
        f"--metric {metric.key} was not recorded in these runs, which a loop of your own trained. "
        f"{hint}"
    )


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
) -> list[float | None]:
    """Return the values of one run; None where a number was not measured."""
    metrics = list(metrics)
    if all(metric.source is MetricSource.RUN for metric in metrics):
        return [getattr(run, metric.key) for metric in metrics]
    summary = run.summary
    selected = summary.best if at is EpochChoice.BEST else summary.last
    epoch = None
    if at is EpochChoice.MATCHED:
        epoch = matched_epoch(run.curves[MATCHED_BY], math.nan if target is None else target)
    # A network without noise needs no passes: each pass would equal the deterministic evaluation.
    is_deterministic = summary.p == 0 and summary.mc_dropout is None
    sampled = summary.best if is_deterministic else summary.mc_dropout
    values: list[float | None] = []
    for metric in metrics:
        match metric.source:
            case MetricSource.RUN:
                value = getattr(run, metric.key)
            case MetricSource.FORGETTING:
                value = getattr(summary.forgetting, metric.key, None)
            case MetricSource.MC_DROPOUT:
                value = getattr(sampled, metric.stored_as, None)
            case MetricSource.EPOCH if at is EpochChoice.MATCHED:
                value = None if epoch is None else _read_curve(run, metric.key, epoch)
            case _:
                value = getattr(selected, metric.key, None)
        values.append(value)
    return values


def _read_curve(run: ComparedRun, column: str, epoch: int) -> float | None:
    """Return a column's value at an epoch; None where it was not measured."""
    if column in OPTIONAL_COLUMNS and getattr(run.summary.last, column) is None:
        return None
    return float(run.curves[column][epoch - 1])
