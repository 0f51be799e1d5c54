"""Forgetting events: how often a network loses a training example that it had learned.

Toneva et al. 2019, "An empirical study of example forgetting during deep neural network learning",
section 3. There an example is looked at whenever it is in a training batch; here after every epoch.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False, slots=True)
class Forgetting:
    """What became of each of N training examples.

    Attributes:
        events: int64 (N,), the epochs t at which an example was right at t and wrong at t + 1.
        learned_at: int64 (N,), the first epoch, from 1, at which it was right; 0 for never.
        is_fitted: bool (N,), whether it was right at the last epoch.
    """

    events: NDArray[np.int64]
    learned_at: NDArray[np.int64]
    is_fitted: NDArray[np.bool_]

    @property
    def is_learned(self) -> NDArray[np.bool_]:
        """Bool (N,), whether each example was right at any epoch."""
        return self.learned_at > 0

    @property
    def scores(self) -> NDArray[np.float64]:
        """The order of forgetting, float64 (N,): the events, plus a fraction that breaks ties.

        Of examples with equally many events, the one that was learned later counts as the more
        forgotten one: counts are small, so many are equal, and the paper leaves their order open.
        Examples that were never learned are infinite, so they rank as the most forgotten ones
        (section 3 of the paper).
        """
        later = self.learned_at / (self.learned_at + 1.0)  # rises with the epoch, below 1
        return np.where(self.is_learned, self.events + later, math.inf)


def count_forgetting(is_fitted: ArrayLike) -> Forgetting:
    """Count the forgetting events of each example.

    Args:
        is_fitted: bool of shape (epochs, N), at least one epoch: whether the network predicts the
            label of each example after each epoch.

    Raises:
        ValueError: the shape is another one.
    """
    fitted = np.asarray(is_fitted, dtype=np.bool_)
    if fitted.ndim != 2 or not len(fitted):
        raise ValueError(f"is_fitted has the shape {fitted.shape}; allowed: (epochs, N)")
    return Forgetting(
        events=(fitted[:-1] & ~fitted[1:]).sum(axis=0, dtype=np.int64),
        learned_at=np.where(fitted.any(axis=0), fitted.argmax(axis=0) + 1, 0).astype(np.int64),
        is_fitted=fitted[-1],
    )


def precision_at_top(scores: ArrayLike, is_positive: ArrayLike, k: int | None = None) -> float:
    """Return the share of positives among the k examples with the highest scores.

    Where examples with equal scores compete for the last places, it is the mean over all orders of
    them: scores that say nothing get the share of positives among all examples.

    Args:
        scores: (N,); infinite ones are allowed, NaN is not.
        is_positive: bool (N,).
        k: from 1 to N; None for the number of positives, with which precision and recall are equal.

    Returns:
        A fraction in [0, 1]; NaN if k is None and no example is positive.

    Raises:
        ValueError: the shapes differ, or k is not allowed.
    """
    values, positive = np.asarray(scores, dtype=np.float64), np.asarray(is_positive, dtype=bool)
    if values.ndim != 1 or values.shape != positive.shape:
        raise ValueError(f"scores {values.shape} and is_positive {positive.shape} must be (N,)")
    if k is None:
        k = int(positive.sum())
        if not k:
            return math.nan
    if not 1 <= k <= len(values):
        raise ValueError(f"k is {k}; allowed: from 1 to {len(values)}")
    threshold = np.partition(values, len(values) - k)[len(values) - k]
    above, tied = values > threshold, values == threshold
    places_left = k - int(above.sum())
    return float((positive[above].sum() + places_left * positive[tied].mean()) / k)
