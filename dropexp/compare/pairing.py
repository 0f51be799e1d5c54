"""A setting against its baseline, seed by seed.

A run that diverged loses its pair. Under the hypothesis of no difference both runs are equally
likely to diverge, so a test that counts a lost pair as a large difference with the sign of a loss
keeps its level. Mean differences are over the pairs in which both runs completed. A pair in which
both runs diverged is a tie.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat

from dropexp.compare.estimates import BySeed, MetricValues
from dropexp.compare.results import Pair
from dropexp.compare.settings import Setting
from dropexp.runs.metric_types import Metric


@dataclass(frozen=True)
class PairedComparison:
    """A setting against its baseline in one metric, before any test.

    Attributes:
        pairs: one for each common seed, in the order in which the seeds were asked for.
        sign: 1 where a lower value of the metric is better, -1 where a higher one is.
    """

    pairs: tuple[Pair, ...]
    sign: int

    @cached_property
    def differences(self) -> tuple[float, ...]:
        """Setting − baseline of the pairs in which both have a value, in the metric's unit."""
        return tuple(
            value - baseline
            for _, baseline, value in self.pairs
            if value is not None and baseline is not None
        )

    @cached_property
    def scores(self) -> tuple[float, ...]:
        """One finite number for each pair; below 0 is better. A lost pair is the largest one."""
        if not self.lost:
            if self.sign == 1:
                return self.differences
            return tuple(self.sign * difference for difference in self.differences)
        largest = max(map(abs, self.differences), default=0.0) or 1.0  # without any, any size does
        return tuple(self._score(pair, largest) for pair in self.pairs)

    @cached_property
    def scores_in_order(self) -> tuple[float, ...]:
        """The scores, where a lost pair is as large as the largest difference before it.

        A score that depended on later seeds would change evidence that was looked at before. A
        lost pair before the first difference is a tie, as nothing says how large a loss is.
        """
        if not self.lost:
            return self.scores
        scores, largest = [], 0.0
        for pair in self.pairs:
            scores.append(self._score(pair, largest))
            largest = max(largest, abs(scores[-1]))
        return tuple(scores)

    @property
    def lost(self) -> int:
        """In how many pairs a run diverged."""
        return len(self.pairs) - len(self.differences)

    @property
    def pairs_better(self) -> int:
        """In how many pairs the setting is better."""
        return sum(score < 0 for score in self.scores)

    @property
    def mean_score(self) -> float:
        """The mean of the scores; below 0 is better, NaN without pairs."""
        scores = self.scores
        return sum(scores) / len(scores) if scores else math.nan

    def _score(self, pair: Pair, lost: float) -> float:
        if pair.value is None or pair.baseline is None:
            return lost * ((pair.value is None) - (pair.baseline is None))
        return self.sign * pair.difference


def compare_pairs(
    setting: Setting,
    baseline: Setting,
    values: MetricValues,
    metric: Metric,
    seeds: Sequence[int],
) -> PairedComparison:
    """Compare a setting with its baseline over the seeds that both have.

    Args:
        setting: the setting.
        baseline: its baseline.
        values: the values of every completed run.
        metric: the metric to compare.
        seeds: the seeds that count, in the order in which they were asked for.
    """
    of_baseline = _values_by_seed(baseline, values, metric)
    of_setting = _values_by_seed(setting, values, metric)
    common = [seed for seed in seeds if seed in of_baseline and seed in of_setting]
    columns = (
        common,
        map(of_baseline.__getitem__, common),
        map(of_setting.__getitem__, common),
    )
    # As Pair(*values) for each, in a third of the time: there are half a million in a large table.
    pairs = map(tuple.__new__, repeat(Pair), zip(*columns, strict=True))
    return PairedComparison(tuple(pairs), metric.sign)


def _values_by_seed(setting: Setting, values: MetricValues, metric: Metric) -> BySeed:
    """Return seed → value; None for a run that diverged or whose value is not finite.

    A run for which the metric was not measured is absent.
    """
    completed = values.by_seed(setting, metric)
    if not setting.diverged:
        return completed
    return {**dict.fromkeys(setting.diverged_seeds), **completed}
