"""The sign-flip test of paired differences, exact or with random signs."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dropexp.statistics.arguments import as_vector, check_at_least

if TYPE_CHECKING:
    from numpy.random import Generator  # 10 ms to import, and exact tests need none

EXACT_UP_TO = 30
"""The largest number of pairs for the exact test, which then takes milliseconds and 2 MiB."""

# Sums that are equal in exact arithmetic differ by rounding: of the subtraction that made the
# differences (1e-16 of the losses), and of the sums. A missed tie makes p too small, a false tie
# too large.
_TIE = 1e-10
_CHUNK = 1 << 18  # random signs held at a time
_ROWS = 128  # whose sums are held at a time


def sign_flip_p_value(
    differences: ArrayLike,
    generator: "Generator | None" = None,
    flips: int = 19_999,
) -> float:
    """Return the two-sided p-value of the mean paired difference under random signs.

    If A and B do not differ, a pair's difference is as likely as its negative. p is the share of
    the 2^n patterns of signs whose mean is at least as far from 0 as the observed one (Fisher
    1935, section 21). The test is exact for any distribution that is symmetric about 0. Adding a
    pair with difference 0 does not change p; sums that are equal up to rounding count as ties.

    Beyond EXACT_UP_TO pairs, ``flips`` random patterns are drawn, and p is (b + 1)/(m + 1)
    (Phipson and Smyth 2010, equation 2), which is never 0 and keeps the test's level.

    Args:
        differences: shape (n,), floats in any unit: one for each pair.
        generator: the source of random signs, needed beyond EXACT_UP_TO pairs only.
        flips: the number m of random patterns, at least 1.

    Returns:
        A probability, at least smallest_flip_p(n) for an exact test and 1/(flips + 1) for a
        random one; NaN where there is no test: for n = 0, and where a difference is not finite.

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
    if len(numbers) <= EXACT_UP_TO:
        threshold = abs(float(numbers.sum())) - _TIE * float(np.abs(numbers).sum())
        return math.ldexp(_count_all(numbers, threshold), -len(numbers))
    if generator is None:
        raise ValueError(
            f"{len(numbers)} pairs are too many for the exact test; allowed: at most "
            f"{EXACT_UP_TO}, or pass a generator"
        )
    check_at_least(flips, 1, "flips")
    return (int(_count_random(numbers[None], generator, flips)[0]) + 1) / (flips + 1)


def sign_flip_p_values(rows: Sequence[Sequence[float]], flips: int = 19_999) -> list[float]:
    """Return sign_flip_p_value of each row, with the same random signs for rows of one length.

    The signs are those of the generator numpy.random.default_rng(0), drawn once for all rows.

    Args:
        rows: differences, one sequence for each row.
        flips: see sign_flip_p_value.
    """
    p_values = [math.nan] * len(rows)
    many: dict[int, list[int]] = {}
    for place, row in enumerate(rows):
        if len(row) > EXACT_UP_TO and np.isfinite(row).all() and np.any(row):
            many.setdefault(len(row), []).append(place)
        else:
            # Without random signs: few pairs, or a row that has no test.
            p_values[place] = sign_flip_p_value(row)
    for places in many.values():
        numbers = np.array([rows[place] for place in places])
        numbers /= np.abs(numbers).max(axis=1, keepdims=True)
        hits = _count_random(numbers, np.random.default_rng(0), flips)
        for place, count in zip(places, hits.tolist(), strict=True):
            p_values[place] = (count + 1) / (flips + 1)
    return p_values


def smallest_flip_p(pairs: int) -> float:
    """Return the smallest p-value of n pairs: 2/2^n, where all differences have one sign.

    It is that of the step-down max-t test too, for any number of rows.

    Args:
        pairs: the number n of pairs, at least 0.

    Returns:
        A probability; NaN without pairs, where there is no test.

    Raises:
        ValueError: ``pairs`` is below 0.
    """
    check_at_least(pairs, 0, "pairs")
    return math.ldexp(2.0, -pairs) if pairs else math.nan


def _count_all(numbers: NDArray[np.float64], threshold: float) -> int:
    """Count the patterns of signs, of 2^n, whose sum is at least the threshold away from 0.

    A sum over all pairs is a sum over the first half plus a sum over the second half. For each
    sum of the first half, binary search counts the sorted sums of the second half that are large
    enough. This meeting in the middle (Horowitz and Sahni 1974) holds 2^(n/2) sums, not 2^n.
    """
    half = len(numbers) // 2
    first, second = _sums_over_signs(numbers[:half]), _sums_over_signs(numbers[half:])
    second.sort()
    if threshold <= 0:  # every sum counts, and some would be counted twice below
        return len(first) * len(second)
    below = int(np.searchsorted(second, threshold - first, side="left").sum())
    # Every pattern has its negative, so both tails have equally many.
    return 2 * (len(first) * len(second) - below)


def _sums_over_signs(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum under every pattern of signs, shape (2^n,)."""
    sums = np.zeros(1)
    for number in numbers:
        sums = np.concatenate((sums + number, sums - number))
    return sums


def _count_random(
    rows: NDArray[np.float64], generator: "Generator", flips: int
) -> NDArray[np.intp]:
    """Count the random patterns of signs under which each row's sum is as far from 0 as it is.

    Args:
        rows: the differences, shape (rows, n).
        generator: the source of random signs.
        flips: the number of patterns.
    """
    n, totals = rows.shape[1], rows.sum(axis=1)
    thresholds = np.abs(totals) - _TIE * np.abs(rows).sum(axis=1)
    hits = np.zeros(len(rows), dtype=np.intp)
    at_a_time = max(1, _CHUNK // n)
    blocks = [slice(first, first + _ROWS) for first in range(0, len(rows), _ROWS)]
    for start in range(0, flips, at_a_time):
        kept = generator.integers(0, 2, size=(min(at_a_time, flips - start), n), dtype=np.int8)
        chosen = kept.T.astype(np.float64)
        for block in blocks:
            sums = rows[block] @ chosen
            sums *= 2
            sums -= totals[block, None]  # all but the kept ones are flipped
            is_far = np.abs(sums, out=sums) >= thresholds[block, None]
            hits[block] += np.count_nonzero(is_far, axis=1)
    return hits
