"""Part "worth": how often the interval of a worth in training images misses the truth."""

import math
from collections.abc import Callable

import numpy as np

from dropexp.compare.learning.worth import SizeTable, measure_worths, pool_variances
from simulations.laws import Array
from simulations.text import format_share, format_table
from simulations.work import Work

SIZES = (50, 100, 150, 200, 300, 400, 550, 700)
RESAMPLES = 1_000
_SEEDS = (6, 8, 16, 32)
_AT = (150, 400)
_BLOCK, _SHARED, _OWN = 0.05, 0.06, 0.05
"""Spreads of a seed, of a seed at a size and of a run, as shares of the curve: as on digits."""
_SHARE = 0.5  # of the repetitions
_CONFIDENCE = 0.95

Curve = Callable[[Array], Array]
Cell = tuple[str, int]


def _follow_power_law(n: Array) -> Array:
    curve: Array = 0.3 + 12.0 * n**-0.75
    return curve


def _fall_to_a_level(n: Array) -> Array:
    """Return a curve that is no power law: it falls exponentially."""
    curve: Array = 0.35 + 0.7 * np.exp(-n / 120)
    return curve


def _worth_a_third(curve: Curve) -> Curve:
    """Return the curve of a regulariser that is worth a third more images at every size."""
    return lambda n: curve(n * 4 / 3)


CASES: dict[str, tuple[Curve, Curve, bool]] = {
    "no effect": (_follow_power_law, _follow_power_law, False),
    "a third more images": (_follow_power_law, _worth_a_third(_follow_power_law), False),
    "a third more, skewed noise": (_follow_power_law, _worth_a_third(_follow_power_law), True),
    "a third more, no power law": (_fall_to_a_level, _worth_a_third(_fall_to_a_level), False),
}
"""Name → the baseline's true curve, the regulariser's, and whether the noise is lognormal."""

INTRODUCTION = """\
What `dropexp learning-curve` says a regulariser is worth at 150 and at 400 training images, where
8 sizes from 50 to 700 were trained: the share, in percent, of 95 % bootstrap intervals that *miss*
the truth (nominal 5), and of those that have *both ends* within the sizes, among the tables in
which the power law is not *refused*. A seed moves both curves together, by 5 % at all sizes and by
6 % at each, and each run moves alone by 5 %. In the last case the true curves fall exponentially:
the law is wrong, and the seeds must show it."""

_HEAD = (
    "case",
    "seeds",
    *(f"{what} at {size}" for size in _AT for what in ("misses", "both ends")),
    "refused",
)


def simulate(work: Work) -> list[str]:
    """Return the part's lines of Markdown."""
    cells = [(name, seeds) for name in CASES for seeds in _SEEDS]
    found = work.simulate(simulate_cell, cells, _SHARE)
    rows = [
        [name, str(seeds), *(format_share(column) for column in found[name, seeds].T)]
        for name, seeds in cells
    ]
    return [INTRODUCTION, "", *format_table(_HEAD, rows)]


def simulate_cell(cell: Cell, generator: np.random.Generator, tables: int) -> Array:
    """Return for each table a row of _HEAD's shares as 0, 1 and, where refused, NaN."""
    name, seeds = cell
    return np.array([_simulate_table(name, seeds, generator) for _ in range(tables)])


def _simulate_table(name: str, seeds: int, generator: np.random.Generator) -> list[float]:
    baseline_curve, own_curve, is_skewed = CASES[name]
    sizes = np.array(SIZES, dtype=np.float64)
    block = _draw(generator, (seeds, 1), _BLOCK, is_skewed=is_skewed)
    shared = _draw(generator, (seeds, len(SIZES)), _SHARED, is_skewed=is_skewed)
    values = []
    for curve in (baseline_curve, own_curve):
        alone = _draw(generator, (seeds, len(SIZES)), _OWN, is_skewed=is_skewed)
        values.append(curve(sizes) * (1 + block + shared + alone))
    pooled = pool_variances([(SIZES, each) for each in values])
    variances = np.array([pooled[size] for size in SIZES])
    baseline, own = (SizeTable(sizes, each, variances) for each in values)
    weights = np.full((1, seeds), 1 / seeds)
    for table in (baseline, own):
        if table.find_misfit(table.fit(weights))[0] is not None:
            return [*[math.nan] * (2 * len(_AT)), 1.0]
    row = []
    for worth in measure_worths(own, baseline, _AT, _CONFIDENCE, RESAMPLES):
        truth = 0.0 if own_curve is baseline_curve else worth.size / 3
        row += [float(not worth.low <= truth <= worth.high), float(worth.bounds == "both")]
    return [*row, 0.0]


def _draw(
    generator: np.random.Generator, shape: tuple[int, int], spread: float, *, is_skewed: bool
) -> Array:
    """Return noise with mean 0 and a standard deviation, normal or lognormal."""
    normal = generator.standard_normal(shape)
    if not is_skewed:
        return spread * normal
    skewed = np.exp(0.8 * normal)
    mean, variance = math.exp(0.32), (math.exp(0.64) - 1) * math.exp(0.64)
    noise: Array = spread * (skewed - mean) / math.sqrt(variance)
    return noise
