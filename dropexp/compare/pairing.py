"""A setting against its baseline, seed by seed.

A run that diverged loses its pair. In the test and in the planning of seeds, such a pair counts as
the largest difference of its row, with the sign of a loss. Under the hypothesis of no difference
both runs are equally likely to diverge, so the test keeps its level. Mean differences are over the
pairs in which both runs completed. A pair in which both runs diverged is a tie.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dropexp.compare.estimates import Values
from dropexp.compare.results import ComparedRun, Pair, Setting
from dropexp.runs.metric_types import Metric
from dropexp.statistics import Estimate, paired_difference, probability_of_improvement


@dataclass(frozen=True)
class PairedComparison:
    """A setting against its baseline in one metric, before any test.

    Attributes:
        pairs: one for each common seed, in the order of seeds.
        difference: the mean of setting − baseline, in the metric's unit and direction.
        scores: one finite number for each pair, in the metric's unit; below 0 is better.
        better: the probability that the setting is better with a new seed.
    """

    pairs: tuple[Pair, ...]
    difference: Estimate
    scores: tuple[float, ...]
    better: Estimate

    @property
    def pairs_better(self) -> int:
        """In how many pairs the setting is better."""
        return sum(score < 0 for score in self.scores)

    @property
    def mean_score(self) -> float:
        """The mean of the scores; below 0 is better, NaN without pairs."""
        return sum(self.scores) / len(self.scores) if self.scores else math.nan


def compare_pairs(
    setting: Setting,
    baseline: Setting,
    values: Mapping[ComparedRun, Values],
    metric: Metric,
    confidence: float,
) -> PairedComparison:
    """Compare a setting with its baseline over the seeds that both have.

    Args:
        setting: the setting.
        baseline: its baseline.
        values: the values of every completed run.
        metric: the metric to compare.
        confidence: the coverage of the intervals, in (0, 1).
    """
    of_baseline = _values_by_seed(baseline, values, metric)
    of_setting = _values_by_seed(setting, values, metric)
    seeds = sorted(of_baseline.keys() & of_setting.keys())
    pairs = tuple(Pair(seed, of_baseline[seed], of_setting[seed]) for seed in seeds)
    both = [(p.value, p.baseline) for p in pairs if p.value is not None and p.baseline is not None]
    a, b = np.array(both, dtype=float).reshape(-1, 2).T
    scores = _score_pairs(pairs, metric.sign)
    return PairedComparison(
        pairs=pairs,
        difference=paired_difference(a, b, confidence),
        scores=scores,
        better=probability_of_improvement(scores, confidence),
    )


def _values_by_seed(
    setting: Setting, values: Mapping[ComparedRun, Values], metric: Metric
) -> dict[int, float | None]:
    """Return seed → value; None for a run that diverged or whose value is not finite.

    A run for which the metric was not measured is absent.
    """
    by_seed: dict[int, float | None] = dict.fromkeys(setting.diverged_seeds)
    for run in setting.completed:
        value = values[run].get(metric.key)
        if value is not None:
            by_seed[run.seed] = value if math.isfinite(value) else None
    return by_seed


def _score_pairs(pairs: Sequence[Pair], sign: int) -> tuple[float, ...]:
    sizes = [abs(pair.difference) for pair in pairs if not math.isnan(pair.difference)]
    loss = max(sizes, default=0.0) or 1.0  # without a difference any size does
    return tuple(_score(pair, sign, loss) for pair in pairs)


def _score(pair: Pair, sign: int, loss: float) -> float:
    if pair.value is None or pair.baseline is None:
        return loss * ((pair.value is None) - (pair.baseline is None))
    return sign * pair.difference
