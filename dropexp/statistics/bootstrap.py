"""The bootstrap over seeds: intervals of numbers that are no means."""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dropexp.statistics.arguments import as_vector, check_at_least, check_open_fraction
from dropexp.statistics.student_t import t_quantile

if TYPE_CHECKING:
    from numpy.random import Generator  # 10 ms to import


def draw_seed_weights(seeds: int, resamples: int, generator: "Generator") -> NDArray[np.float64]:
    """Return how much each seed weighs in each resample, shape (resamples, seeds).

    A resample draws as many seeds as there are, with replacement. A seed's weight is the share of
    draws that hit it, so that ``weights @ values`` are means of resampled values. Whatever is
    multiplied by the same weights keeps its pairs.

    Raises:
        ValueError: there is no seed or no resample.
    """
    check_at_least(seeds, 1, "seeds")
    check_at_least(resamples, 1, "resamples")
    counts = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples)
    weights: NDArray[np.float64] = counts / seeds
    return weights


def expanded_percentiles(
    resampled: ArrayLike, seeds: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Return the expanded percentile interval of a resampled number (Hesterberg 2015, section 5.3).

    Percentiles of a bootstrap are too narrow for few seeds: they use n in place of n − 1, and the
    normal distribution in place of Student's. Both are corrected by percentiles further out, which
    make the interval of a mean of normal values that of the t test.

    Args:
        resampled: the number in each resample, shape (resamples,); may be infinite, not NaN.
        seeds: how many seeds were resampled, at least 2.
        confidence: the interval's nominal coverage, in (0, 1).

    Raises:
        ValueError: a number is out of its range.
    """
    numbers = as_vector(resampled, "resampled")
    check_open_fraction(confidence, "confidence")
    check_at_least(seeds, 2, "seeds")
    z = math.sqrt(seeds / (seeds - 1)) * t_quantile(confidence, seeds - 1)
    tail = math.erfc(z / math.sqrt(2)) / 2
    # Between two infinite numbers there is nothing to interpolate; outward is the safe side.
    low = float(np.quantile(numbers, tail, method="lower"))
    high = float(np.quantile(numbers, 1 - tail, method="higher"))
    return low, high
