"""The sign-flip test: could these paired differences be chance?"""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dropexp.statistics.intervals import as_vector

if TYPE_CHECKING:
    from numpy.random import Generator  # 10 ms to import, for those who draw

EXACT_UP_TO = 30
"""Up to this many pairs every pattern of signs is counted, in milliseconds and under 2 MiB."""

# Sums that are equal on paper differ by rounding: of the subtraction that made the differences
# (1e-16 of the losses) and of the sums. A tie missed makes p too small, one too many too large.
_TIE = 1e-10
_CHUNK = 1 << 18  # random signs held at a time


def sign_flip_p_value(
    differences: ArrayLike,
    generator: "Generator | None" = None,
    flips: int = 19_999,
) -> float:
    """The two-sided p-value of the mean paired difference under random signs.

    If A and B do not differ, a pair's difference is as likely as its negative. p is the share of
    the 2^n patterns of signs whose mean is at least as far from 0 as the observed one (Fisher
    1935, section 21). The test is exact for any distribution that is symmetric about 0. Pairs
    without a difference stay in and change nothing; sums that tie up to rounding count.

    Beyond EXACT_UP_TO pairs, ``flips`` random patterns are drawn, and p is (b + 1)/(m + 1)
    (Phipson and Smyth 2010, equation 2), which is never 0 and keeps the test's level.

    Args:
        differences: shape (n,), floats in any unit: one for each pair.
        generator: where random signs come from; used and needed beyond EXACT_UP_TO pairs only.
        flips: m, how many random patterns to draw, at least 1.

    Returns:
        A probability, at least smallest_sign_flip_p(n) for an exact test and 1/(flips + 1) for a
        random one; NaN for n = 0 and where a difference is not finite: then there is no test.

    Raises:
        ValueError: the differences are not one-dimensional, more than EXACT_UP_TO without a
            generator, or ``flips`` is below 1.
    """
    numbers = as_vector(differences, "differences")
    if len(numbers) == 0 or not np.isfinite(numbers).all():
        return math.nan
    largest = float(np.abs(numbers).max())
    if largest == 0:
        return 1.0
    numbers = numbers / largest  # p has no unit, and sums of huge differences would overflow
    threshold = abs(float(numbers.sum())) - _TIE * float(np.abs(numbers).sum())
    if len(numbers) <= EXACT_UP_TO:
        return math.ldexp(_all_hits(numbers, threshold), -len(numbers))
    if generator is None:
        raise ValueError(f"{len(numbers)} pairs are too many to try all signs: give a generator")
    if flips < 1:
        raise ValueError(f"flips is {flips}, allowed is 1 and more")
    return (_random_hits(numbers, threshold, generator, flips) + 1) / (flips + 1)


def smallest_sign_flip_p(pairs: int) -> float:
    """The smallest p-value that so many pairs can give: 2/2^n, all differences of one sign.

    Args:
        pairs: n, at least 0.

    Returns:
        A probability; NaN for no pairs, where there is no test.

    Raises:
        ValueError: ``pairs`` is below 0.
    """
    if pairs < 0:
        raise ValueError(f"{pairs} pairs, allowed is 0 and more")
    return math.ldexp(2.0, -pairs) if pairs else math.nan


def _all_hits(numbers: NDArray[np.float64], threshold: float) -> int:
    """How many of the 2^n patterns of signs have a sum at least that far from 0.

    The pairs are halved: a sum over all is one over the first half plus one over the second, and
    how many of the second's are large enough is looked up in their order (Horowitz and Sahni
    1974's meeting in the middle), so that 2^(n/2) sums are held and not 2^n.
    """
    half = len(numbers) // 2
    first, second = _sums_over_signs(numbers[:half]), _sums_over_signs(numbers[half:])
    second.sort()
    if threshold <= 0:  # every sum reaches it, and some would be counted at both ends
        return len(first) * len(second)
    below = int(np.searchsorted(second, threshold - first, side="left").sum())
    # Each pattern has its negative: as many sums are at most −threshold as are at least it.
    return 2 * (len(first) * len(second) - below)


def _sums_over_signs(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shape (2^n,): the sum under every pattern of signs."""
    sums = np.zeros(1)
    for number in numbers:
        sums = np.concatenate((sums + number, sums - number))
    return sums


def _random_hits(
    numbers: NDArray[np.float64], threshold: float, generator: "Generator", flips: int
) -> int:
    """How many of so many random patterns have a sum at least that far from 0."""
    n, hits = len(numbers), 0
    total = numbers.sum()
    at_a_time = max(1, _CHUNK // n)
    for start in range(0, flips, at_a_time):
        kept = generator.integers(0, 2, size=(min(at_a_time, flips - start), n), dtype=np.int8)
        sums = 2 * (kept @ numbers) - total  # what is not kept is flipped
        hits += int((np.abs(sums) >= threshold).sum())
    return hits
