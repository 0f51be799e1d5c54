"""The anytime test of a margin."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dropexp.statistics.equivalence import anytime_equivalence_p_value, equivalence_e_process


@pytest.mark.parametrize("mean", [-2.0, 0.0, 0.3, 1.0, 5.0])
@pytest.mark.parametrize("n", [2, 3, 8, 40])
def test_the_evidence_is_a_ratio_of_noncentral_to_central_t_densities(n: int, mean: float) -> None:
    numbers = np.random.default_rng(n).normal(mean, 1.0, n)
    t = stats.ttest_1samp(numbers, 0).statistic
    ratios = [
        stats.nct.pdf(t, n - 1, math.sqrt(n) * effect) / stats.t.pdf(t, n - 1)
        for effect in (0.5, 1.0)
    ]
    assert equivalence_e_process(numbers)[-1] == pytest.approx(np.mean(ratios), rel=1e-5)


def test_evidence_does_not_depend_on_later_numbers() -> None:
    numbers = np.random.default_rng(0).normal(0.5, 1.0, 30)
    every = equivalence_e_process(numbers)
    for n in (1, 2, 7, 29):
        assert equivalence_e_process(numbers[:n]) == pytest.approx(every[:n])


@given(number=st.integers(0, 1000), scale=st.sampled_from([1e-200, 1e-3, 1.0, 1e200]))
def test_the_unit_does_not_matter(number: int, scale: float) -> None:
    numbers = np.random.default_rng(number).normal(0.3, 1.0, 10)
    expected = anytime_equivalence_p_value(numbers, 1.0)
    assert anytime_equivalence_p_value(numbers * scale, scale) == pytest.approx(expected)


@given(number=st.integers(0, 1000), wider=st.floats(1.0, 5.0))
def test_a_wider_margin_is_easier_and_the_sign_does_not_matter(number: int, wider: float) -> None:
    numbers = np.random.default_rng(number).normal(0.2, 1.0, 12)
    p = anytime_equivalence_p_value(numbers, 1.0)
    assert anytime_equivalence_p_value(numbers, wider) <= p * (1 + 1e-9)
    assert anytime_equivalence_p_value(-numbers, 1.0) == pytest.approx(p)


def test_false_claims_at_the_end_of_the_margin_are_rare_at_any_look() -> None:
    generator = np.random.default_rng(0)
    claims = [
        anytime_equivalence_p_value(generator.normal(1.0, 1.0, 64), 1.0) <= 0.05
        for _ in range(1000)
    ]
    assert np.mean(claims) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 1000)


def test_no_effect_is_found_to_be_within_one_standard_deviation() -> None:
    generator = np.random.default_rng(1)
    found = [
        anytime_equivalence_p_value(generator.normal(0.0, 1.0, 24), 1.0) <= 0.05 / 4
        for _ in range(300)
    ]
    assert np.mean(found) > 0.8


@pytest.mark.parametrize(
    ("differences", "p"), [([], math.nan), ([0.0], 1.0), ([0.0] * 30, pytest.approx(0.0, abs=0.01))]
)
def test_few_and_equal_differences(differences: list[float], p: float) -> None:
    assert anytime_equivalence_p_value(differences, 1.0) == pytest.approx(p, nan_ok=True)


@pytest.mark.parametrize(
    ("differences", "margin"),
    [([1.0], 0.0), ([1.0], -1.0), ([1.0], math.nan), ([math.inf], 1.0), ([[1.0]], 1.0)],
)
def test_what_is_not_allowed_is_refused(differences: list[float], margin: float) -> None:
    with pytest.raises(ValueError, match=r"margin|difference"):
        anytime_equivalence_p_value(differences, margin)
