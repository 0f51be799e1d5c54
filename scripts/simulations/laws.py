"""Made-up values of runs under laws of noise, as arrays: nothing is trained.

A table is an array of shape (1 + rows, seeds): the baseline's values come first. NaN is a run that
diverged. Without an effect no setting differs from the baseline.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, int, int]], Array]

DIVERGING = 0.2
"""The share of runs that diverge under one of the laws."""


@dataclass(frozen=True)
class Law:
    """A distribution of the noise of runs.

    Attributes:
        name: in tables.
        draw: returns values of shape (tables, 1 + rows, seeds).
        probability: the probability that a setting without an effect is better with a new seed,
            ties counted half.
    """

    name: str
    draw: Draw
    probability: float = 0.5


def _draw_normal(generator: np.random.Generator, shape: tuple[int, int, int]) -> Array:
    return generator.standard_normal(shape)


def _draw_t3(generator: np.random.Generator, shape: tuple[int, int, int]) -> Array:
    return generator.standard_t(3, shape)


def _draw_lognormal(generator: np.random.Generator, shape: tuple[int, int, int]) -> Array:
    return np.exp(generator.standard_normal(shape)) - math.exp(0.5)


def _draw_unequal(generator: np.random.Generator, shape: tuple[int, int, int]) -> Array:
    """Return normal values; the spreads of the settings are 3 to 1/3 times the baseline's."""
    values = generator.standard_normal(shape)
    values[:, 1:] *= np.geomspace(3, 1 / 3, shape[1] - 1)[:, None]
    return values


def _draw_diverging(generator: np.random.Generator, shape: tuple[int, int, int]) -> Array:
    values = generator.standard_normal(shape)
    values[generator.random(shape) < DIVERGING] = math.nan
    return values


def _draw_skewed_baseline(generator: np.random.Generator, shape: tuple[int, int, int]) -> Array:
    values = generator.standard_normal(shape)
    values[:, :1] = np.exp(values[:, :1]) - math.exp(0.5)
    return values


def _skewed_probability() -> float:
    """Return P(x < b) for a standard normal x and a centred lognormal b, by an integral over b."""
    grid = np.linspace(-8, 8, 4001)
    weights = np.exp(-(grid**2) / 2)
    below = [0.5 * math.erfc(-(math.exp(z) - math.exp(0.5)) / math.sqrt(2)) for z in grid.tolist()]
    return float(np.average(below, weights=weights))


LAWS = (
    Law("normal", _draw_normal),
    Law("t with 3 degrees", _draw_t3),
    Law("lognormal", _draw_lognormal),
    Law("unequal variances", _draw_unequal),
    Law("20 % diverging", _draw_diverging),
)
SKEWED = Law("only the baseline is skewed", _draw_skewed_baseline, _skewed_probability())
"""Differences are not symmetric although their mean is 0: what both tests assume does not hold."""


def draw_normal_tables(
    generator: np.random.Generator, tables: int, effects: list[float], seeds: int
) -> Array:
    """Return normal tables with effects in standard deviations of the paired differences.

    Args:
        generator: the source of noise.
        tables: how many.
        effects: of each row; below 0 is better.
        seeds: of each row.
    """
    values = generator.standard_normal((tables, 1 + len(effects), seeds))
    values[:, 1:] += math.sqrt(2) * np.array(effects)[:, None]
    return values
