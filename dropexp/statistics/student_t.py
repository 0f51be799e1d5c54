"""Student's t distribution at whole degrees of freedom, in closed form.

Importing scipy.stats instead would take 0.7 s, longer than everything else that a table does, and
importing scipy.special longer than the statistics of a table. Means over seeds have whole degrees
of freedom.
"""

import math
from functools import cache

import numpy as np

from dropexp.statistics.arguments import check_open_fraction


def central_probability(t: float, df: int) -> float:
    """Return P(|T| ≤ |t|): one minus the two-sided p-value of a t statistic.

    The finite series of Abramowitz and Stegun 1964, equations 26.7.3 (df odd) and 26.7.4 (even).

    Args:
        t: any number.
        df: degrees of freedom, at least 1.

    Returns:
        A probability, in [0, 1], with an absolute error of about 1e-15.

    Raises:
        ValueError: df is below 1.
    """
    _check_df(df)
    return _central_probability(math.atan(abs(t) / math.sqrt(df)), df)


@cache
def t_quantile(confidence: float, df: int) -> float:
    """Return the t with P(|T| ≤ t) = confidence: an interval's half-width in standard errors.

    Args:
        confidence: in (0, 1).
        df: degrees of freedom, at least 1.

    Returns:
        t, above 0.

    Raises:
        ValueError: the confidence is outside (0, 1), or df below 1.
    """
    _check_df(df)
    check_open_fraction(confidence, "confidence")
    # The probability is concave in the angle θ = atan(t/√df), so Newton's steps from 0 approach
    # the answer from below and never overshoot.
    density_at_0 = (
        2 * math.exp(math.lgamma((df + 1) / 2) - math.lgamma(df / 2)) / math.sqrt(math.pi)
    )
    angle, step = 0.0, 1.0
    while step > 1e-15 * angle:
        slope = density_at_0 * math.cos(angle) ** (df - 1)
        step = (confidence - _central_probability(angle, df)) / slope
        angle += max(step, 0.0)
    return math.tan(angle) * math.sqrt(df)


def _central_probability(angle: float, df: int) -> float:
    sine, cosine = math.sin(angle), math.cos(angle)
    if df == 1:
        return 2 * angle / math.pi
    # Each term is the previous one times (k − 1)/k · cos²θ; k is even if df is, else odd.
    k = np.arange(2 + df % 2, df - 1, 2, dtype=np.float64)
    terms = np.cumprod((k - 1) / k * cosine**2)
    series = 1 + float(terms.sum())
    if df % 2:
        return min(1.0, 2 / math.pi * (angle + sine * cosine * series))
    return min(1.0, sine * series)


def _check_df(df: int) -> None:
    if df < 1:
        raise ValueError(f"{df} degrees of freedom; allowed: 1 and more")
