"""Bounds on random deviations that hold at every sample size. The audit uses them."""

import math


def binomial_tail_bound(total: float, units: int, p: float) -> float:
    """Return an upper bound on the probability of a sum at least this far from units · p.

    The bound is 2 exp(−n KL(k/n ‖ p)), for both tails together: Hoeffding 1963, theorem 1, known
    as Chernoff's bound. It holds for independent variables in [0, 1] of any distribution with
    mean p.

    Args:
        total: the sum k, from 0 to ``units``.
        units: the number n of independent variables, at least 1.
        p: their mean, in [0, 1].

    Returns:
        A probability, in [0, 1].
    """
    rate = total / units
    if p in (0.0, 1.0):
        return float(rate == p)
    divergence = 0.0
    for observed, expected in ((rate, p), (1 - rate, 1 - p)):
        if observed > 0:
            divergence += observed * math.log(observed / expected)
    return min(1.0, 2 * math.exp(-units * divergence))


def bernstein_bound(variance: float, largest: float, units: int, false_alarm: float) -> float:
    """Return a deviation of a mean from its expectation that is exceeded only rarely.

    Bernstein's inequality (Boucheron, Lugosi and Massart 2013, corollary 2.11), solved for the
    deviation.

    Args:
        variance: an upper bound on the variance of each variable, at least 0.
        largest: an upper bound on the deviation of a variable from its expectation, at least 0.
        units: the number n of variables, at least 1.
        false_alarm: an upper bound on the probability of a larger deviation, in (0, 1).

    Returns:
        The deviation, at least 0.
    """
    if variance == 0:
        return 0.0
    log_term = math.log(2 / false_alarm) / units
    linear = largest * log_term / 3
    return linear + math.sqrt(linear**2 + 2 * variance * log_term)


def normal_variance_bound(mean_square: float, variance: float, units: int) -> float:
    """Return an upper bound on the probability of a mean square this far from the variance.

    The bound is 2 exp(−n/2 (r − 1 − ln r)) with r = mean_square / variance, for both tails
    together: Chernoff's bound for χ².

    Args:
        mean_square: the mean square of n independent normal variables with mean 0, at least 0.
        variance: of these variables, at least 0.
        units: the number n of variables, at least 1.

    Returns:
        A probability, in [0, 1].
    """
    if variance == 0 or mean_square == 0:
        return float(mean_square == variance)
    ratio = mean_square / variance
    return min(1.0, 2 * math.exp(-units / 2 * (ratio - 1 - math.log(ratio))))
