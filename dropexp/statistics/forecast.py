"""How many more seeds would settle an open difference, and how likely it is to stay open."""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dropexp.statistics.anytime import BETS
from dropexp.statistics.arguments import as_vector, check_open_fraction

MOST_MORE_SEEDS = 96
"""The most further seeds that a forecast looks at."""

_FUTURES = 600
_BETS = BETS[BETS > 0].astype(np.float32)
_WINDOW = 0.10  # shares of the futures around a quartile of the effect


@dataclass(frozen=True, slots=True)
class SeedForecast:
    """How many more seeds the anytime test may need.

    Attributes:
        low: more seeds after which the row is decided with the power, if the true effect is large:
            the upper quartile of what the data leave plausible.
        high: the same if the effect is small: the lower quartile. None for more than
            MOST_MORE_SEEDS.
        power: the probability that both assume.
        still_open: the probability, over all plausible effects, that the row is still open after
            ``high`` more seeds, or after MOST_MORE_SEEDS.
    """

    low: int
    high: int | None
    power: float
    still_open: float


def forecast_seeds(
    differences: ArrayLike, rows: int, alpha: float = 0.05, power: float = 0.8
) -> SeedForecast | None:
    """Forecast how many more seeds the anytime test needs for a verdict.

    Futures are drawn from the posterior predictive distribution of normal differences (Gelman et
    al. 2013, section 3.2), and the evidence that the row has already is continued through each of
    them; see symmetry_e_process. So the forecast knows how uncertain the observed effect is. The
    prior is flat on the effect in standard deviations and on the logarithm of the standard
    deviation. One that is flat on the mean itself prefers small effects: its forecasts of a row to
    stay open came true in 28 % of simulated cases and not in the promised 34 %; see
    scripts/simulate.

    Args:
        differences: shape (n,), floats in any unit, in the order of seeds.
        rows: rows of the table that are tested; the row needs evidence of rows/alpha (the first
            step of Holm's correction).
        alpha: the level, in (0, 1).
        power: the probability of a verdict that ``low`` and ``high`` stand for, in (0, 1).

    Returns:
        The forecast. None with fewer than three differences, without spread, where one is not
        finite, and where even a large effect needs more than MOST_MORE_SEEDS.

    Raises:
        ValueError: the differences are not one-dimensional, or a number is out of its range.
    """
    numbers = as_vector(differences, "differences")
    check_open_fraction(alpha, "alpha")
    check_open_fraction(power, "power")
    n = len(numbers)
    if n < 3 or not np.isfinite(numbers).all():
        return None
    # The forecast has no unit and no direction.
    largest = float(np.abs(numbers).max()) or 1.0
    numbers = numbers / (largest if numbers.mean() >= 0 else -largest)
    spread = float(numbers.std(ddof=1))
    if spread == 0:
        return None
    normal, chi = _draw(n)
    deviations = spread * np.sqrt((n - 1) / chi)
    means = float(numbers.mean()) + deviations * normal[:, 0] / math.sqrt(n)
    future = (means[:, None] + deviations[:, None] * normal[:, 1:]).astype(np.float32)
    waits = _count_until(numbers, future, math.log(rows / alpha))
    order = np.argsort(np.abs(means / deviations))
    low = _power_point(waits[order], 0.75, power)
    high = _power_point(waits[order], 0.25, power)
    if low > MOST_MORE_SEEDS:
        return None
    is_bounded = high <= MOST_MORE_SEEDS
    last = high if is_bounded else MOST_MORE_SEEDS
    return SeedForecast(
        low, max(high, low) if is_bounded else None, power, float((waits > last).mean())
    )


@cache
def _draw(n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the random numbers of all futures; fixed, so that the same runs give one forecast."""
    generator = np.random.default_rng(n)
    normal = generator.normal(size=(_FUTURES, MOST_MORE_SEEDS + 1))
    # n degrees and not n - 1, because the prior is flat on mean/sd.
    return normal, generator.chisquare(n, size=_FUTURES)


def _count_until(
    past: NDArray[np.float64], future: NDArray[np.float32], threshold: float
) -> NDArray[np.int64]:
    """Return how many more seeds each future needs; MOST_MORE_SEEDS + 1 where it does not end."""
    n = len(past)
    squares = np.cumsum(past**2)
    ratios = past / np.sqrt(np.maximum(squares / np.arange(1, n + 1), np.finfo(float).tiny))
    logs = {
        sign * bet: float((math.log(2.0) - np.logaddexp(0.0, -2.0 * sign * bet * ratios)).sum())
        for bet in _BETS.tolist()
        for sign in (1, -1)
    }
    # In single precision, which halves the time.
    counts = np.arange(n + 1, n + future.shape[1] + 1, dtype=np.float32)
    scale = np.sqrt((np.float32(squares[-1]) + np.cumsum(future**2, axis=1)) / counts)
    steps = future / scale
    total = np.zeros_like(steps)
    for bet in _BETS.tolist():
        bounded = np.clip(np.tanh(np.float32(bet) * steps), -0.999999, 0.999999)
        for sign in (1, -1):
            log = np.cumsum(np.log1p(sign * bounded), axis=1)
            total += np.exp(log + np.float32(logs[sign * bet]))
    is_decided = total >= 2 * len(_BETS) * math.exp(threshold)
    return np.where(is_decided.any(axis=1), is_decided.argmax(axis=1) + 1, MOST_MORE_SEEDS + 1)


def _power_point(ordered: NDArray[np.int64], quantile: float, power: float) -> int:
    """Return the wait that a share ``power`` of the futures near a quantile do not exceed."""
    middle, half = quantile * len(ordered), _WINDOW * len(ordered)
    near = np.sort(ordered[int(middle - half) : int(middle + half)])
    return int(near[math.ceil(power * len(near)) - 1])
