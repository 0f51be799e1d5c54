"""Sequential inference: identities, reference values, and error rates over all looks."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropexp.statistics import (
    anytime_half_width,
    anytime_interval,
    anytime_p_value,
    anytime_share,
    fewest_anytime_pairs,
    smallest_anytime_p,
    symmetry_e_process,
)

SIZES = st.floats(1e-9, 100) | st.floats(-100, -1e-9) | st.just(0.0)
DIFFERENCES = st.lists(SIZES, min_size=1, max_size=8)


@given(DIFFERENCES)
def test_the_evidence_is_a_martingale_under_random_signs(sizes: list[float]) -> None:
    numbers = np.array(sizes)
    patterns = list(product((1, -1), repeat=len(numbers)))

    expected = np.mean(
        [symmetry_e_process(numbers * np.array(signs)) for signs in patterns], axis=0
    )

    np.testing.assert_allclose(expected, 1.0, rtol=1e-9)


@given(DIFFERENCES, st.floats(1e-3, 1e3))
def test_the_evidence_has_no_unit_and_no_direction(sizes: list[float], unit: float) -> None:
    evidence = symmetry_e_process(sizes)

    np.testing.assert_allclose(symmetry_e_process(unit * np.array(sizes)), evidence, rtol=1e-6)
    np.testing.assert_allclose(symmetry_e_process(-np.array(sizes)), evidence, rtol=1e-9)


@given(DIFFERENCES, DIFFERENCES)
def test_later_differences_do_not_change_earlier_evidence(
    first: list[float], later: list[float]
) -> None:
    together = symmetry_e_process([*first, *later])[: len(first)]

    np.testing.assert_allclose(together, symmetry_e_process(first), rtol=1e-6)
    assert anytime_p_value([*first, *later]) <= anytime_p_value(first) * (1 + 1e-9)


@given(DIFFERENCES)
def test_no_data_beat_the_floor(sizes: list[float]) -> None:
    assert anytime_p_value(sizes) >= smallest_anytime_p(len(sizes)) * (1 - 1e-9)


@pytest.mark.parametrize("tests", [1, 2, 4, 20])
def test_the_fewest_pairs_can_decide_and_one_pair_less_cannot(tests: int) -> None:
    fewest = fewest_anytime_pairs(tests)
    assert tests * smallest_anytime_p(fewest) <= 0.05 < tests * smallest_anytime_p(fewest - 1)


def test_the_evidence_follows_the_formula() -> None:
    differences = [0.5, -0.2, 0.9]
    products = dict.fromkeys((1, -1, 2, -2, 4, -4), 1.0)
    for i in range(3):
        scale = math.sqrt(sum(d * d for d in differences[: i + 1]) / (i + 1))
        for c in products:
            products[c] *= 1 + math.tanh(c * differences[i] / scale)

    assert symmetry_e_process(differences)[-1] == pytest.approx(sum(products.values()) / 6)


def test_no_difference_is_no_evidence() -> None:
    assert symmetry_e_process([0.0, 0.0]).tolist() == [1.0, 1.0]
    assert anytime_p_value([0.0]) == 1.0
    assert math.isnan(anytime_p_value([]))


def test_one_huge_difference_among_small_ones_is_no_error() -> None:
    evidence = symmetry_e_process([*[1e-6] * 80, 5.0, -1e-6])

    assert np.isfinite(evidence).all()
    assert evidence.min() > 0


def test_half_widths_are_the_reference_values() -> None:
    expected = {
        4: 6.03,
        5: 2.61,
        6: 1.97,
        8: 1.46,
        12: 1.08,
        16: 0.90,
        20: 0.79,
        40: 0.54,
        64: 0.43,
    }

    assert {n: round(anytime_half_width(n), 2) for n in expected} == expected
    assert [anytime_half_width(n) for n in (1, 2, 3)] == [math.inf] * 3


def test_the_interval_scales_with_the_values() -> None:
    values = np.random.default_rng(0).normal(3, 2, size=12)
    interval = anytime_interval(values)

    assert interval.value == pytest.approx(values.mean())
    assert interval.high - interval.value == pytest.approx(1.08 * values.std(ddof=1), rel=0.01)
    assert math.isinf(anytime_interval(values[:3]).low)
    assert math.isnan(anytime_interval([]).value)


def test_false_alarms_over_all_looks_up_to_64() -> None:
    generator = np.random.default_rng(3)
    repetitions = 1_000
    alarms = sum(anytime_p_value(generator.normal(size=64)) <= 0.05 for _ in range(repetitions))

    assert alarms / repetitions <= 0.05 + 2.6 * (0.05 * 0.95 / repetitions) ** 0.5


def test_the_interval_covers_at_all_looks() -> None:
    generator = np.random.default_rng(4)
    repetitions, looks = 500, range(4, 80)
    misses = 0
    for _ in range(repetitions):
        values = generator.normal(size=80)
        intervals = [anytime_interval(values[:n]) for n in looks]
        misses += any(not each.low <= 0 <= each.high for each in intervals)

    assert misses / repetitions <= 0.05 + 2.6 * (0.05 * 0.95 / repetitions) ** 0.5


@given(st.integers(1, 40), st.integers(0, 80))
def test_the_interval_of_a_share_holds_the_share(n: int, halves: int) -> None:
    wins = min(halves / 2, n)
    low, high = anytime_share(wins, n)

    assert 0 <= low <= wins / n <= high <= 1
    other_low, other_high = anytime_share(n - wins, n)
    assert low == pytest.approx(1 - other_high)
    assert high == pytest.approx(1 - other_low)


def test_the_interval_of_a_share_covers_at_all_looks() -> None:
    generator = np.random.default_rng(8)
    repetitions, misses = 300, 0
    for _ in range(repetitions):
        wins = np.cumsum(generator.random(60) < 0.7)
        ends = [anytime_share(float(wins[n - 1]), n) for n in range(1, 61)]
        misses += any(not low <= 0.7 <= high for low, high in ends)

    assert misses / repetitions <= 0.05 + 2.6 * (0.05 * 0.95 / repetitions) ** 0.5


def test_refuses_what_is_not_finite() -> None:
    with pytest.raises(ValueError, match="not finite"):
        symmetry_e_process([1.0, math.nan])
    with pytest.raises(ValueError, match="confidence"):
        anytime_half_width(5, 1.0)
