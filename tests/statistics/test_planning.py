"""How many pairs would settle it, against statsmodels."""

import math

import numpy as np
import pytest
import scipy.stats
from numpy.typing import NDArray
from statsmodels.stats.power import TTestPower

from dropexp.statistics import pairs_needed, smallest_sign_flip_p, t_test_power


def of_effect(effect: float, n: int = 10) -> NDArray[np.float64]:
    """Differences with exactly this mean in standard deviations."""
    plain = np.random.default_rng(n).normal(size=n)
    standard: NDArray[np.float64] = (plain - plain.mean()) / plain.std(ddof=1)
    return 0.01 * (standard - effect)


def upper_tail(effect: float, pairs: int, alpha: float) -> float:
    """What is left of the power of a large effect: its own direction."""
    critical = scipy.stats.t.isf(alpha / 2, pairs - 1)
    return float(scipy.stats.nct.sf(critical, pairs - 1, effect * math.sqrt(pairs)))


@pytest.mark.parametrize("pairs", [3, 4, 6, 11, 30, 500, 10_000])
def test_power_equals_statsmodels(pairs: int) -> None:
    for effect in (0.0, 0.01, 0.05, 0.2, 0.5, 1.0, 2.0):
        for alpha in (0.05, 0.05 / 60, 0.3):
            expected = TTestPower().power(effect, pairs, alpha)
            if math.isnan(expected):  # what scipy's lower tail is where it is negligible
                expected = upper_tail(effect, pairs, alpha)
            assert t_test_power(effect, pairs, alpha) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("effect", [0.05, 0.1, 0.3, 0.5, 0.8])
@pytest.mark.parametrize("comparisons", [1, 5])
def test_pairs_needed_equal_statsmodels_rounded_up(effect: float, comparisons: int) -> None:
    solved = TTestPower().solve_power(effect, power=0.8, alpha=0.05 / comparisons)
    expected = max(10, math.ceil(float(np.squeeze(solved))))
    assert pairs_needed(of_effect(effect), comparisons=comparisons) == expected


def test_pairs_needed_follow_power_and_level() -> None:
    for power, alpha in ((0.5, 0.2), (0.95, 0.01), (0.4, 0.3), (0.06, 0.05), (0.1, 0.2)):
        found = pairs_needed(of_effect(-0.15), alpha, power)
        enough = [n for n in range(10, 1_000) if t_test_power(0.15, n, alpha) >= power]
        assert found == enough[0]


@pytest.mark.parametrize("comparisons", [1, 5, 60])
def test_a_large_effect_still_needs_what_the_sign_flip_test_needs(comparisons: int) -> None:
    found = pairs_needed(of_effect(50, n=3), comparisons=comparisons)
    assert found is not None
    assert comparisons * smallest_sign_flip_p(found) <= 0.05
    assert comparisons * smallest_sign_flip_p(found - 1) > 0.05


def test_equal_differences_need_the_fewest_pairs_of_the_sign_flip_test() -> None:
    assert pairs_needed([-0.5] * 3) == 6
    assert pairs_needed([0.1 + 0.2, 0.3]) == 6  # equal but for rounding


def test_pairs_needed_are_at_least_the_pairs_there_are() -> None:
    assert pairs_needed(of_effect(3, n=40)) == 40


@pytest.mark.parametrize(
    "differences",
    [[], [0.1], [0.1, -0.1], [0.0, 0.0], [0.1, math.nan], [1e200, -2e200], [1.7e308] * 2],
)
def test_pairs_needed_are_unknown_without_a_difference_or_a_spread(
    differences: list[float],
) -> None:
    assert pairs_needed(differences) is None


def test_pairs_needed_are_unknown_beyond_the_cap() -> None:
    needed = pairs_needed(of_effect(0.2))
    assert needed is not None
    assert pairs_needed(of_effect(0.2), cap=needed) == needed
    assert pairs_needed(of_effect(0.2), cap=needed - 1) is None
    assert pairs_needed(of_effect(1e-9)) is None
    assert pairs_needed([1.0, -1.0, 1e-170]) is None
    assert pairs_needed([-0.1] * 3, cap=5) is None


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="alpha"):
        pairs_needed([0.1, 0.2], alpha=0.0)
    with pytest.raises(ValueError, match="power"):
        pairs_needed([0.1, 0.2], power=1.0)
    with pytest.raises(ValueError, match="comparisons"):
        pairs_needed([0.1, 0.2], comparisons=0)
