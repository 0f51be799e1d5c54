"""Corrections of p-values for the number of tests."""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from dropexp.statistics.intervals import as_vector
from dropexp.statistics.sign_flip import smallest_sign_flip_p


def holm(p_values: Iterable[float | None]) -> NDArray[np.float64]:
    """Return p-values adjusted by Holm's method, which bounds the chance of any false alarm.

    The k-th smallest of m p-values times (m − k + 1), made monotone and cut at 1 (Holm 1979).
    Rejecting what is at most alpha makes even one false rejection with probability alpha at most,
    however the tests depend on one another; rows with one baseline do.

    Args:
        p_values: m numbers in [0, 1]; NaN or None for rows without a test, which do not count.

    Returns:
        The adjusted p-values in the same order, float64 of shape (m,); NaN where there was no
        test.

    Raises:
        ValueError: a p-value is outside [0, 1].
    """
    adjusted = as_vector([math.nan if p is None else p for p in p_values], "p_values")
    tested = np.flatnonzero(~np.isnan(adjusted))
    if ((adjusted[tested] < 0) | (adjusted[tested] > 1)).any():
        raise ValueError("a p-value is outside [0, 1]")
    ordered = tested[np.argsort(adjusted[tested], kind="stable")]
    steps = adjusted[ordered] * np.arange(len(ordered), 0, -1)
    adjusted[ordered] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted


def smallest_adjusted_p(pairs: Iterable[int]) -> NDArray[np.float64]:
    """Return the smallest p-value after Holm that each row of a table can have.

    Holm's adjustment never falls when a p-value rises, so it is what Holm gives where every row
    has the smallest sign-flip p-value of its number of pairs. With n pairs in each of m rows it is
    m · 2/2^n.

    Args:
        pairs: the number of pairs of each row, at least 0.

    Returns:
        Probabilities, float64 of shape (rows,); NaN for rows without pairs.

    Raises:
        ValueError: a number of pairs is below 0.
    """
    return holm(smallest_sign_flip_p(n) for n in pairs)
