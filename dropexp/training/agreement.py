"""Whether two trainings of one run came to the same numbers: a pure function of their records."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dropexp.config.setting import flatten
from dropexp.runs.records import EpochRecord, RunSummary, SampledTest, SelectedEpoch

RELATIVE_TOLERANCE = 1e-4
"""How far losses and learning rates may be apart, relative to the larger: sums that are rounded in
another order differ by about 1e-7 a step, and training lets that grow."""

LOSS_FLOOR = 1e-6
"""Losses (nats) that differ by less agree however small they are."""

ACCURACY_TOLERANCE = 0.005
"""How far accuracies may be apart: one or two images of the embedded digits' splits."""

_EPOCH_METRICS = (
    "lr",
    "p",
    "noisy_train_loss",
    "train_loss",
    "train_acc",
    "val_loss",
    "val_acc",
)
_SELECTED_METRICS = (
    "train_loss",
    "train_acc",
    "val_loss",
    "val_acc",
    "test_loss",
    "test_acc",
)
_SAMPLED_METRICS = ("test_loss", "test_acc")
_NOT_THE_MACHINE = ("command", "folder")


class Verdict(StrEnum):
    """What a comparison of numbers comes to."""

    IDENTICAL = "identical"
    AGREES = "agrees"
    DIFFERS = "does not agree"


@dataclass(frozen=True, slots=True)
class Difference:
    """One number that came out otherwise."""

    metric: str
    where: str  # "epoch 7", "best epoch", "last epoch" or "mc_dropout"
    recorded: float
    now: float

    @property
    def size(self) -> float:
        """How far the two are apart; infinite if only one of them is a number."""
        apart = abs(self.recorded - self.now)
        return math.inf if math.isnan(apart) else apart

    @property
    def is_tolerable(self) -> bool:
        """Whether rounding may be the reason."""
        if self.metric.endswith("_acc"):
            return self.size <= ACCURACY_TOLERANCE
        return math.isclose(self.recorded, self.now, rel_tol=RELATIVE_TOLERANCE, abs_tol=LOSS_FLOOR)


@dataclass(frozen=True)
class Agreement:
    """The comparison of a run with what was recorded.

    Attributes:
        epochs: how many were recorded, and how many there are now.
        best_epochs: the selected epoch recorded and now; None where there is none.
        differences: the largest one of each metric that differs anywhere.
        intolerable: the largest one beyond the tolerance of each metric that has one.
    """

    epochs: tuple[int, int]
    best_epochs: tuple[int | None, int | None]
    differences: tuple[Difference, ...]
    intolerable: tuple[Difference, ...]

    @property
    def verdict(self) -> Verdict:
        """In one word."""
        recorded, now = self.best_epochs
        if (
            self.epochs[0] != self.epochs[1]
            or self.intolerable
            or (recorded is None) != (now is None)
        ):
            return Verdict.DIFFERS
        is_identical = not self.differences and recorded == now
        return Verdict.IDENTICAL if is_identical else Verdict.AGREES

    @property
    def largest(self) -> Difference | None:
        """The largest difference of all; None if there is none."""
        return max(self.differences, key=lambda each: each.size, default=None)


def agreement(
    recorded: Sequence[EpochRecord],
    recorded_summary: RunSummary,
    now: Sequence[EpochRecord],
    summary_now: RunSummary,
) -> Agreement:
    """Compare every number of every epoch but the seconds, and the results on the test set."""
    found = list(_of_epochs(recorded, now))
    for name in ("best", "last"):
        before, after = getattr(recorded_summary, name), getattr(summary_now, name)
        if before is not None and after is not None:
            found += _of_block(f"{name} epoch", before, after, _SELECTED_METRICS)
    before, after = recorded_summary.mc_dropout, summary_now.mc_dropout
    if before is not None and after is not None and before.passes == after.passes:
        found += _of_block("mc_dropout", before, after, _SAMPLED_METRICS)
    return Agreement(
        epochs=(len(recorded), len(now)),
        best_epochs=(_epoch(recorded_summary.best), _epoch(summary_now.best)),
        differences=_largest_of_each(found),
        intolerable=_largest_of_each(each for each in found if not each.is_tolerable),
    )


def environment_differences(
    recorded: Mapping[str, Any], now: Mapping[str, Any]
) -> dict[str, tuple[Any, Any]]:
    """What two notes of a machine differ in: name → (recorded, now)."""
    before, after = flatten(dict(recorded)), flatten(dict(now))
    return {
        key.removeprefix("packages."): (before.get(key), after.get(key))
        for key in dict.fromkeys([*before, *after])
        if key not in _NOT_THE_MACHINE and before.get(key) != after.get(key)
    }


def _of_epochs(recorded: Sequence[EpochRecord], now: Sequence[EpochRecord]) -> Iterable[Difference]:
    for before, after in zip(recorded, now, strict=False):
        yield from _of_block(f"epoch {before.epoch}", before, after, _EPOCH_METRICS)


def _of_block(
    where: str,
    before: EpochRecord | SelectedEpoch | SampledTest,
    after: EpochRecord | SelectedEpoch | SampledTest,
    metrics: Iterable[str],
) -> Iterable[Difference]:
    for metric in metrics:
        old, new = getattr(before, metric), getattr(after, metric)
        if old != new and not (math.isnan(old) and math.isnan(new)):
            yield Difference(metric, where, old, new)


def _largest_of_each(found: Iterable[Difference]) -> tuple[Difference, ...]:
    largest: dict[str, Difference] = {}
    for each in found:
        if each.metric not in largest or each.size > largest[each.metric].size:
            largest[each.metric] = each
    return tuple(largest.values())


def _epoch(selected: SelectedEpoch | None) -> int | None:
    return None if selected is None else selected.epoch
