"""Bounds that hold at every sample size: what the audit measures against."""

import math


def binomial_tail_bound(dropped: float, units: int, p: float) -> float:
    """An upper bound on the probability of a count at least this far from units · p.

    2 exp(−n KL(k/n ‖ p)), both tails: Hoeffding 1963, theorem 1, known as Chernoff's bound. It
    holds for the sum of any independent variables in [0, 1] with mean p.

    Args:
        dropped: the count or sum k, from 0 to ``units``.
        units: how many independent variables it is the sum of, at least 1.
        p: their mean, in [0, 1].

    Returns:
        A probability, in [0, 1].
    """
    rate = dropped / units
    if p in (0.0, 1.0):
        return float(rate == p)
    divergence = 0.0
    for observed, expected in ((rate, p), (1 - rate, 1 - p)):
        if observed > 0:
            divergence += observed * math.log(observed / expected)
    return min(1.0, 2 * math.exp(-units * divergence))


def bernstein_bound(variance: float, largest: float, units: int, false_alarm: float) -> float:
    """How far the mean of n independent variables may be from its expectation.

    Bernstein's inequality (Boucheron, Lugosi and Massart 2013, corollary 2.11), solved for the
    deviation.

    Args:
        variance: of each variable, or more.
        largest: deviation of a variable from its expectation, or more.
        units: n, at least 1.
        false_alarm: the probability with which a larger deviation is allowed, in (0, 1).

    Returns:
        The deviation, at least 0.
    """
    if variance == 0:
        return 0.0
    log_term = math.log(2 / false_alarm) / units
    linear = largest * log_term / 3
    return linear + math.sqrt(linear**2 + 2 * variance * log_term)


def normal_variance_bound(found: float, variance: float, units: int) -> float:
    """An upper bound on the probability of a mean square at least this far from the variance.

    2 exp(−n/2 (r − 1 − ln r)) with r = found / variance, both tails: Chernoff's bound for χ².

    Args:
        found: mean of the squares of n independent N(0, variance), at least 0.
        variance: at least 0.
        units: n, at least 1.

    Returns:
        A probability, in [0, 1].
    """
    if variance == 0 or found == 0:
        return float(found == variance)
    ratio = found / variance
    return min(1.0, 2 * math.exp(-units / 2 * (ratio - 1 - math.log(ratio))))
