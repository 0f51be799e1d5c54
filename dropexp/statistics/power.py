"""The probability that a study finds a true difference, known before it is trained."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from dropexp.statistics.anytime import symmetry_e_process
from dropexp.statistics.arguments import check_at_least, check_open_fraction
from dropexp.statistics.sign_flip import smallest_flip_p

_MOST_TABLES = 2000  # a standard error of at most 0.011
_FEWEST_TABLES = 40
_MOST_FLIPS = 512  # all of 10 seeds; of more seeds as many are drawn
_CELLS = 1 << 23  # flipped statistics in all: about 0.2 s
_TIE = 1e-5  # in single precision


@cache
def planned_power(effect: float, seeds: int, rows: int, alpha: float = 0.05) -> float:
    """Return the probability that the planned test finds the one row with a true difference.

    The test is the step-down max-t test over joint sign flips; see step_down_max_t. The other rows
    have no true difference, so only its first step counts: in later steps the row can be found
    only after a false alarm. Values are normal with equal spread, so the differences of two rows
    with one baseline have a correlation of 1/2.

    Args:
        effect: the true difference in standard deviations of the paired differences.
        seeds: pairs of each row, at least 0.
        rows: rows of the table, at least 1.
        alpha: the level of the test after correction, in (0, 1).

    Returns:
        A probability, by simulation: the same at every call, with a standard error of 0.01 for
        tables of up to 20 rows and of up to 0.08 for a thousand; 0 where no data can be conclusive.

    Raises:
        ValueError: a number is out of its range.
    """
    _check(seeds, rows, alpha)
    if seeds < 2 or smallest_flip_p(seeds) > alpha:
        return 0.0
    generator = np.random.default_rng([seeds, rows])
    signs, is_exact = _list_or_draw_signs(generator, seeds)
    cells = rows * len(signs)
    tables = max(_FEWEST_TABLES, min(_MOST_TABLES, _CELLS // cells))
    at_a_time = max(1, (_CELLS // 8) // cells)  # what fits a cache is twice as fast
    found = 0
    for start in range(0, tables, at_a_time):
        table = _draw_tables(generator, effect, min(at_a_time, tables - start), rows, seeds)
        reached = _count_flips_that_reach(table, signs)
        p_values = reached / len(signs) if is_exact else (reached + 1) / (len(signs) + 1)
        found += int((p_values <= alpha).sum())
    return found / tables


@cache
def anytime_power(effect: float, seeds: int, rows: int, alpha: float = 0.05) -> float:
    """Return the probability that the anytime test finds a true difference within some seeds.

    The test is the running p-value of the symmetry e-process with Holm's correction over the rows;
    see anytime_p_value. No other row has a true difference, so the row needs the first step of the
    correction: evidence of rows/alpha after any of its seeds. Differences are normal.

    Args:
        effect: the true difference in standard deviations of the paired differences.
        seeds: the pairs by which it must be found, at least 0.
        rows: rows of the table, at least 1.
        alpha: the level of the test after correction, in (0, 1).

    Returns:
        A probability, by simulation: the same at every call, with a standard error of 0.01.

    Raises:
        ValueError: a number is out of its range.
    """
    _check(seeds, rows, alpha)
    if seeds == 0:
        return 0.0
    # Seed by seed, so that more seeds continue the tables of fewer: power never falls with seeds.
    differences = effect + np.random.default_rng(0).standard_normal((seeds, _MOST_TABLES))
    peaks = [symmetry_e_process(table).max() for table in differences.T]
    return float(np.mean(np.array(peaks) >= rows / alpha))


def _check(seeds: int, rows: int, alpha: float) -> None:
    check_at_least(seeds, 0, "seeds")
    check_at_least(rows, 1, "rows")
    check_open_fraction(alpha, "alpha")


def _list_or_draw_signs(
    generator: np.random.Generator, seeds: int
) -> tuple[NDArray[np.float32], bool]:
    """Return patterns of signs, shape (patterns, seeds), and whether they are all there are.

    A pattern and its negative have equal statistics, so half of all patterns are enough.
    """
    if 1 << (seeds - 1) > _MOST_FLIPS:
        drawn = generator.integers(0, 2, size=(_MOST_FLIPS, seeds))
        return (1.0 - 2.0 * drawn).astype(np.float32), False
    bits = (np.arange(1 << (seeds - 1))[:, None] >> np.arange(seeds)) & 1
    return (1.0 - 2.0 * bits).astype(np.float32), True


def _draw_tables(
    generator: np.random.Generator, effect: float, tables: int, rows: int, seeds: int
) -> NDArray[np.float32]:
    """Return paired differences in standard deviations, shape (tables, rows, seeds).

    The first row of each table has the true difference.
    """
    values = generator.standard_normal((tables, rows + 1, seeds), dtype=np.float32)
    differences = (values[:, 1:] - values[:, :1]) / np.float32(np.sqrt(2))
    differences[:, 0] += np.float32(effect)
    return differences


def _count_flips_that_reach(
    tables: NDArray[np.float32], signs: NDArray[np.float32]
) -> NDArray[np.intp]:
    """Return for each table in how many patterns any row's statistic reaches the first row's.

    The statistic is |Σd|/√(Σd²): for equal numbers of pairs an increasing function of |T|.
    """
    units = tables / np.sqrt((tables**2).sum(axis=2, keepdims=True))
    observed = np.abs(units[:, 0].sum(axis=1))
    flipped = np.abs(units @ signs.T)  # (tables, rows, patterns)
    reached = flipped.max(axis=1) >= observed[:, None] - _TIE
    counts: NDArray[np.intp] = reached.sum(axis=1)
    return counts
