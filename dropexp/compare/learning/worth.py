"""Power laws with a bootstrap over seeds, and what a regulariser is worth in training images."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dropexp.compare.learning.misfit import find_misfit
from dropexp.compare.learning.results import Band, Law, Worth
from dropexp.statistics import (
    Estimate,
    PowerLaws,
    draw_seed_weights,
    expanded_percentiles,
    fit_power_laws,
)

RESAMPLES = 4_000
"""Resamples of a bootstrap: at 6 seeds the end of an interval is the tenth value from outside."""

FEWEST_SEEDS = 6
"""The fewest seeds for an interval; with fewer, most resamples are alike."""

_BAND_POINTS = 40

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SizeTable:
    """The results of one curve.

    Attributes:
        sizes: training images, ascending; shape (sizes,).
        values: shape (seeds, sizes), in a unit in which lower is better.
        variances: of one seed's value at each size, shape (sizes,); the weights of a fit.
    """

    sizes: Array
    values: Array
    variances: Array

    def fit(self, seed_weights: Array) -> PowerLaws:
        """Return the law of each resample of seeds.

        Args:
            seed_weights: shape (resamples, seeds), each row with the sum 1.
        """
        return fit_power_laws(self.sizes, seed_weights @ self.values, 1 / self.variances)

    def find_misfit(self, law: PowerLaws) -> tuple[int | None, float]:
        """Return where a law of the means does not fit, and by how much; None and 0 if it does."""
        return find_misfit(self.sizes, self.values, 1 / self.variances, law)


def pool_variances(tables: Sequence[tuple[Sequence[int], Array]]) -> Mapping[int, float]:
    """Return size → the variance of a seed's value there, the mean over curves.

    One curve's own variances are too uncertain to be weights. A variance of 0 gets a small one.

    Args:
        tables: sizes and values, shape (seeds, sizes), of each curve with two seeds or more.
    """
    found: dict[int, list[float]] = {}
    for sizes, values in tables:
        for size, variance in zip(sizes, values.var(axis=0, ddof=1).tolist(), strict=True):
            found.setdefault(size, []).append(variance)
    pooled = {size: sum(each) / len(each) for size, each in found.items()}
    least = 1e-6 * max(pooled.values(), default=0.0) or 1.0
    return {size: max(variance, least) for size, variance in pooled.items()}


def resample(seeds: int, resamples: int = RESAMPLES) -> Array:
    """Return seed weights, the plain mean first and then the resamples of a bootstrap.

    The random numbers are always the same, so that a table is, too. Curves with the same seeds get
    the same resamples, which keeps their pairs.
    """
    drawn = draw_seed_weights(seeds, resamples, np.random.default_rng(0))
    return np.concatenate([np.full((1, seeds), 1 / seeds), drawn])


def describe_law(table: SizeTable, confidence: float) -> tuple[Law, Band]:
    """Return the law of a curve with at least two seeds, and its band."""
    seeds = len(table.values)
    has_interval = seeds >= FEWEST_SEEDS
    laws = table.fit(resample(seeds, RESAMPLES if has_interval else 1))
    grid = np.geomspace(table.sizes[0], table.sizes[-1], _BAND_POINTS)
    on_grid = laws.evaluate(grid)
    fitted = on_grid[0]
    low = high = np.full(len(grid), math.nan)
    c = Estimate(float(laws.c[0]), math.nan, math.nan, seeds)
    if has_interval:
        ends = [expanded_percentiles(column, seeds, confidence) for column in on_grid[1:].T]
        low, high = np.array(ends).T
        c = Estimate(c.value, *expanded_percentiles(laws.c[1:], seeds, confidence), seeds)
    misfit, miss = table.find_misfit(laws[0])
    law = Law(float(laws.a[0]), float(laws.b[0]), c, misfit, miss)
    return law, Band(grid, fitted, low, high)


def measure_worths(
    own: SizeTable,
    baseline: SizeTable,
    sizes: Sequence[int],
    confidence: float,
    resamples: int = RESAMPLES,
) -> list[Worth]:
    """Return what a setting is worth at each size, in images of its baseline.

    Both curves are smoothed by their laws. Seeds are resampled for both together, so that what a
    seed does to both cancels. Sizes that the baseline was not trained on count as infinite: the law
    is not extrapolated.

    Args:
        own: the results of the setting.
        baseline: those of its baseline, with the same seeds, at least FEWEST_SEEDS.
        sizes: training images, within the sizes of the setting.
        confidence: the interval's nominal coverage, in (0, 1).
        resamples: of the bootstrap.
    """
    seeds = len(own.values)
    weights = resample(seeds, resamples)
    of_setting = own.fit(weights).evaluate(np.array(sizes, dtype=np.float64))
    laws = baseline.fit(weights)
    smallest, largest = float(baseline.sizes[0]), float(baseline.sizes[-1])
    worths = []
    for place, size in enumerate(sizes):
        reached = laws.invert(of_setting[:, place])
        # A law that equals its baseline's at an end of the sizes misses it by rounding.
        reached[np.isclose(reached, smallest, rtol=1e-9)] = smallest
        reached[np.isclose(reached, largest, rtol=1e-9)] = largest
        worth = np.where(reached > largest, math.inf, reached - size)
        worth[reached < smallest] = -math.inf
        low, high = expanded_percentiles(worth[1:], seeds, confidence)
        worths.append(Worth(size, float(worth[0]), low, high, smallest - size, largest - size))
    return worths
