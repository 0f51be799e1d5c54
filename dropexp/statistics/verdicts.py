"""What a table of tests says: corrected p-values, and verdicts in words."""

import math
from collections.abc import Iterable
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from dropexp.statistics.intervals import as_vector
from dropexp.statistics.sign_flip import smallest_sign_flip_p


class Verdict(StrEnum):
    """What a paired comparison with the baseline came to."""

    BETTER = "better"
    WORSE = "worse"
    NO_CLEAR_DIFFERENCE = "no clear difference"
    TOO_FEW_SEEDS = "too few seeds"


def holm(p_values: Iterable[float | None]) -> NDArray[np.float64]:
    """Holm's adjusted p-values: below alpha with at most that chance of even one false alarm.

    The k-th smallest of m p-values times (m − k + 1), made monotone and cut at 1 (Holm 1979). It
    holds however the tests depend on one another, as rows do that share a baseline.

    Args:
        p_values: m numbers in [0, 1]; NaN or None for rows without a test, which do not count.

    Returns:
        Shape (m,), float64: the adjusted p-values in the same order, NaN where there was no test.

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
    """The smallest adjusted p-value each row of a table could have had, with so many pairs.

    Holm's adjustment never falls when a p-value rises, so this is what it gives where every row
    has the smallest sign-flip p-value of its number of pairs. With n pairs in each of m rows: m ·
    2/2^n.

    Args:
        pairs: the number of pairs of each row, at least 0.

    Returns:
        Shape (rows,), float64: probabilities, NaN for rows without pairs.

    Raises:
        ValueError: a number of pairs is below 0.
    """
    return holm(smallest_sign_flip_p(n) for n in pairs)


def verdict(
    adjusted_p: float, difference: float, smallest_p: float, alpha: float = 0.05
) -> Verdict:
    """A comparison in words.

    Args:
        adjusted_p: the row's p-value after Holm, in [0, 1]; NaN where there was no test.
        difference: the row's mean paired difference; below 0 is better, as of a loss.
        smallest_p: the smallest adjusted p-value that the row could have had whatever the data,
            from smallest_adjusted_p; NaN where there was no test.
        alpha: the level, in (0, 1).

    Returns:
        ``better`` or ``worse`` where the adjusted p-value is at most alpha; ``too few seeds``
        where none that the row could have had is; ``no clear difference`` otherwise.

    Raises:
        ValueError: alpha is outside (0, 1).
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}, allowed is a number between 0 and 1")
    if not smallest_p <= alpha:  # NaN is not either
        return Verdict.TOO_FEW_SEEDS
    if adjusted_p <= alpha and difference != 0:
        return Verdict.BETTER if difference < 0 else Verdict.WORSE
    return Verdict.NO_CLEAR_DIFFERENCE


def underfits(gap_difference: float, test_loss_difference: float) -> bool:
    """Whether a smaller gap came with a worse test result: less was learnt, not better.

    It looks at means only; whether the test result is clearly worse is the verdict's to say.

    Args:
        gap_difference: the mean paired difference of the generalisation gap, in nats.
        test_loss_difference: the mean paired difference of the test loss, in nats.

    Returns:
        False where one of them is NaN.
    """
    return gap_difference < 0 < test_loss_difference
