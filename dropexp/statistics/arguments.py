"""Checks of arguments that the functions of this package share."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def as_vector(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Return the values as float64 of shape (n,).

    Raises:
        ValueError: the values are not one-dimensional.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1:
        raise ValueError(f"{name} has the shape {numbers.shape}; allowed: (n,)")
    return numbers


def as_finite_vector(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Return the values as float64 of shape (n,).

    Raises:
        ValueError: the values are not one-dimensional, or one is not finite.
    """
    numbers = as_vector(values, name)
    if not np.isfinite(numbers).all():
        raise ValueError(f"one of the {name} is not finite")
    return numbers


def check_open_fraction(value: float, name: str) -> None:
    """Refuse a number that is not strictly between 0 and 1.

    Raises:
        ValueError: the number is outside (0, 1).
    """
    if not 0 < value < 1:
        raise ValueError(f"{name} is {value}; allowed: above 0 and below 1")


def check_at_least(value: int, least: int, name: str) -> None:
    """Refuse a number below its smallest allowed value.

    Raises:
        ValueError: the number is below ``least``.
    """
    if value < least:
        raise ValueError(f"{name} is {value}; allowed: {least} and more")
