"""Compares the numbers of two trainings of one run: pure functions of their records."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dropexp.config.setting import flatten
from dropexp.runs.records import (
    OPTIONAL_COLUMNS,
    EpochRecord,
    RunSummary,
    SampledTest,
    SelectedEpoch,
)

RELATIVE_TOLERANCE = 1e-4
"""The relative difference that is allowed in losses, learning rates and p.

Another order of summing changes a step by about 1e-7, and training amplifies that."""

LOSS_FLOOR = 1e-6
"""The absolute difference that is always allowed, in nats for losses."""

ACCURACY_TOLERANCE = 0.005
"""The absolute difference that is allowed in accuracies, which are fractions in [0, 1].

It is one or two images of a split of the embedded digits."""

_EPOCH_METRICS = (
    "lr",
    "p",
    "noisy_train_loss",
    "train_loss",
    "train_acc",
    "val_loss",
    "val_acc",
    *OPTIONAL_COLUMNS,
)
_SELECTED_METRICS = (
    "train_loss",
    "train_acc",
    "val_loss",
    "val_acc",
    "test_loss",
    "test_acc",
    *OPTIONAL_COLUMNS,
)
_SAMPLED_METRICS = ("test_loss", "test_acc")
_NOT_COMPARED = ("command", "folder", "attempt", "sweep")


class AgreementVerdict(StrEnum):
    """Whether two trainings agree."""

    IDENTICAL = "identical"
    AGREES = "agrees"
    DIFFERS = "does not agree"


@dataclass(frozen=True, slots=True)
class MetricDifference:
    """A metric that has different values in two trainings.

    Attributes:
        metric: a column of metrics.csv, or a key of summary.json.
        where: "epoch 7", "best epoch", "last epoch" or "mc_dropout".
        recorded: the value in the first training.
        now: the value in the second training.
    """

    metric: str
    where: str
    recorded: float
    now: float

    @property
    def size(self) -> float:
        """The absolute difference; infinite where only one of the two is a number."""
        size = abs(self.recorded - self.now)
        return math.inf if math.isnan(size) else size

    @property
    def is_within_tolerance(self) -> bool:
        """Whether the difference is small enough to come from rounding."""
        if self.metric.endswith("_acc"):
            return self.size <= ACCURACY_TOLERANCE
        return math.isclose(self.recorded, self.now, rel_tol=RELATIVE_TOLERANCE, abs_tol=LOSS_FLOOR)


@dataclass(frozen=True)
class Agreement:
    """The comparison of two trainings, of which the first was recorded.

    Attributes:
        epochs: the number of epochs in the first and in the second training.
        best_epochs: the best epoch of the first and of the second training; None without one.
        differences: the largest difference of each metric that differs anywhere.
        beyond_tolerance: the largest difference of each metric that differs by more than its
            tolerance.
    """

    epochs: tuple[int, int]
    best_epochs: tuple[int | None, int | None]
    differences: tuple[MetricDifference, ...]
    beyond_tolerance: tuple[MetricDifference, ...]

    @property
    def verdict(self) -> AgreementVerdict:
        """Whether the two trainings agree."""
        recorded, now = self.best_epochs
        if (
            self.epochs[0] != self.epochs[1]
            or self.beyond_tolerance
            or (recorded is None) != (now is None)
        ):
            return AgreementVerdict.DIFFERS
        is_identical = not self.differences and recorded == now
        return AgreementVerdict.IDENTICAL if is_identical else AgreementVerdict.AGREES

    @property
    def largest(self) -> MetricDifference | None:
        """The largest difference of any metric; None where there is none."""
        return max(self.differences, key=lambda each: each.size, default=None)


@dataclass(frozen=True)
class RerunResult:
    """The second training of a run, compared with the first.

    Attributes:
        agreement: the comparison of the numbers.
        environment: what differs between the environments: name → (recorded, now).
    """

    agreement: Agreement
    environment: Mapping[str, tuple[Any, Any]]


def compare_trainings(
    recorded: Sequence[EpochRecord],
    recorded_summary: RunSummary,
    now: Sequence[EpochRecord],
    summary_now: RunSummary,
) -> Agreement:
    """Compare two trainings: each metric of each epoch, and the results on the test set.

    The seconds of epochs are not compared.

    Args:
        recorded: the epochs of the first training.
        recorded_summary: its summary.
        now: the epochs of the second training.
        summary_now: its summary.
    """
    differences = list(_compare_epochs(recorded, now))
    for name in ("best", "last"):
        before, after = getattr(recorded_summary, name), getattr(summary_now, name)
        if before is not None and after is not None:
            differences += _compare_metrics(f"{name} epoch", before, after, _SELECTED_METRICS)
    before, after = recorded_summary.mc_dropout, summary_now.mc_dropout
    if before is not None and after is not None and before.passes == after.passes:
        differences += _compare_metrics("mc_dropout", before, after, _SAMPLED_METRICS)
    return Agreement(
        epochs=(len(recorded), len(now)),
        best_epochs=(_epoch(recorded_summary.best), _epoch(summary_now.best)),
        differences=_select_largest(differences),
        beyond_tolerance=_select_largest(
            each for each in differences if not each.is_within_tolerance
        ),
    )


def compare_environments(
    recorded: Mapping[str, Any], now: Mapping[str, Any]
) -> dict[str, tuple[Any, Any]]:
    """Return what differs between two records of an environment.

    Args:
        recorded: the content of environment.json.
        now: the content of environment.json of the second training.

    Returns:
        Name → (recorded, now), for each entry that differs but the command and its folder.
    """
    before, after = flatten(dict(recorded)), flatten(dict(now))
    return {
        key.removeprefix("packages."): (before.get(key), after.get(key))
        for key in dict.fromkeys([*before, *after])
        if key not in _NOT_COMPARED and before.get(key) != after.get(key)
    }


def _compare_epochs(
    recorded: Sequence[EpochRecord], now: Sequence[EpochRecord]
) -> Iterable[MetricDifference]:
    for before, after in zip(recorded, now, strict=False):
        yield from _compare_metrics(f"epoch {before.epoch}", before, after, _EPOCH_METRICS)


def _compare_metrics(
    where: str,
    before: EpochRecord | SelectedEpoch | SampledTest,
    after: EpochRecord | SelectedEpoch | SampledTest,
    metrics: Iterable[str],
) -> Iterable[MetricDifference]:
    for metric in metrics:
        old, new = getattr(before, metric), getattr(after, metric)
        if old is None or new is None:
            continue  # not measured
        if old != new and not (math.isnan(old) and math.isnan(new)):
            yield MetricDifference(metric, where, old, new)


def _select_largest(differences: Iterable[MetricDifference]) -> tuple[MetricDifference, ...]:
    """Return the largest difference of each metric."""
    largest: dict[str, MetricDifference] = {}
    for each in differences:
        if each.metric not in largest or each.size > largest[each.metric].size:
            largest[each.metric] = each
    return tuple(largest.values())


def _epoch(selected: SelectedEpoch | None) -> int | None:
    return None if selected is None else selected.epoch
