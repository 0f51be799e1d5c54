"""Bounds on probabilities hold as often as they say."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dropexp.statistics import bernstein_bound, binomial_tail_bound, normal_variance_bound


@settings(max_examples=60)
@given(st.integers(1, 60), st.floats(0.01, 0.99))
def test_the_binomial_bound_is_above_the_exact_two_sided_tail(units: int, p: float) -> None:
    pmf = [math.comb(units, k) * p**k * (1 - p) ** (units - k) for k in range(units + 1)]
    for dropped in range(units + 1):
        lower, upper = sum(pmf[: dropped + 1]), sum(pmf[dropped:])
        assert min(1.0, 2 * min(lower, upper)) <= binomial_tail_bound(dropped, units, p) + 1e-9


@pytest.mark.parametrize("p", [0.01, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("units", [5, 100, 10_000])
def test_bernsteins_bound_on_a_mean_holds_as_often_as_it_says(p: float, units: int) -> None:
    generator = torch.Generator().manual_seed(0)
    kept = torch.bernoulli(torch.full((2000, units), 1 - p), generator=generator)
    deviations = ((kept / (1 - p)).mean(dim=1) - 1).abs()
    bound = bernstein_bound(p / (1 - p), max(1, p / (1 - p)), units, 0.05)
    assert float((deviations > bound).float().mean()) <= 0.05


@pytest.mark.parametrize("units", [5, 100, 10_000])
def test_the_bound_on_a_variance_holds_as_often_as_it_says(units: int) -> None:
    generator = torch.Generator().manual_seed(0)
    found = (0.7 * torch.randn(1000, units, generator=generator)).square().mean(dim=1)
    alarms = [normal_variance_bound(each, 0.49, units) < 0.05 for each in found.tolist()]
    assert sum(alarms) / len(alarms) <= 0.05
    assert normal_variance_bound(0.49, 0.49, units) == 1
    assert normal_variance_bound(2 * 0.49, 0.49, 1000) < 1e-6
