"""Forecasts of further seeds keep what they promise, and are silent where they cannot."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropexp.statistics import MOST_MORE_SEEDS, anytime_p_value, forecast_seeds


@given(seed=st.integers(0, 1000), effect=st.floats(0, 2), rows=st.integers(1, 20))
def test_the_range_is_ordered_and_has_no_unit_and_no_direction(
    seed: int, effect: float, rows: int
) -> None:
    differences = np.random.default_rng(seed).normal(effect, 1, size=8)

    forecast = forecast_seeds(differences, rows)

    assert forecast_seeds(-4 * differences, rows) == forecast
    if forecast is not None:
        assert 1 <= forecast.low <= (forecast.high or MOST_MORE_SEEDS)
        assert 0 <= forecast.still_open <= 1


def test_more_rows_need_more_seeds() -> None:
    differences = np.random.default_rng(1).normal(0.9, 1, size=8)
    lows = [f.low for rows in (1, 4, 20) if (f := forecast_seeds(differences, rows)) is not None]

    assert lows == sorted(lows)
    assert len(set(lows)) > 1


@pytest.mark.parametrize("differences", [[], [0.1, 0.2], [0.3] * 6, [0.1, np.inf, 0.2], [0.0] * 8])
def test_no_forecast_where_nothing_is_known(differences: list[float]) -> None:
    assert forecast_seeds(differences, 1) is None


def test_no_difference_gets_no_number_of_seeds() -> None:
    differences = [0.5, -0.5, 0.4, -0.4, 0.6, -0.6, 0.3, -0.3]

    assert forecast_seeds(differences, 4) is None


def test_the_chance_of_staying_open_is_that_of_true_effects_that_the_data_leave_plausible() -> None:
    generator = np.random.default_rng(2)
    promised, open_ones = [], []
    for _ in range(1500):
        effect = generator.uniform(-3, 3)  # flat, as the prior of forecasts is
        values = generator.normal(effect, 1, size=8 + MOST_MORE_SEEDS)
        if anytime_p_value(values[:8]) <= 0.05:
            continue
        forecast = forecast_seeds(values[:8], 1)
        if forecast is None or forecast.high is None:
            continue
        promised.append(forecast.still_open)
        open_ones.append(anytime_p_value(values[: 8 + forecast.high]) > 0.05)

    assert len(promised) > 60
    mean = float(np.mean(promised))
    error = (mean * (1 - mean) / len(promised)) ** 0.5
    assert np.mean(open_ones) == pytest.approx(mean, abs=3 * error)
