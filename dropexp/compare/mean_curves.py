"""Curves over epochs, averaged over the seeds of a setting: means with intervals."""

from collections.abc import Mapping
from dataclasses import dataclass

from dropexp.compare.estimates import estimate_mean
from dropexp.compare.settings import Setting
from dropexp.runs.metrics import METRIC_REGISTRY
from dropexp.statistics import Estimate


@dataclass(frozen=True, slots=True)
class MeanCurve:
    """The mean of a column of metrics.csv over the seeds of one setting.

    Attributes:
        setting: the name of the setting.
        column: the column of metrics.csv.
        estimates: the mean of each epoch with its interval, the first epoch first.
    """

    setting: str
    column: str
    estimates: tuple[Estimate, ...]

    def thin(self, most: int) -> Mapping[int, Estimate]:
        """Return epoch → estimate for at most ``most`` epochs, evenly spread, both ends kept."""
        last = len(self.estimates)
        if last <= most:
            epochs = set(range(1, last + 1))
        else:
            epochs = {1 + round(i * (last - 1) / (most - 1)) for i in range(most)}
        return {epoch: self.estimates[epoch - 1] for epoch in sorted(epochs)}


def mean_curve(setting: Setting, column: str, confidence: float = 0.95) -> MeanCurve:
    """Return the mean of a column over a setting's completed runs; see estimate_mean.

    Where early stopping ended some runs sooner, later epochs have fewer seeds; ``n`` of an
    estimate is their number.

    Args:
        setting: the setting whose runs to average.
        column: a column of metrics.csv.
        confidence: the coverage of the intervals, in (0, 1).
    """
    curves = [run.curves[column] for run in setting.completed]
    metric = METRIC_REGISTRY.get(column)
    epochs = max((len(curve) for curve in curves), default=0)
    estimates = (
        estimate_mean([curve[epoch] for curve in curves if epoch < len(curve)], metric, confidence)
        for epoch in range(epochs)
    )
    return MeanCurve(setting.name, column, tuple(estimates))
