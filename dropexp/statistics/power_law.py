"""Power laws y = a + b · n^(−c), as learning curves follow them, fitted to many curves at once."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dropexp.statistics.arguments import as_finite_vector

Array = NDArray[np.float64]

FEWEST_SIZES = 4
"""The fewest sizes whose means can contradict a law of three parameters."""

_EXPONENTS = np.geomspace(0.02, 4.0, 40)
"""Where the exponent is searched; below the first one a power law is a logarithm."""
_GOLDEN = (math.sqrt(5) - 1) / 2
_STEPS = 30  # of the golden section, each of which shortens its bracket to 0.62 of it


@dataclass(frozen=True, slots=True)
class PowerLaws:
    """Power laws y = a + b · n^(−c) with a and b of at least 0: y falls with n, or is constant.

    Attributes:
        a: the limit for n → ∞, in y's unit; shape (laws,).
        b: the height of the falling part at n = 1, in y's unit; shape (laws,).
        c: the exponent, from 0.02 to 4; shape (laws,).
    """

    a: Array
    b: Array
    c: Array

    def evaluate(self, n: ArrayLike) -> Array:
        """Return y at each n, shape (laws, len(n))."""
        sizes = np.asarray(n, dtype=np.float64)
        powers: Array = sizes[None] ** -self.c[:, None]
        return self.a[:, None] + self.b[:, None] * powers

    def invert(self, y: ArrayLike) -> Array:
        """Return the n at which each law reaches its y, shape (laws,).

        It is infinite where y is at most the law's limit, and 0 where a constant law is below y.

        Args:
            y: shape (laws,), in y's unit.
        """
        above = np.asarray(y, dtype=np.float64) - self.a
        n = np.where(above > 0, 0.0, math.inf)
        is_inside = (above > 0) & (self.b > 0)
        logs = np.log(above[is_inside] / self.b[is_inside]) / -self.c[is_inside]
        n[is_inside] = np.exp(np.minimum(logs, 700.0))  # exp(700) is the largest power
        return n

    def __getitem__(self, place: int) -> Self:
        """Return one of the laws."""
        chosen = slice(place, place + 1)
        return type(self)(self.a[chosen], self.b[chosen], self.c[chosen])


def fit_power_laws(sizes: ArrayLike, curves: ArrayLike, weights: ArrayLike) -> PowerLaws:
    """Fit a power law to each curve by weighted least squares.

    For a given exponent the best a and b have a closed form, so that only the exponent is searched:
    variable projection (Golub and Pereyra 1973). It takes a hundredth of the time of a general
    solver, which is what a bootstrap needs; tests compare it with scipy's.

    Args:
        sizes: shape (sizes,), at least FEWEST_SIZES different numbers above 0.
        curves: shape (laws, sizes), finite; each curve's y at the sizes.
        weights: shape (sizes,), positive: one over the variance of y at each size.

    Returns:
        The law of each curve.

    Raises:
        ValueError: a shape or a number is not as described.
    """
    n = as_finite_vector(sizes, "sizes")
    w = as_finite_vector(weights, "weights")
    y = np.asarray(curves, dtype=np.float64)
    if y.ndim != 2 or y.shape[1:] != n.shape or w.shape != n.shape:
        raise ValueError(f"curves has the shape {y.shape}; allowed: (laws, {len(n)})")
    if len(set(n.tolist())) < FEWEST_SIZES or n.min() <= 0 or w.min() <= 0:
        raise ValueError(f"sizes and weights must be positive, with {FEWEST_SIZES} sizes or more")
    middle = float(np.exp(np.log(n).mean()))
    problem = _Projection(np.log(n / middle), y, w / w.sum())
    c = problem.search()
    a, b, _ = problem.solve(c)
    return PowerLaws(a, b * middle**c, c)


@dataclass(frozen=True, slots=True)
class _Projection:
    """The least-squares problem with the exponent as its only unknown.

    Attributes:
        logs: logarithms of the sizes; shape (sizes,).
        y: shape (laws, sizes).
        w: weights with the sum 1; shape (sizes,).
    """

    logs: Array
    y: Array
    w: Array

    def solve(self, c: Array) -> tuple[Array, Array, Array]:
        """Return the best a and b of at least 0 for exponents c, and the loss; shapes (laws,)."""
        x = np.exp(-c[:, None] * self.logs)
        mean_x, mean_y = x @ self.w, self.y @ self.w
        centred_x, centred_y = x - mean_x[:, None], self.y - mean_y[:, None]
        b = (centred_x * centred_y) @ self.w / (centred_x**2 @ self.w)
        a = mean_y - b * mean_x
        through_zero = (x * self.y) @ self.w / (x**2 @ self.w)
        is_below, is_rising = a < 0, b < 0
        a, b = np.where(is_below, 0.0, a), np.where(is_below, np.maximum(through_zero, 0.0), b)
        a, b = np.where(is_rising, np.maximum(mean_y, 0.0), a), np.where(is_rising, 0.0, b)
        loss = (self.y - a[:, None] - b[:, None] * x) ** 2 @ self.w
        return a, b, loss

    def search(self) -> Array:
        """Return the exponent with the lowest loss of each law, shape (laws,)."""
        laws = len(self.y)
        losses = np.stack([self.solve(np.full(laws, c))[2] for c in _EXPONENTS])
        best = losses.argmin(axis=0)
        low = np.log(_EXPONENTS[np.maximum(best - 1, 0)])
        high = np.log(_EXPONENTS[np.minimum(best + 1, len(_EXPONENTS) - 1)])
        for _ in range(_STEPS):  # golden section (Kiefer 1953), with both inner points anew
            left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
            is_left = self.solve(np.exp(left))[2] < self.solve(np.exp(right))[2]
            low, high = np.where(is_left, low, left), np.where(is_left, right, high)
        found: Array = np.exp((low + high) / 2)
        return found
