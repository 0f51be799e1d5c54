"""One setting against another, seed by seed; and what a whole table of such tests says.

A run that diverged loses its pair. In the test, and in what is planned from it, such a pair has
the largest difference that any pair of its row has, and the sign of a loss: under the hypothesis
of no difference either arm is as likely to be the one that diverges, so that the test keeps its
level. Mean differences are of the pairs that both completed. Where both diverged, it is a tie.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dropexp.compare.numbers import Numbers
from dropexp.compare.results import Member, Metric, Pair, Setting
from dropexp.statistics import (
    EXACT_UP_TO,
    Estimate,
    Verdict,
    holm,
    paired_difference,
    pairs_needed,
    probability_of_improvement,
    sign_flip_p_value,
    smallest_adjusted_p,
    verdict,
)


@dataclass(frozen=True)
class Contest:
    """A setting against its baseline in one metric, before the rest of the table is known."""

    pairs: tuple[Pair, ...]
    difference: Estimate  # in the metric's own unit and direction
    scores: tuple[float, ...]  # one for each pair; below 0 is better; finite
    better: Estimate
    p_value: float

    @property
    def wins(self) -> int:
        """In how many pairs the setting is better."""
        return sum(score < 0 for score in self.scores)

    @property
    def mean_score(self) -> float:
        """Below 0: better on the whole."""
        return sum(self.scores) / len(self.scores) if self.scores else math.nan


@dataclass(frozen=True)
class Judged:
    """What a contest came to among the others of its table."""

    adjusted_p: float
    verdict: Verdict
    pairs_needed: int | None


def contest(
    setting: Setting,
    baseline: Setting,
    numbers: Callable[[Member], Numbers],
    metric: Metric,
    confidence: float,
) -> Contest:
    """Compare a setting with its baseline over the seeds that both have."""
    pairs = _pairs(_values(baseline, numbers, metric), _values(setting, numbers, metric))
    both = [pair for pair in pairs if pair.value is not None and pair.baseline is not None]
    values = [[pair.value for pair in both], [pair.baseline for pair in both]]
    scores = _scores(pairs, metric.sign)
    return Contest(
        pairs=pairs,
        difference=paired_difference(
            np.array(values[0], dtype=float), np.array(values[1], dtype=float), confidence
        ),
        scores=scores,
        better=probability_of_improvement(scores, confidence),
        p_value=_p_value(scores),
    )


def judge(contests: Sequence[Contest], alpha: float) -> list[Judged]:
    """The verdict of every contest of a table, corrected for how many there are."""
    adjusted = holm(each.p_value for each in contests).tolist()
    smallest = smallest_adjusted_p(len(each.pairs) for each in contests).tolist()
    comparisons = sum(not math.isnan(p) for p in adjusted)
    return [
        _judged(each, adjusted_p, smallest_p, alpha, comparisons)
        for each, adjusted_p, smallest_p in zip(contests, adjusted, smallest, strict=True)
    ]


def _judged(
    each: Contest, adjusted_p: float, smallest_p: float, alpha: float, comparisons: int
) -> Judged:
    found = verdict(adjusted_p, each.mean_score, smallest_p, alpha)
    needed = None
    if found in (Verdict.TOO_FEW_SEEDS, Verdict.NO_CLEAR_DIFFERENCE):
        needed = pairs_needed(each.scores, alpha, comparisons=max(comparisons, 1))
    return Judged(adjusted_p, found, needed)


def _values(
    setting: Setting, numbers: Callable[[Member], Numbers], metric: Metric
) -> dict[int, float | None]:
    """Seed → the metric, None for a run that diverged or whose metric is not finite.

    A run of which the metric was not measured is not in it.
    """
    found: dict[int, float | None] = dict.fromkeys(setting.diverged_seeds)
    for member in setting.members:
        value = numbers(member).get(metric.value)
        if value is not None:
            found[member.seed] = value if math.isfinite(value) else None
    return found


def _pairs(baseline: dict[int, float | None], values: dict[int, float | None]) -> tuple[Pair, ...]:
    common = sorted(baseline.keys() & values.keys())
    return tuple(Pair(seed, baseline[seed], values[seed]) for seed in common)


def _scores(pairs: Sequence[Pair], sign: int) -> tuple[float, ...]:
    sizes = [abs(pair.difference) for pair in pairs if not math.isnan(pair.difference)]
    loss = max(sizes, default=0.0) or 1.0  # any size will do where no pair has a difference
    return tuple(_score(pair, sign, loss) for pair in pairs)


def _score(pair: Pair, sign: int, loss: float) -> float:
    if pair.value is None or pair.baseline is None:
        return loss * ((pair.value is None) - (pair.baseline is None))
    return sign * pair.difference


def _p_value(scores: Sequence[float]) -> float:
    if len(scores) <= EXACT_UP_TO:
        return sign_flip_p_value(scores)
    # A seed that is always the same: the same runs give the same table.
    return sign_flip_p_value(scores, np.random.default_rng(0))
