"""How many pairs a test needs to show a difference."""

import math
from bisect import bisect_left

import numpy as np
from numpy.typing import ArrayLike

from dropexp.statistics.intervals import as_vector
from dropexp.statistics.sign_flip import smallest_sign_flip_p
from dropexp.statistics.student_t import t_quantile

_MOST_NODES = 500


def pairs_needed(
    differences: ArrayLike,
    alpha: float = 0.05,
    power: float = 0.8,
    comparisons: int = 1,
    cap: int = 10_000,
) -> int | None:
    """Return how many pairs in total would show a difference of this size with this power.

    The number is the smallest n for which a two-sided paired t test at level alpha/comparisons
    (Holm's first step) has the power if mean and standard deviation are the observed ones, and
    with which the smallest sign-flip p-value is within that level. The observed effect is
    uncertain, the more so the fewer pairs there are: read the number as an order of magnitude.

    Args:
        differences: shape (n,), floats in any unit: one for each pair.
        alpha: the level, in (0, 1).
        power: the probability of showing the difference, in (0, 1).
        comparisons: how many rows the table tests, at least 1.
        cap: the largest answer, at least 2.

    Returns:
        The total number of pairs, at least n; None where the mean difference is 0, where fewer
        than two differences or one that is not finite leave its spread unknown, or where the
        number exceeds ``cap``.

    Raises:
        ValueError: the differences are not one-dimensional, or a number is out of its range.
    """
    numbers = as_vector(differences, "differences")
    _check(alpha, power, comparisons)
    if len(numbers) < 2 or not np.isfinite(numbers).all():
        return None
    with np.errstate(over="ignore", invalid="ignore"):  # of differences beyond 1e154
        mean, spread = abs(float(numbers.mean())), float(numbers.std(ddof=1))
    least = max(len(numbers), _least_pairs(alpha, comparisons))
    if mean == 0 or not math.isfinite(mean + spread) or least > cap:
        return None
    if spread == 0:
        return least
    return _smallest(mean / spread, alpha / comparisons, power, least, cap)


def t_test_power(effect: float, pairs: int, alpha: float = 0.05) -> float:
    """Return the power of a two-sided paired t test (Cohen 1988, section 2.3).

    With δ = effect · √n and S² ~ χ²/df: the mean over S of Φ(δ − t·S) + Φ(−δ − t·S), t the
    critical value: the noncentral t distribution, integrated over log S by the trapezoidal rule,
    whose error falls exponentially for an integrand that vanishes smoothly at both ends. Right to
    1e-9 where t is below about 50, which it is wherever the sign-flip test can come below alpha.

    Args:
        effect: the mean difference in standard deviations of the differences, at least 0.
        pairs: n, at least 2.
        alpha: the level, in (0, 1).

    Returns:
        A probability.

    Raises:
        ValueError: fewer than two pairs, or alpha outside (0, 1).
    """
    df = pairs - 1
    critical, shift = t_quantile(1 - alpha, df), effect * math.sqrt(pairs)
    # log S has its peak at 0, a width of about 1/√(2 df), and a long tail below.
    low, high = -2 * math.sqrt(40 / df) - 40 / df, math.sqrt(40 / df)
    # Steps well within the peak's width, and within that of where Φ rises, are close enough.
    step = 0.4 * min(1 / math.sqrt(2 * df), 1 / critical)
    log_s = np.linspace(low, high, min(math.ceil((high - low) / step), _MOST_NODES))
    weights = np.exp(df * (log_s - np.expm1(2 * log_s) / 2))
    held = weights > 1e-18  # of the peak's
    weights, log_s = weights[held] / weights.sum(), log_s[held]
    tails = [
        math.erfc((reach - shift) / math.sqrt(2)) + math.erfc((reach + shift) / math.sqrt(2))
        for reach in (critical * np.exp(log_s)).tolist()
    ]
    return float(weights @ np.array(tails)) / 2


def _least_pairs(alpha: float, comparisons: int) -> int:
    """Return the fewest pairs whose smallest sign-flip p-value is within alpha/comparisons."""
    pairs = 1
    while comparisons * smallest_sign_flip_p(pairs) > alpha:
        pairs += 1
    return max(pairs, 2)


def _smallest(effect: float, alpha: float, power: float, least: int, cap: int) -> int | None:
    """Return the smallest n in [least, cap] with this power, which rises with n; None for none."""
    from statistics import NormalDist  # saves 5 ms of training, which plans nothing

    z_alpha, z_power = NormalDist().inv_cdf(1 - alpha / 2), NormalDist().inv_cdf(power)
    # Guenther 1981's approximation is mostly right to one or two, so search around it first.
    normal = (z_alpha + z_power) / effect
    approximate = normal * normal + z_alpha**2 / 2  # infinite, where ** 2 would raise
    guess = math.ceil(min(max(approximate, least), cap))
    near = range(max(guess - 2, least), min(guess + 2, cap) + 1)
    for candidates in (near, range(least, cap + 1)):
        at = bisect_left(candidates, power, key=lambda n: t_test_power(effect, n, alpha))
        too_high = at == 0 and candidates[0] > least
        too_low = at == len(candidates) and candidates[-1] < cap
        if not too_high and not too_low:
            return candidates[at] if at < len(candidates) else None
    raise AssertionError("the whole range is neither too high nor too low")


def _check(alpha: float, power: float, comparisons: int) -> None:
    for name, value in (("alpha", alpha), ("power", power)):
        if not 0 < value < 1:
            raise ValueError(f"{name} is {value}; allowed: above 0 and below 1")
    if comparisons < 1:
        raise ValueError(f"comparisons is {comparisons}; allowed: 1 and more")
