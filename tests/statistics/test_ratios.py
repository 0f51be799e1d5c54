"""Fieller's interval holds exactly the ratios that the t test does not reject."""

import math

import numpy as np
import pytest

from dropexp.statistics import ratio_of_means
from dropexp.statistics.student_t import t_quantile


@pytest.mark.parametrize("n", [2, 5, 20])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_ends_are_the_ratios_that_the_t_test_just_rejects(n: int, confidence: float) -> None:
    generator = np.random.default_rng(n)
    b = 5 + 0.1 * generator.standard_normal(n)
    a = 0.7 * b + 0.3 * generator.standard_normal(n)
    estimate = ratio_of_means(a, b, confidence)
    assert estimate.value == pytest.approx(a.mean() / b.mean())
    assert estimate.low < estimate.value < estimate.high
    for end in (estimate.low, estimate.high):
        rest = a - end * b
        t = abs(rest.mean()) / (rest.std(ddof=1) / math.sqrt(n))
        assert t == pytest.approx(t_quantile(confidence, n - 1), rel=1e-6)


def test_a_constant_ratio_has_no_width_and_units_cancel() -> None:
    b = np.array([3.0, 4.0, 5.0])
    estimate = ratio_of_means(3 * b, b)
    assert (estimate.low, estimate.high) == pytest.approx((3, 3))
    a = np.array([1.5, 2.5, 2.0])
    one, other = ratio_of_means(a, b), ratio_of_means(-7 * a, -7 * b)
    assert (one.low, one.high) == pytest.approx((other.low, other.high))


def test_the_coverage_is_the_nominal_one() -> None:
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(2000):
        block = generator.standard_normal(6)
        b = 2 + 0.5 * block + 0.3 * generator.standard_normal(6)
        a = 1 + 0.5 * block + 0.3 * generator.standard_normal(6)
        estimate = ratio_of_means(a, b, 0.9)
        held += estimate.low <= 0.5 <= estimate.high
    assert held / 2000 == pytest.approx(0.9, abs=0.02)


def test_where_the_denominator_may_be_0_any_ratio_may_be_true() -> None:
    estimate = ratio_of_means([1.0, 1.1, 0.9], [-1.0, 2.0, 0.5])
    assert (estimate.low, estimate.high) == (-math.inf, math.inf)


@pytest.mark.parametrize(("a", "b"), [([], []), ([1.0], [0.0]), ([1.0, math.nan], [1.0, 1.0])])
def test_what_has_no_ratio_is_not_a_number(a: list[float], b: list[float]) -> None:
    assert math.isnan(ratio_of_means(a, b).value)


def test_one_pair_has_a_ratio_and_no_interval() -> None:
    estimate = ratio_of_means([1.0], [2.0])
    assert estimate.value == 0.5
    assert math.isnan(estimate.low)


def test_values_that_are_no_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="2 numerators and 1 denominators"):
        ratio_of_means([1.0, 2.0], [1.0])
