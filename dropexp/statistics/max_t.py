"""The step-down max-t test: all rows of a table at once, under joint flips of signs."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dropexp.statistics.arguments import check_at_least

if TYPE_CHECKING:
    from numpy.random import Generator  # 10 ms to import, and exact tests need none

ALL_FLIPS_UP_TO = 16
"""The largest number of seeds for which all patterns of signs are tried: 32,768 of them."""

_TIE = 1e-9  # statistics that are equal in exact arithmetic differ by rounding
_CELLS = 1 << 19  # flipped statistics held at a time: 4 MiB


def step_down_max_t(
    differences: ArrayLike,
    generator: "Generator | None" = None,
    flips: int = 19_999,
) -> NDArray[np.float64]:
    """Return the adjusted p-value of every row under joint sign flips of its seeds.

    Rows share seeds and often a baseline. If no setting differs from its baseline, the
    differences of one seed, of all rows together, are as likely as their negatives. So one pattern
    of signs flips the seeds of all rows jointly, and keeps their dependence. A row's statistic is
    |T|, T = mean/(sd/√n). Its p-value is the share of patterns in which the largest statistic of
    the rows that are not more extreme reaches the row's own, made monotone (Westfall and Young
    1993, algorithm 4.1; Romano and Wolf 2005, section 3). The smallest possible p-value is 2/2^n,
    whatever the number of rows; with Holm's correction it is m · 2/2^n.

    Up to ALL_FLIPS_UP_TO seeds all patterns are tried. Beyond, ``flips`` patterns are drawn, and p
    is (b + 1)/(m + 1) (Phipson and Smyth 2010, equation 2).

    Args:
        differences: shape (rows, seeds), one difference for each row and seed, in any unit of the
            row; NaN where a row has no pair with this seed.
        generator: the source of random signs, needed beyond ALL_FLIPS_UP_TO seeds only.
        flips: the number m of random patterns, at least 1.

    Returns:
        Probabilities, float64 of shape (rows,); NaN for rows with fewer than two differences,
        which take no part in the test.

    Raises:
        ValueError: the differences are not two-dimensional, more than ALL_FLIPS_UP_TO seeds come
            without a generator, or ``flips`` is below 1.
    """
    table = np.asarray(differences, dtype=np.float64)
    if table.ndim != 2:
        raise ValueError(f"differences has {table.ndim} dimensions; allowed: 2")
    p_values = np.full(len(table), math.nan)
    counts = np.isfinite(table).sum(axis=1)
    tested = np.flatnonzero(counts >= 2)
    if not len(tested):
        return p_values
    rows, pairs = _scale_rows(table[tested]), counts[tested]
    observed = _statistics(rows.sum(axis=1), rows, pairs)
    order = np.argsort(-observed, kind="stable")
    rows, pairs, observed = rows[order], pairs[order], observed[order]
    seeds = rows.shape[1]
    is_exact = seeds <= ALL_FLIPS_UP_TO
    total = 1 << (seeds - 1) if is_exact else flips
    if not is_exact and generator is None:
        raise ValueError(
            f"{seeds} seeds are too many to try all signs; allowed: at most {ALL_FLIPS_UP_TO}, or "
            f"pass a generator"
        )
    check_at_least(flips, 1, "flips")
    patterns = _draw_signs(total, seeds, None if is_exact else generator, _CELLS // len(rows))
    reached = _count_reached(patterns, *_choose_measure(rows, pairs, observed - _TIE))
    shares = reached / total if is_exact else (reached + 1) / (total + 1)
    p_values[tested[order]] = np.maximum.accumulate(shares)
    return p_values


def _scale_rows(tested: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rows within [−1, 1], without unused seeds, and with 0 where there is no pair.

    A statistic has no unit, and squares of huge differences would overflow.
    """
    rows = np.nan_to_num(tested[:, np.isfinite(tested).any(axis=0)])
    largest = np.abs(rows).max(axis=1, keepdims=True)
    scaled: NDArray[np.float64] = rows / np.maximum(largest, np.finfo(float).tiny)
    return scaled


def _draw_signs(
    total: int, seeds: int, generator: "Generator | None", at_a_time: int
) -> Iterator[NDArray[np.float64]]:
    """Yield patterns of signs, shape (patterns, seeds), a few at a time: all, or drawn ones."""
    at_a_time = max(1, at_a_time)
    for start in range(0, total, at_a_time):
        stop = min(start + at_a_time, total)
        if generator is None:
            yield _list_signs(np.arange(start, stop), seeds)
        else:
            yield generator.choice(np.array([-1.0, 1.0]), size=(stop - start, seeds))


def _count_reached(
    patterns: Iterable[NDArray[np.float64]], measure: "Measure", thresholds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return in how many patterns the largest statistic of a row and all after it reaches its own.

    Args:
        patterns: of signs; see _draw_signs.
        measure: returns the statistics, the most extreme row first.
        thresholds: of the rows, in the unit of the measure.
    """
    reached = np.zeros(len(thresholds))
    for signs in patterns:
        statistics = measure(signs)
        # The thresholds descend: what no statistic reaches here need not be looked at.
        first = int(np.count_nonzero(thresholds > statistics.max()))
        # The largest statistic of each row and all the less extreme ones after it.
        largest = np.full(len(signs), -math.inf)
        for row in range(len(thresholds) - 1, first - 1, -1):
            np.maximum(largest, statistics[row], out=largest)
            reached[row] += np.count_nonzero(largest >= thresholds[row])
    return reached


def _list_signs(numbers: NDArray[np.intp], seeds: int) -> NDArray[np.float64]:
    """Return patterns of signs, shape (numbers, seeds); the first sign is always +1.

    A pattern and its negative have equal statistics, so half of the patterns are enough.
    """
    bits = (numbers[:, None] >> np.arange(seeds - 1)) & 1
    return np.hstack((np.ones((len(numbers), 1)), 1.0 - 2.0 * bits))


Measure = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From signs, shape (patterns, seeds), to a statistic of every row, shape (rows, patterns)."""


def _choose_measure(
    rows: NDArray[np.float64], pairs: NDArray[np.intp], thresholds: NDArray[np.float64]
) -> tuple[Measure, NDArray[np.float64]]:
    """Return a statistic that orders patterns as T does, and the thresholds in its unit.

    Where all rows have equally many pairs, the size of the sum of a row of length 1 does: of a
    thousand rows nothing else has to be computed.

    Args:
        rows: the differences, shape (rows, seeds), 0 where there is no pair.
        pairs: the number of pairs of each row.
        thresholds: of each row, as _statistics returns them.
    """
    n = pairs[0]
    if (pairs != n).any():
        return lambda signs: _statistics(signs @ rows.T, rows, pairs).T.copy(), thresholds
    lengths = np.sqrt(np.maximum((rows**2).sum(axis=1), np.finfo(float).tiny))
    unit = rows / (math.sqrt(n) * lengths[:, None])

    def measure(signs: NDArray[np.float64]) -> NDArray[np.float64]:
        sums: NDArray[np.float64] = unit @ signs.T
        np.abs(sums, out=sums)
        return sums

    # The inverse of _statistics; without a limit, rounding could lift a share of 1 above it.
    shares = thresholds / ((n - 1) - (n - 2) * thresholds)
    return measure, np.sign(shares) * np.sqrt(np.abs(shares))


def _statistics(
    sums: NDArray[np.float64], rows: NDArray[np.float64], pairs: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return T²/(n − 1 + T²) transformed to be comparable between rows with other n: T²/(1 + T²).

    It is an increasing function of |T| that stays finite where the differences are all equal.

    Args:
        sums: the sum of each row's flipped differences, shape (…, rows).
        rows: the differences, shape (rows, seeds), 0 where there is no pair.
        pairs: the number of pairs of each row.
    """
    # r = (Σd)²/(n·Σd²) is in [0, 1], and T² = (n − 1)·r/(1 − r).
    squares = np.maximum((rows**2).sum(axis=1), np.finfo(float).tiny)
    share = np.minimum(sums**2 / (pairs * squares), 1.0)
    bounded: NDArray[np.float64] = (pairs - 1) * share / (1 + (pairs - 2) * share)
    return bounded
