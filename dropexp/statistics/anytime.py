"""Sequential inference: p-values and intervals that hold at every look, however often one looks.

All functions take differences in the order in which their seeds were asked for.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dropexp.statistics.arguments import as_finite_vector, check_open_fraction
from dropexp.statistics.intervals import Estimate

BETS = np.array([1.0, -1.0, 2.0, -2.0, 4.0, -4.0])
"""The bets c of the mixture; a large one wins fast where all differences have one sign."""

_PRIOR_WEIGHT = 2.0
"""g of the interval: how wide the prior of the mean is, in variances of one difference."""

_BISECTIONS = 60


def symmetry_e_process(differences: ArrayLike) -> NDArray[np.float64]:
    """Return the e-process against symmetry about 0: the evidence after each difference.

    With r_i² = (1/i) Σ_{j≤i} d_j² and M_n(c) = Π_{i≤n} (1 + tanh(c · d_i/r_i)), the evidence E_n is
    the mean of M_n(c) over c ∈ {±1, ±2, ±4}. Given all |d|, the signs are fair coins under the
    hypothesis, so each M is a nonnegative martingale of mean 1, and P(E ever ≥ 1/α) ≤ α (Ville
    1939; the e-process for symmetry of de la Peña 1999 and Ramdas et al. 2020, section 5, with
    tanh in place of their exponential, which makes the factors bounded). It is the sequential
    form of the sign-flip test.

    Args:
        differences: shape (n,), floats in any unit, in the order of seeds. A 0 adds no evidence.

    Returns:
        E_1 to E_n, float64 of shape (n,), each above 0.

    Raises:
        ValueError: the differences are not one-dimensional, or one is not finite.
    """
    numbers = as_finite_vector(differences, "differences")
    # hypot, as squares could overflow or vanish
    scale = np.hypot.accumulate(np.abs(numbers)) / np.sqrt(np.arange(1, len(numbers) + 1))
    steps = np.divide(numbers, scale, out=np.zeros_like(numbers), where=scale > 0)
    # tanh rounds to −1 beyond 19; the true factor is above 0.
    factors = np.maximum(np.tanh(np.outer(BETS, steps)), -1 + np.finfo(float).eps)
    bets = np.cumsum(np.log1p(factors), axis=1)
    evidence: NDArray[np.float64] = np.exp(bets).mean(axis=0)
    return evidence


def anytime_p_value(differences: ArrayLike) -> float:
    """Return the running p-value min(1, 1/max E) of the symmetry e-process.

    It may be looked at after every seed: P(it is ever ≤ α) ≤ α under the hypothesis.

    Args:
        differences: see symmetry_e_process.

    Returns:
        A probability; NaN for no differences.
    """
    evidence = symmetry_e_process(differences)
    return min(1.0, 1.0 / float(evidence.max())) if len(evidence) else math.nan


def smallest_anytime_p(pairs: int) -> float:
    """Return a bound that the running p-value of n pairs is never below, whatever the data.

    No factor of the e-process exceeds 2, and half of the bets lose where the others win.

    Args:
        pairs: the number n of pairs, at least 0.

    Returns:
        A probability; NaN without pairs.
    """
    return min(1.0, math.ldexp(2.0, -pairs)) if pairs else math.nan


def fewest_anytime_pairs(tests: int, alpha: float = 0.05) -> int:
    """Return the fewest pairs with which one of several rows can be decided, whatever the data.

    Args:
        tests: the number of rows that the correction counts, at least 1.
        alpha: the level after the correction, in (0, 1).

    Raises:
        ValueError: alpha is outside (0, 1).
    """
    check_open_fraction(alpha, "alpha")
    pairs = 1
    while tests * smallest_anytime_p(pairs) > alpha:
        pairs += 1
    return pairs


def anytime_interval(differences: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Return the mean with an interval that covers the true mean at all looks together.

    mean ± s·√((n − 1)·K·(A − 1)/(n·(K − A))), K = 1 + n·g and A = (K/α²)^{1/n} with g = 2: the
    confidence sequence for the mean of normal values of unknown variance (Wang and Ramdas 2023,
    theorem 4.9). It is infinite while A ≥ K: with fewer than four values at 95 %.

    Args:
        differences: shape (n,), floats in any unit, in the order of seeds.
        confidence: the probability of covering at all n, in (0, 1).

    Returns:
        The estimate; its ends are infinite while there are too few values, and all three numbers
        NaN for n = 0.

    Raises:
        ValueError: the differences are not one-dimensional or not finite, or the confidence is
            outside (0, 1).
    """
    numbers = as_finite_vector(differences, "differences")
    n = len(numbers)
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan, 0)
    mean = float(numbers.mean())
    half = anytime_half_width(n, confidence)
    if not math.isfinite(half):
        return Estimate(mean, -math.inf, math.inf, n)
    half *= float(numbers.std(ddof=1))
    return Estimate(mean, mean - half, mean + half, n)


def anytime_half_width(n: int, confidence: float = 0.95) -> float:
    """Return the half-width of anytime_interval in standard deviations; infinite for few values.

    Args:
        n: the number of values, at least 1.
        confidence: in (0, 1).
    """
    check_open_fraction(confidence, "confidence")
    alpha, k = 1 - confidence, 1 + n * _PRIOR_WEIGHT
    a = (k / alpha**2) ** (1 / n)
    return math.sqrt((n - 1) * k * (a - 1) / (n * (k - a))) if a < k else math.inf


def anytime_share(wins: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return an interval for a probability that covers it at all looks together.

    It holds the probabilities q that a mixture of bets with a Beta(1/2, 1/2) prior has not refuted:
    B(w + 1/2, n − w + 1/2)/B(1/2, 1/2) < q^w (1 − q)^{n − w}/α (Robbins 1970; Ville 1939).

    Args:
        wins: the number w of wins, with ties counted half, in [0, n].
        n: the number of trials, at least 1.
        confidence: the probability of covering at all n, in (0, 1).

    Returns:
        The lower and the upper end, in [0, 1].
    """
    check_open_fraction(confidence, "confidence")
    mixture = _log_beta(wins + 0.5, n - wins + 0.5) - _log_beta(0.5, 0.5)
    limit = mixture + math.log(1 - confidence)
    share = wins / n

    def is_refuted(q: float) -> bool:
        log_likelihood = (wins * math.log(q) if wins else 0.0) + (
            (n - wins) * math.log1p(-q) if wins < n else 0.0
        )
        return log_likelihood <= limit

    def find_end(inside: float, outside: float) -> float:
        for _ in range(_BISECTIONS):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if is_refuted(middle) else (middle, outside)
        return outside

    low = find_end(share, 0.0) if wins else 0.0
    high = find_end(share, 1.0) if wins < n else 1.0
    return low, high


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
