"""Bounds that hold at every sample size: what the audit measures against."""

import math


def binomial_tail_bound(dropped: int, units: int, p: float) -> float:
    """An upper bound on the probability of a count at least this far from units · p.

    2 exp(−n KL(k/n ‖ p)), both tails: Hoeffding 1963, theorem 1, known as Chernoff's bound.

    Args:
        dropped: the count k, from 0 to ``units``.
        units: how many independent Bernoulli(p) were drawn, at least 1.
        p: their probability, in [0, 1].

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


def bernstein_bound(p: float, units: int, false_alarm: float) -> float:
    """Deviation of the mean of n independent m/(1−p), m ~ Bernoulli(1−p), from 1.

    Bernstein's inequality (Boucheron, Lugosi and Massart 2013, corollary 2.11), solved for the
    deviation; and room for rounding in float32.

    Args:
        p: the drop probability, in [0, 1).
        units: n, at least 1.
        false_alarm: the probability with which a larger deviation is allowed, in (0, 1).

    Returns:
        The deviation, at least 0, in units of the mean.
    """
    variance, largest = p / (1 - p), max(1.0, p / (1 - p))
    log_term = math.log(2 / false_alarm) / units
    return (
        largest * log_term / 3
        + math.sqrt((largest * log_term / 3) ** 2 + 2 * variance * log_term) * (p > 0)
        + 1e-5
    )
