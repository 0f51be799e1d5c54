"""Part "coverage": how often each interval misses the truth, at one look and at all looks."""

import math
from functools import cache

import numpy as np

from dropexp.statistics import anytime_half_width, anytime_share, mean_interval
from dropexp.statistics.intervals import probability_of_improvement
from simulations.alarms import find_law
from simulations.laws import LAWS, SKEWED, Array, draw_normal_tables
from simulations.replay import score_planned
from simulations.text import format_share, format_table
from simulations.work import Work

MOST = 64
EFFECT = "normal, 1 SD worse"
_LOOKS = (6, 8, 10)
_HEAD = (
    "noise",
    *(f"t, {n} seeds" for n in _LOOKS),
    "t, every look to 64",
    "anytime, every look to 64",
    *(f"share, {n} seeds" for n in _LOOKS),
    "share, every look to 64",
    "anytime share, every look to 64",
)

INTRODUCTION = """\
How often, in percent, a 95 % interval misses the truth (nominal 5), for one row. *t* and *anytime*
are the intervals of the mean difference, *share* and *anytime share* those of the probability of
being better on a new seed (Wilson's interval and the anytime one). *Every look* counts a miss at
any number of seeds. The planned test shows the intervals for one look, the anytime test the other
two; t and Wilson's at every look are shown as what goes wrong. A share of 6, 8 or 10 pairs
has few values, so its interval cannot miss in exactly 5 %."""


def simulate(work: Work) -> list[str]:
    """Return the part's lines of Markdown."""
    names = [*(law.name for law in LAWS), EFFECT, SKEWED.name]
    misses = work.simulate(simulate_cell, names)
    rows = [[name, *(format_share(column) for column in misses[name].T)] for name in names]
    return [INTRODUCTION, "", *format_table(_HEAD, rows)]


def simulate_cell(name: str, generator: np.random.Generator, tables: int) -> Array:
    """Return misses of a cell, shape (tables, columns)."""
    if name == EFFECT:
        truth, probability = math.sqrt(2), 0.5 * math.erfc(1 / math.sqrt(2))
        values = draw_normal_tables(generator, tables, [1.0], MOST)
    else:
        law = find_law(name)
        truth, probability = 0.0, law.probability
        values = law.draw(generator, (tables, 2, MOST))
    return np.array([_find_misses(table, truth, probability) for table in values], dtype=float)


def _find_misses(values: Array, truth: float, probability: float) -> list[float]:
    wins, pairs = _count_wins(values)
    differences = (values[1] - values[0])[: len(values[0])]
    planned = [_misses_mean(differences[:n], truth) for n in range(2, MOST + 1)]
    shares = [not _covers(_wilson(w, n), probability) for w, n in zip(wins, pairs, strict=True)]
    anytime = [
        not _covers(_anytime_share(w, n), probability) for w, n in zip(wins, pairs, strict=True)
    ]
    return [
        *(planned[n - 2] for n in _LOOKS),
        any(planned),
        _misses_anytime(differences, truth),
        *(shares[n - 1] for n in _LOOKS),
        any(shares),
        any(anytime),
    ]


def _count_wins(values: Array) -> tuple[list[float], list[int]]:
    """Return after each pair how many pairs are better, with ties counted half, and how many."""
    scores = score_planned(values)[0]
    wins = np.cumsum((scores < 0) + (scores == 0) / 2)
    return wins.tolist(), list(range(1, len(scores) + 1))


def _covers(interval: tuple[float, float], truth: float) -> bool:
    return interval[0] <= truth <= interval[1]


def _misses_mean(differences: Array, truth: float) -> bool:
    known = differences[~np.isnan(differences)]
    if len(known) < 2:
        return False
    estimate = mean_interval(known)
    return not _covers((estimate.low, estimate.high), truth)


def _misses_anytime(differences: Array, truth: float) -> bool:
    """Return whether anytime_interval misses after any number of differences."""
    known = differences[~np.isnan(differences)]
    counts = np.arange(1, len(known) + 1)
    means = np.cumsum(known) / counts
    squares = np.cumsum((known - known.mean()) ** 2)
    centred = np.maximum(squares - counts * (means - known.mean()) ** 2, 0)
    spreads = np.sqrt(centred / np.maximum(counts - 1, 1))
    halves = np.array([_half_width(int(n)) for n in counts])
    is_known = np.isfinite(halves)
    away = np.abs(means - truth)[is_known]
    return bool((away > (spreads * np.where(is_known, halves, 0.0))[is_known]).any())


@cache
def _half_width(n: int) -> float:
    return anytime_half_width(n)


@cache
def _anytime_share(wins: float, n: int) -> tuple[float, float]:
    return anytime_share(wins, n)


@cache
def _wilson(wins: float, n: int) -> tuple[float, float]:
    whole = int(wins)
    ties = round(2 * (wins - whole))
    scores = [-1.0] * whole + [0.0] * ties + [1.0] * (n - whole - ties)
    estimate = probability_of_improvement(scores)
    return estimate.low, estimate.high
