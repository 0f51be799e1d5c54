"""Whether a difference is within a margin, by a test that holds at every look."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dropexp.statistics.arguments import as_finite_vector, as_vector

_EFFECTS = (0.5, 1.0)
"""The bets: how far the mean is inside the margin, in standard deviations of a difference."""

_NODES = np.linspace(0.0, 1.0, 161)


def anytime_equivalence_p_value(differences: ArrayLike, margin: float) -> float:
    """Return the running p-value of the hypothesis that the mean is not within ± margin.

    Two one-sided tests (Schuirmann 1987): both ends of the margin must be rejected as the mean.
    Each is rejected by 1/max E of equivalence_e_process, which may be looked at after every seed.

    Args:
        differences: shape (n,), floats in the unit of the margin, in the order of seeds.
        margin: above 0.

    Returns:
        A probability, 1 for fewer than two differences; NaN for none.

    Raises:
        ValueError: the differences are not one-dimensional, one is not finite, or the margin is
            not above 0.
    """
    numbers = as_finite_vector(differences, "differences")
    if not (margin > 0 and math.isfinite(margin)):
        raise ValueError(f"margin is {margin}; allowed: numbers above 0")
    if not len(numbers):
        return math.nan
    ends = (equivalence_e_process(margin - numbers), equivalence_e_process(margin + numbers))
    return min(1.0, max(1.0 / float(evidence.max()) for evidence in ends))


def equivalence_e_process(numbers: ArrayLike) -> NDArray[np.float64]:
    """Return the evidence that a mean is above 0, after each number.

    E_n is the mean over c ∈ {1/2, 1} of the likelihood ratio of a standardised mean c to 0, given
    the data up to their scale: that of the noncentral to the central t distribution with n − 1
    degrees of freedom (Lai 1976; Wang and Ramdas 2023, section 3). For normal numbers of mean 0
    and any variance it is a nonnegative martingale, so P(E ever ≥ 1/α) ≤ α. It increases with the
    mean, so what rejects the mean 0 rejects every mean below.

    Args:
        numbers: shape (n,), finite floats in any unit.

    Returns:
        E_1 to E_n, float64 of shape (n,); E_1 is 1.
    """
    values = as_vector(numbers, "numbers")
    largest = float(np.abs(values).max(initial=0.0))
    if largest == 0:
        return np.ones(len(values))
    values = values / largest  # squares could overflow or vanish
    counts = np.arange(1, len(values) + 1)
    squares = np.cumsum(values * values)
    # The mean in units of the root mean square, in [-1, 1]; 0 while all numbers are 0.
    share = np.divide(
        np.cumsum(values),
        np.sqrt(counts * squares),
        out=np.zeros_like(values),
        where=squares > 0,
    )
    logs = np.array([_log_likelihood_ratio(share, counts, effect) for effect in _EFFECTS])
    evidence = np.exp(np.logaddexp.reduce(logs, axis=0) - math.log(len(_EFFECTS)))
    evidence[0] = 1.0
    return np.asarray(evidence, dtype=np.float64)


def _log_likelihood_ratio(
    share: NDArray[np.float64], counts: NDArray[np.int64], effect: float
) -> NDArray[np.float64]:
    """Return log of e^{−nc²/2} ∫ u^{n−1} e^{−u²/2 + √n·c·r·u} du / ∫ u^{n−1} e^{−u²/2} du.

    Args:
        share: r, the mean in units of the root mean square.
        counts: n.
        effect: c.
    """
    tilt = np.sqrt(counts) * effect * share
    # ∫ u^{n−1} e^{−u²/2} du is 2^{n/2−1} Γ(n/2).
    untilted = [(n / 2 - 1) * math.log(2) + math.lgamma(n / 2) for n in counts.tolist()]
    return np.asarray(
        _log_integral(tilt, counts) - untilted - counts * effect**2 / 2, dtype=np.float64
    )


def _log_integral(tilt: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return log ∫ u^{n−1} e^{−u²/2 + a·u} du over u > 0.

    By the trapezoidal rule over log u, whose error falls exponentially for an integrand that
    vanishes smoothly at both ends.
    """
    n = counts[:, None].astype(np.float64)
    mode = (tilt[:, None] + np.sqrt(tilt[:, None] ** 2 + 4 * n)) / 2
    low, high = -2 * np.sqrt(40 / n) - 40 / n, np.sqrt(40 / n)  # the tails are below e^-35
    log_u = np.log(mode) + low + (high - low) * _NODES
    u = np.exp(log_u)
    logs = n * log_u - u * u / 2 + tilt[:, None] * u
    largest = logs.max(axis=1)
    sums = np.exp(logs - largest[:, None]).sum(axis=1)
    steps = (high - low)[:, 0] * (_NODES[1] - _NODES[0])
    return np.asarray(largest + np.log(sums * steps), dtype=np.float64)
