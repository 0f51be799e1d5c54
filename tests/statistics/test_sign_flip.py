"""The sign-flip test against scipy and against its definition."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from dropexp.statistics import (
    EXACT_UP_TO,
    mean_interval,
    sign_flip_p_value,
    smallest_flip_p,
)

DIFFERENCES = st.floats(-5, 5, allow_subnormal=False)
# Accuracies of 100 images: differences are multiples of 0.01, with ties that rounding hides.
ACCURACIES = st.integers(0, 100).map(lambda correct: correct / 100)


def p_by_counting(numbers: list[int]) -> float:
    """The definition, in whole numbers."""
    observed = abs(sum(numbers))
    patterns = list(itertools.product((1, -1), repeat=len(numbers)))
    sums = [sum(s * x for s, x in zip(signs, numbers, strict=True)) for signs in patterns]
    return sum(abs(total) >= observed for total in sums) / len(patterns)


@pytest.mark.parametrize("n", [2, 3, 5, 8, 11])
def test_the_p_value_equals_scipys_permutation_test(n: int) -> None:
    generator = np.random.default_rng(n)
    for shift in (0.0, 0.4, 1.5):
        differences = generator.normal(shift, 1, size=n)
        expected = scipy.stats.permutation_test(
            (differences,), np.mean, permutation_type="samples", n_resamples=math.inf
        ).pvalue
        assert sign_flip_p_value(differences) == pytest.approx(expected, abs=1e-9)


@given(pairs=st.lists(st.tuples(ACCURACIES, ACCURACIES), min_size=1, max_size=9))
def test_sums_that_are_equal_but_for_rounding_count_as_ties(
    pairs: list[tuple[float, float]],
) -> None:
    exact = [round(100 * a) - round(100 * b) for a, b in pairs]
    assert sign_flip_p_value([a - b for a, b in pairs]) == p_by_counting(exact)


def test_a_tie_that_rounding_hides_counts() -> None:
    # 0.3 − 0.2 − 0.1 is not 0 in binary: a strict comparison would find two extreme patterns less.
    assert sign_flip_p_value([0.3, -0.2, -0.1]) == 1.0
    assert sign_flip_p_value([0.1, 0.2, 0.3, -0.6]) == 1.0


@given(
    numbers=st.lists(st.integers(-6, 6), min_size=1, max_size=10),
    unit=st.sampled_from([1e-300, 0.1, 2.5e307]),
)
def test_the_p_value_has_no_unit_and_no_sign(numbers: list[int], unit: float) -> None:
    expected = p_by_counting(numbers)
    assert sign_flip_p_value([unit * number for number in numbers]) == expected
    assert sign_flip_p_value([-unit * number for number in numbers]) == expected


@given(differences=st.lists(DIFFERENCES, min_size=5, max_size=5))
def test_five_pairs_never_come_below_a_sixteenth(differences: list[float]) -> None:
    assert sign_flip_p_value(differences) >= 0.0625


@given(differences=st.lists(DIFFERENCES, min_size=1, max_size=12))
def test_no_p_value_is_below_the_smallest(differences: list[float]) -> None:
    p = sign_flip_p_value(differences)
    assert smallest_flip_p(len(differences)) <= p <= 1


@pytest.mark.parametrize("n", [1, 2, 5, 10, 17, EXACT_UP_TO])
def test_the_smallest_p_value_is_that_of_differences_of_one_sign(n: int) -> None:
    assert sign_flip_p_value(np.linspace(0.5, 1, n)) == smallest_flip_p(n)


def test_zeros_change_nothing_and_only_zeros_are_no_evidence() -> None:
    assert sign_flip_p_value([0.4, 0.3, 0.5, 0.0, 0.0]) == sign_flip_p_value([0.4, 0.3, 0.5])
    assert sign_flip_p_value([0.0, 0.0, 0.0]) == 1.0
    assert sign_flip_p_value([0.2, -0.2]) == 1.0


def test_without_differences_there_is_no_test() -> None:
    assert math.isnan(sign_flip_p_value([]))
    assert math.isnan(sign_flip_p_value([0.1, math.nan]))
    assert math.isnan(sign_flip_p_value([0.1, math.inf]))
    assert math.isnan(smallest_flip_p(0))
    with pytest.raises(ValueError, match="pairs is -1"):
        smallest_flip_p(-1)


def test_many_pairs_need_a_generator_and_depend_on_its_state() -> None:
    differences = np.random.default_rng(0).normal(0.2, 1, size=EXACT_UP_TO + 10)
    with pytest.raises(ValueError, match="pass a generator"):
        sign_flip_p_value(differences)
    with pytest.raises(ValueError, match="flips"):
        sign_flip_p_value(differences, np.random.default_rng(0), flips=0)
    p, again, other = (
        sign_flip_p_value(differences, np.random.default_rng(seed), flips=999) for seed in (1, 1, 2)
    )
    assert p == again != other


def test_an_exact_test_draws_no_random_signs() -> None:
    generator = np.random.default_rng(5)
    before = generator.bit_generator.state
    sign_flip_p_value(np.linspace(-0.2, 0.5, EXACT_UP_TO), generator)
    assert generator.bit_generator.state == before


def test_the_random_p_value_is_close_to_the_exact_one(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = np.random.default_rng(7).normal(0.4, 1, size=20)
    exact = sign_flip_p_value(differences)
    monkeypatch.setattr("dropexp.statistics.sign_flip.EXACT_UP_TO", 10)
    p = sign_flip_p_value(differences, np.random.default_rng(0), flips=50_000)
    assert p != exact
    assert abs(p - exact) < 4 * math.sqrt(exact * (1 - exact) / 50_000)


def test_the_random_p_value_is_never_0() -> None:
    generator = np.random.default_rng(0)
    assert sign_flip_p_value(np.ones(60), generator, flips=99) == 0.01
    assert sign_flip_p_value(np.ones(60), generator, flips=30_000) == 1 / 30_001  # in two chunks


def test_shuffled_seeds_change_the_paired_test_and_not_the_unpaired() -> None:
    generator = np.random.default_rng(1)
    of_the_seed = generator.normal(1, 0.5, size=8)
    baseline, treated = of_the_seed, of_the_seed - 0.1 + generator.normal(0, 0.02, size=8)
    shuffled = np.roll(treated, 1)
    assert sign_flip_p_value(treated - baseline) == smallest_flip_p(8)
    assert sign_flip_p_value(shuffled - baseline) > 0.2
    assert mean_interval(shuffled).value == pytest.approx(mean_interval(treated).value, abs=1e-12)
    unpaired = [scipy.stats.ttest_ind(arm, baseline).pvalue for arm in (treated, shuffled)]
    assert unpaired[0] == pytest.approx(unpaired[1], abs=1e-12)
