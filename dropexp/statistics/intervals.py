"""Estimates with confidence intervals: means, paired differences, probabilities."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dropexp.statistics.arguments import as_vector, check_open_fraction
from dropexp.statistics.student_t import t_quantile


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its confidence interval, in the unit of what was estimated.

    Attributes:
        value: the estimate.
        low: the lower end of the interval; NaN where there are too few values for one.
        high: the upper end; NaN likewise.
        n: the number of values, or of pairs, that the estimate rests on.
    """

    value: float
    low: float
    high: float
    n: int

    def clip(self, limits: tuple[float, float]) -> "Estimate":
        """Return the estimate with its interval within the limits of what can be true."""
        low, high = limits
        # max and min would drop NaN, which stands for no interval.
        return Estimate(
            self.value,
            low if self.low < low else self.low,
            high if self.high > high else self.high,
            self.n,
        )


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Return the mean and its t interval, mean ± t · s/√n (Student 1908).

    The interval is exact for normal values. Its coverage is that of one interval, not of all rows
    of a table together.

    Args:
        values: shape (n,), floats in any unit: one for each seed.
        confidence: the interval's coverage, in (0, 1).

    Returns:
        The estimate. Its ends are NaN for n = 1; all three numbers are NaN for n = 0 and where a
        value is not finite, since only the caller may leave values out.

    Raises:
        ValueError: the values are not one-dimensional, or the confidence is outside (0, 1).
    """
    (estimate,) = mean_intervals(as_vector(values, "values")[None], confidence)
    return estimate


def mean_intervals(table: NDArray[np.float64], confidence: float = 0.95) -> list[Estimate]:
    """Return mean_interval of every row of a table of shape (rows, n).

    Raises:
        ValueError: the confidence is outside (0, 1).
    """
    n = table.shape[1]
    if n == 0:
        return [Estimate(math.nan, math.nan, math.nan, n)] * len(table)
    is_finite = np.isfinite(table).all(axis=1)
    # Sums of losses beyond 1e154 overflow.
    with np.errstate(over="ignore", invalid="ignore"):
        means = np.where(is_finite, table.mean(axis=1), math.nan)
        spreads = table.std(axis=1, ddof=1) if n > 1 else np.full(len(table), math.nan)
    t = t_quantile(confidence, n - 1) if n > 1 else math.nan
    halves = t * (spreads / math.sqrt(n))
    return [
        Estimate(mean, mean - half, mean + half, n)
        for mean, half in zip(means.tolist(), halves.tolist(), strict=True)
    ]


def positive_mean_interval(values: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Return the mean of a positive quantity and an interval that is above 0.

    That is the t interval where it is above 0. Where it is not, it is the interval on the log
    scale, mean · exp(±t · s/(√n · mean)): the delta method gives log(mean) the standard error
    s/(√n · mean). In simulations with the spreads of losses and of times it never covers the mean
    less often than the t interval, and more often where values are skewed; see
    tests/statistics/test_intervals.py. A value of 0 has no logarithm, and of two values the
    interval on the log scale says nothing, such as [0.4, 1140] around 23: then the t interval is
    cut at 0, which does not change its coverage.

    Args:
        values: shape (n,), floats of at least 0 in any unit: one for each seed.
        confidence: the interval's coverage, in (0, 1).

    Returns:
        The estimate; see mean_interval for few or non-finite values.

    Raises:
        ValueError: a value is negative, and as mean_interval does.
    """
    estimate = mean_interval(values, confidence)
    lowest = min(as_vector(values, "values"), default=math.nan)
    if lowest < 0:
        raise ValueError(f"the value {lowest:g} is negative; allowed: at least 0")
    if not estimate.low <= 0 or not math.isfinite(estimate.high):
        return estimate
    if lowest == 0 or estimate.n == 2:
        return Estimate(estimate.value, 0.0, estimate.high, estimate.n)
    half = (estimate.high - estimate.value) / estimate.value
    with np.errstate(over="ignore"):
        high = float(estimate.value * np.exp(half))
    return Estimate(estimate.value, estimate.value * math.exp(-half), high, estimate.n)


def paired_difference(a: ArrayLike, b: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Return the mean of a − b over pairs and its t interval.

    Effects that a seed has on both (of its split, label noise and initial weights) cancel in the
    difference, so the interval is narrower than an unpaired one.

    Args:
        a: shape (n,), floats; a[i] and b[i] are of the same seed.
        b: shape (n,), floats in a's unit.
        confidence: the interval's coverage, in (0, 1).

    Returns:
        The estimate, in a's unit; see mean_interval for few or non-finite values.

    Raises:
        ValueError: the shapes differ or are not (n,), or the confidence is outside (0, 1).
    """
    first, second = as_vector(a, "a"), as_vector(b, "b")
    if first.shape != second.shape:
        raise ValueError(f"a has {len(first)} values and b {len(second)}; allowed: equal lengths")
    with np.errstate(invalid="ignore"):  # inf − inf is NaN, which mean_interval handles
        return mean_interval(first - second, confidence)


def probability_of_improvement(differences: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Return the probability that A is lower than B with a new seed, from differences A − B.

    The estimate is the share of pairs in which A is lower, with ties counted half: the probability
    of improvement of Agarwal et al. 2021 (section 4.3), taken within pairs. It is unbiased for
    P(A < B) + P(A = B)/2 for any distribution. With few pairs the share is coarse (3 of 3 is 1),
    so show it with its interval: the score interval of Wilson 1927, which Brown, Cai and DasGupta
    2001 recommend for small n and which has a positive width at 0 and 1. A predictive t
    probability would be smoother, but it is right for normal differences only and sensitive to
    outliers.

    Swapping A and B gives the complement: the two values sum to 1 exactly.

    Args:
        differences: shape (n,), floats; lower is better, as of a loss (negate accuracies).
        confidence: the interval's coverage, in (0, 1).

    Returns:
        The estimate: three probabilities, NaN for n = 0 and where a difference is NaN.

    Raises:
        ValueError: the differences are not one-dimensional, or the confidence is outside (0, 1).
    """
    numbers = as_vector(differences, "differences")
    check_open_fraction(confidence, "confidence")
    n = len(numbers)
    if n == 0 or np.isnan(numbers).any():
        return Estimate(math.nan, math.nan, math.nan, n)
    share = float((numbers < 0).sum() + (numbers == 0).sum() / 2) / n
    from statistics import NormalDist  # saves 5 ms of training, which has no intervals

    z = NormalDist().inv_cdf((1 + confidence) / 2)
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # Rounding can leave an end on the wrong side of a share of 0 or 1.
    low = min(max(centre - half, 0.0), share)
    high = max(min(centre + half, 1.0), share)
    return Estimate(share, low, high, n)
