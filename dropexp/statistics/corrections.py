"""Corrections of p-values for the number of tests."""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from dropexp.statistics.arguments import as_vector
from dropexp.statistics.sign_flip import smallest_flip_p


def holm(p_values: Iterable[float | None]) -> NDArray[np.float64]:
    """Return p-values adjusted by Holm's method, which bounds the probability of a false alarm.

    The k-th smallest of m p-values is multiplied by (m − k + 1); the results are made monotone and
    cut at 1 (Holm 1979). If rows with an adjusted p-value of at most alpha are rejected, the
    probability of any false rejection is at most alpha. This holds for dependent tests too, such
    as those of rows that share a baseline.

    Args:
        p_values: m numbers in [0, 1]; NaN or None for rows without a test, which do not count in m.

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

    Adjusted p-values rise with the p-values, so the smallest ones are Holm's adjustment of the
    smallest sign-flip p-values. With n pairs in each of m rows they are m · 2/2^n.

    Args:
        pairs: the number of pairs of each row, at least 0.

    Returns:
        Probabilities, float64 of shape (rows,); NaN for rows without pairs.

    Raises:
        ValueError: a number of pairs is below 0.
    """
    return holm(smallest_flip_p(n) for n in pairs)
