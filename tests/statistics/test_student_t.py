"""Student's t distribution against scipy."""

import math

import pytest
import scipy.stats

from dropexp.statistics import (
    central_probability,
    t_quantile,
)


@pytest.mark.parametrize("df", [1, 2, 3, 4, 5, 8, 9, 30, 101, 9_999])
def test_students_t_equals_scipys(df: int) -> None:
    for t in (0.0, 1e-3, 0.5, 2.0, -2.0, 7.5, 100.0):
        expected = 1 - 2 * scipy.stats.t.sf(abs(t), df)
        assert central_probability(t, df) == pytest.approx(expected, abs=1e-12)
    for confidence in (0.01, 0.5, 0.8, 0.95, 0.999, 1 - 0.05 / 60):
        expected = scipy.stats.t.ppf((1 + confidence) / 2, df)
        assert t_quantile(confidence, df) == pytest.approx(expected, rel=1e-10)


def test_students_t_refuses_values_out_of_range() -> None:
    with pytest.raises(ValueError, match="0 degrees"):
        central_probability(1.0, 0)
    with pytest.raises(ValueError, match="0 degrees"):
        t_quantile(0.95, 0)
    for confidence in (0.0, 1.0, math.nan):
        with pytest.raises(ValueError, match="confidence"):
            t_quantile(confidence, 3)
