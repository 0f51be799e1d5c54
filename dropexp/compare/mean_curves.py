"""Curves over epochs, averaged over a setting's seeds: means with intervals, epoch by epoch."""

from collections.abc import Mapping
from dataclasses import dataclass

from dropexp.compare.results import Setting
from dropexp.statistics import Estimate, mean_interval


@dataclass(frozen=True, slots=True)
class MeanCurve:
    """A column of metrics.csv over the seeds of one setting; the i-th is of epoch i + 1."""

    setting: str
    column: str
    estimates: tuple[Estimate, ...]

    def thinned(self, most: int) -> Mapping[int, Estimate]:
        """Epoch → estimate, of at most ``most`` epochs evenly spread, the first and last kept."""
        last = len(self.estimates)
        if last <= most:
            epochs = set(range(1, last + 1))
        else:
            epochs = {1 + round(i * (last - 1) / (most - 1)) for i in range(most)}
        return {epoch: self.estimates[epoch - 1] for epoch in sorted(epochs)}


def mean_curve(setting: Setting, column: str, confidence: float = 0.95) -> MeanCurve:
    """The mean of a column over a setting's completed runs, with its t interval, in its unit.

    Where early stopping ended some runs sooner, later epochs rest on fewer seeds; the estimates'
    ``n`` tells.

    Args:
        setting: whose runs.
        column: of metrics.csv.
        confidence: the intervals' coverage, in (0, 1).
    """
    curves = [member.curves[column] for member in setting.members]
    epochs = max((len(curve) for curve in curves), default=0)
    estimates = (
        mean_interval([curve[epoch] for curve in curves if epoch < len(curve)], confidence)
        for epoch in range(epochs)
    )
    return MeanCurve(setting.name, column, tuple(estimates))
