"""The interpolation threshold: the size of a network from which on it fits its training labels.

Around it the test error can rise and fall again (Belkin et al. 2019; Nakkiran et al. 2020).
"""

from collections.abc import Mapping

FITTED_ERROR = 0.01
"""The training labels are fitted where at most this fraction of them is wrong."""


def is_fitted(training_error: float) -> bool:
    """Return whether the training labels are fitted; not where the error, in [0, 1], is NaN."""
    return training_error <= FITTED_ERROR


def find_threshold(training_errors: Mapping[float, float]) -> float | None:
    """Return the smallest size from which on the labels are fitted; None where the largest is not.

    Args:
        training_errors: size → the mean training error against the labels trained on, in [0, 1].
    """
    threshold = None
    for size in sorted(training_errors, reverse=True):
        if not is_fitted(training_errors[size]):
            break
        threshold = size
    return threshold
