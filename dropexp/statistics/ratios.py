"""The ratio of two means over the same seeds, with Fieller's interval."""

import math

import numpy as np
from numpy.typing import ArrayLike

from dropexp.statistics.arguments import as_vector, check_open_fraction
from dropexp.statistics.intervals import Estimate
from dropexp.statistics.student_t import t_quantile


def ratio_of_means(
    numerators: ArrayLike, denominators: ArrayLike, confidence: float = 0.95
) -> Estimate:
    """Return mean(a) / mean(b) with Fieller's interval.

    Fieller 1954, Some problems in interval estimation (J. R. Stat. Soc. B 16): the interval holds
    each ratio r for which the t test does not reject that a − r · b has a mean of 0. For pairs of
    normal values its coverage is exact.

    Args:
        numerators: a, shape (n,): one for each seed.
        denominators: b, shape (n,), of the same seeds and in the same order.
        confidence: the interval's coverage, in (0, 1).

    Returns:
        The estimate. Its ends are infinite where the t interval of mean(b) contains 0: any ratio
        may then be true. They are NaN for n = 1; all three numbers are NaN for n = 0, where a value
        is not finite, and where mean(b) is 0.

    Raises:
        ValueError: the shapes differ, or the confidence is outside (0, 1).
    """
    a, b = as_vector(numerators, "numerators"), as_vector(denominators, "denominators")
    check_open_fraction(confidence, "confidence")
    n = len(a)
    if n != len(b):
        raise ValueError(f"there are {n} numerators and {len(b)} denominators")
    is_defined = n > 0 and bool(np.isfinite(a).all() and np.isfinite(b).all()) and b.mean() != 0
    if not is_defined:
        return Estimate(math.nan, math.nan, math.nan, n)
    ratio = float(a.mean() / b.mean())
    if n == 1:
        return Estimate(ratio, math.nan, math.nan, n)
    (var_a, cov), (_, var_b) = np.cov(a, b) / n
    t2 = t_quantile(confidence, n - 1) ** 2
    # (mean a − r mean b)² = t² (var a − 2 r cov + r² var b), a quadratic in r.
    square = float(b.mean() ** 2 - t2 * var_b)
    middle = float(a.mean() * b.mean() - t2 * cov)
    constant = float(a.mean() ** 2 - t2 * var_a)
    if square <= 0:
        return Estimate(ratio, -math.inf, math.inf, n)
    half = math.sqrt(max(middle**2 - square * constant, 0.0))
    return Estimate(ratio, (middle - half) / square, (middle + half) / square, n)
