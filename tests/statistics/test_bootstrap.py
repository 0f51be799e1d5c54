"""The bootstrap over seeds: its resamples, and its interval beside that of the t test."""

import math

import numpy as np
import pytest

from dropexp.statistics import draw_seed_weights, expanded_percentiles, mean_interval


def test_each_resample_draws_as_many_seeds_as_there_are() -> None:
    weights = draw_seed_weights(7, 200, np.random.default_rng(0))
    assert weights.shape == (200, 7)
    assert weights.sum(axis=1) == pytest.approx(np.ones(200))
    assert weights.mean(axis=0) == pytest.approx([1 / 7] * 7, abs=0.03)
    assert (7 * weights == np.round(7 * weights)).all()


def test_the_interval_of_a_normal_mean_is_as_wide_as_that_of_the_t_test() -> None:
    ratios = []
    for sample in range(10):
        values = np.random.default_rng(sample).standard_normal(8)
        means = draw_seed_weights(8, 10_000, np.random.default_rng(100 + sample)) @ values
        low, high = expanded_percentiles(means, 8)
        plain = np.quantile(means, [0.025, 0.975])
        assert low < plain[0] < plain[1] < high, "percentiles alone are too narrow"
        expected = mean_interval(values)
        ratios.append((high - low) / (expected.high - expected.low))
    assert np.mean(ratios) == pytest.approx(1, abs=0.04)


def test_infinite_numbers_make_an_infinite_end() -> None:
    numbers = np.arange(1000.0)
    numbers[-100:] = math.inf
    low, high = expanded_percentiles(numbers, 10)
    assert 0 < low < 20
    assert high == math.inf


@pytest.mark.parametrize(
    ("seeds", "confidence"), [(1, 0.95), (5, 1.0)], ids=["one seed", "certainty"]
)
def test_what_has_no_interval_is_refused(seeds: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="allowed"):
        expanded_percentiles([0.0, 1.0], seeds, confidence)
