"""Scores of predicted probabilities: calibration error and log-likelihood."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dropexp.statistics.arguments import check_at_least

_SUM_TOLERANCE = 1e-2  # probabilities of a softmax in bfloat16 sum to 1 to three digits


def expected_calibration_error(
    probabilities: ArrayLike, labels: ArrayLike, bins: int = 15
) -> float:
    """Return the expected calibration error of Guo et al. 2017, equation 3.

    The confidence of a prediction is the probability of its predicted class. Predictions are put
    into bins of equal width by confidence; the error is the mean of |accuracy − mean confidence|
    over bins, weighted by their size. A bin holds its upper edge, not its lower one. Of equally
    probable classes the first is predicted. With few examples the estimate is biased upwards.

    Args:
        probabilities: shape (N, K), floats in [0, 1]; rows sum to 1.
        labels: shape (N,), integers in [0, K).
        bins: the number of bins, at least 1.

    Returns:
        A number in [0, 1]; 0 is perfectly calibrated. NaN for N = 0.

    Raises:
        ValueError: a shape or a value is not as described.
    """
    table, classes = _check_distributions(probabilities, labels)
    check_at_least(bins, 1, "bins")
    if len(table) == 0:
        return math.nan
    confidence = np.minimum(table.max(axis=1), 1.0)
    upper_edges = np.arange(1, bins + 1) / bins
    places = np.searchsorted(upper_edges, confidence, side="left")
    # |B|/N · |acc(B) − conf(B)| is |sum over B of (correct − confidence)|/N.
    excess = (table.argmax(axis=1) == classes) - confidence
    return float(np.abs(np.bincount(places, weights=excess)).sum()) / len(table)


def negative_log_likelihood(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Return the mean of −log(probability of the label), the cross-entropy.

    Args:
        probabilities: shape (N, K), floats in [0, 1]; rows sum to 1.
        labels: shape (N,), integers in [0, K).

    Returns:
        Nats, at least 0; infinite where a label has probability 0. NaN for N = 0.

    Raises:
        ValueError: a shape or a value is not as described.
    """
    table, classes = _check_distributions(probabilities, labels)
    if len(table) == 0:
        return math.nan
    label_probability = np.minimum(table[np.arange(len(table)), classes], 1.0)
    with np.errstate(divide="ignore"):
        return float(np.abs(np.log(label_probability)).mean())


def _check_distributions(
    probabilities: ArrayLike, labels: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return probabilities (N, K) and labels (N,) as arrays, checked.

    Raises:
        ValueError: a shape or a value is not allowed.
    """
    table = np.asarray(probabilities, dtype=np.float64)
    given = np.asarray(labels)
    if table.ndim != 2 or given.shape != table.shape[:1]:
        raise ValueError(f"shapes {table.shape} and {given.shape}; allowed: (N, K) and (N,)")
    if len(table) == 0:
        return table, np.zeros(0, dtype=np.int64)
    if not np.issubdtype(given.dtype, np.integer):
        raise ValueError(f"labels are {given.dtype}; allowed: integers")
    if given.min() < 0 or given.max() >= table.shape[1]:
        raise ValueError(f"a label is outside [0, {table.shape[1]})")
    is_off = np.abs(table.sum(axis=1) - 1) > _SUM_TOLERANCE
    if not (table >= 0).all() or is_off.any():  # NaN is not at least 0
        raise ValueError(
            "a row is not a distribution; allowed: numbers of at least 0 that sum to 1"
        )
    return table, given.astype(np.int64)
