"""Intervals against scipy.stats, and what they are with few values."""

import math
import subprocess
import sys

import numpy as np
import pytest
import scipy.stats
from hypothesis import example, given
from hypothesis import strategies as st

from dropexp.statistics import (
    mean_interval,
    paired_difference,
    positive_mean_interval,
    probability_of_improvement,
)

LOSSES = st.floats(0, 10, allow_subnormal=False)
# Few distinct values, so that ties are common.
TIED = st.lists(st.sampled_from([-0.3, -0.1, 0.0, 0.1, 0.2]), min_size=1, max_size=40)


@given(values=st.lists(LOSSES, min_size=2, max_size=30), confidence=st.sampled_from([0.8, 0.95]))
def test_the_mean_interval_equals_scipys(values: list[float], confidence: float) -> None:
    found = mean_interval(values, confidence)
    spread = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    low, high = scipy.stats.t.interval(confidence, len(values) - 1) * np.array(spread)
    assert found.n == len(values)
    assert found.value == pytest.approx(np.mean(values), abs=1e-12)
    assert found.low == pytest.approx(np.mean(values) + low, abs=1e-9)
    assert found.high == pytest.approx(np.mean(values) + high, abs=1e-9)


def test_one_value_has_a_mean_and_no_interval() -> None:
    found = mean_interval([0.7])
    assert (found.value, found.n) == (0.7, 1)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


@pytest.mark.parametrize("values", [[], [0.1, math.nan], [0.1, math.inf], [math.inf, -math.inf]])
def test_no_values_or_non_finite_values_have_no_mean(values: list[float]) -> None:
    found = mean_interval(values)
    assert all(math.isnan(number) for number in (found.value, found.low, found.high))
    assert found.n == len(values)


def test_values_must_be_a_vector_and_pairs_of_one_length() -> None:
    with pytest.raises(ValueError, match=r"\(1, 2\)"):
        mean_interval([[0.1, 0.2]])
    with pytest.raises(ValueError, match="allowed: equal lengths"):
        paired_difference([0.1, 0.2], [0.1])


def test_huge_losses_have_a_wide_interval_and_no_warning() -> None:
    found = mean_interval([1e200, -1e200, 3.0])
    assert (found.low, found.high) == (-math.inf, math.inf)
    assert mean_interval([1.7e308, 1.7e308]).value == math.inf
    assert math.isnan(paired_difference([math.inf, 1.0], [math.inf, 0.5]).value)


@given(pairs=st.lists(st.tuples(LOSSES, LOSSES), min_size=2, max_size=20))
def test_the_paired_difference_equals_scipys_paired_t_interval(
    pairs: list[tuple[float, float]],
) -> None:
    a, b = np.array(pairs).T
    found = paired_difference(a, b)
    if np.std(a - b) < 1e-12:  # scipy warns of a spread that is only rounding
        assert found.high - found.low < 1e-9
        return
    expected = scipy.stats.ttest_rel(a, b).confidence_interval(0.95)
    assert found.value == pytest.approx(np.mean(a - b), abs=1e-12)
    assert found.low == pytest.approx(expected.low, abs=1e-9)
    assert found.high == pytest.approx(expected.high, abs=1e-9)


def test_pairing_narrows_the_interval_and_shuffled_seeds_undo_it() -> None:
    generator = np.random.default_rng(3)
    of_the_seed = generator.normal(1.0, 0.3, size=8)
    baseline = of_the_seed + generator.normal(0, 0.02, size=8)
    treated = of_the_seed - 0.1 + generator.normal(0, 0.02, size=8)
    shuffled = np.roll(baseline, 3)
    paired, mismatched = paired_difference(treated, baseline), paired_difference(treated, shuffled)
    assert paired.high < 0 < mismatched.high
    assert paired.value == pytest.approx(mismatched.value, abs=1e-12)
    # The arms by themselves know nothing of pairs.
    unpaired, again = mean_interval(baseline), mean_interval(shuffled)
    assert (again.value, again.low, again.high) == pytest.approx(
        (unpaired.value, unpaired.low, unpaired.high), abs=1e-12
    )


@given(differences=TIED)
@example(differences=[0.1] * 10)
def test_the_two_probabilities_of_improvement_sum_to_1_exactly(differences: list[float]) -> None:
    a = probability_of_improvement(differences)
    b = probability_of_improvement([-difference for difference in differences])
    assert a.value + b.value == 1.0
    assert a.low == pytest.approx(1 - b.high, abs=1e-12)
    assert 0 <= a.low <= a.value <= a.high <= 1


def test_two_shares_of_any_number_of_pairs_sum_to_1_exactly() -> None:
    for n in range(1, 120):
        for better in range(n + 1):
            shares = [
                probability_of_improvement([-1.0] * k + [1.0] * (n - k)).value
                for k in (better, n - better)
            ]
            assert sum(shares) == 1.0


def test_ties_count_half_and_lower_is_better() -> None:
    assert probability_of_improvement([-0.1, 0.0, 0.0, 0.1, -0.2]).value == 0.6
    assert probability_of_improvement([0.0, 0.0, 0.0]).value == 0.5
    assert probability_of_improvement([-0.1, -0.2]).value == 1.0


@pytest.mark.parametrize(("better", "n"), [(0, 5), (2, 6), (5, 5), (9, 10), (17, 40)])
def test_the_interval_of_a_probability_equals_scipys_wilson_interval(better: int, n: int) -> None:
    found = probability_of_improvement([-0.1] * better + [0.2] * (n - better))
    expected = scipy.stats.binomtest(better, n).proportion_ci(0.95, method="wilson")
    assert found.low == pytest.approx(expected.low, abs=1e-9)
    assert found.high == pytest.approx(expected.high, abs=1e-9)


def test_without_differences_there_is_no_probability() -> None:
    for differences in ([], [0.1, math.nan]):
        found = probability_of_improvement(differences)
        assert all(math.isnan(number) for number in (found.value, found.low, found.high))
    with pytest.raises(ValueError, match="confidence"):
        probability_of_improvement([0.1], confidence=1.0)


def test_a_whole_comparison_imports_neither_scipy_nor_torch() -> None:
    script = (
        "import sys\n"
        "from dropexp.statistics import *\n"
        "d = [-0.3, -0.2, -0.1, -0.2, 0.1, -0.4, -0.2]\n"
        "paired_difference(d, d), mean_interval(d), probability_of_improvement(d)\n"
        "p = holm([sign_flip_p_value(d), None])\n"
        "decide_verdict(p[0], -0.2, smallest_adjusted_p([7, 0])[0])\n"
        "area_between(d, d), rise_after_best(d), matched_epoch(d, common_target([d]))\n"
        "expected_calibration_error([[0.3, 0.7]], [1]), negative_log_likelihood([[1.0]], [0])\n"
        "loaded = {module.split('.')[0] for module in sys.modules}\n"
        "print(sorted(loaded & {'scipy', 'torch'}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_positive_mean_has_its_t_interval_where_that_is_above_0() -> None:
    assert positive_mean_interval([1.0, 1.1, 1.3]) == mean_interval([1.0, 1.1, 1.3])
    assert math.isnan(positive_mean_interval([0.7]).low)
    assert math.isnan(positive_mean_interval([]).value)
    with pytest.raises(ValueError, match="the value -1 is negative; allowed: at least 0"):
        positive_mean_interval([0.1, -1.0])


def test_a_positive_mean_has_no_interval_below_0() -> None:
    times = [10.0, 16.0, 30.0]  # seconds; the t interval is [−6.8, 44.1]
    plain, found = mean_interval(times), positive_mean_interval(times)
    assert plain.low < 0
    assert found.value == plain.value == pytest.approx(18.67, rel=0.01)
    assert (found.low, found.high) == pytest.approx((4.8, 73.0), rel=0.01)
    assert found.low * found.high == pytest.approx(found.value**2), "symmetric on the log scale"


@pytest.mark.parametrize("values", [[0.0, 1.0], [0.0, 1.0, 3.0], [16.64, 20.56]])
def test_the_interval_of_two_positive_values_is_cut_at_0(values: list[float]) -> None:
    plain, found = mean_interval(values), positive_mean_interval(values)
    assert plain.low < 0
    assert found == plain.clip((0.0, math.inf))


@pytest.mark.parametrize(("spread", "least"), [(0.2, 0.93), (1.0, 0.88)])
def test_a_positive_mean_is_covered_at_least_as_often_as_by_t(spread: float, least: float) -> None:
    draw = np.random.default_rng(5)
    mean, studies = math.exp(spread**2 / 2), 1500
    covered = np.zeros(2)
    for values in draw.lognormal(0, spread, (studies, 3)):
        found, plain = positive_mean_interval(values), mean_interval(values)
        covered += [each.low <= mean <= each.high for each in (found, plain)]
    assert covered[0] / studies > least
    assert covered[0] >= covered[1]
