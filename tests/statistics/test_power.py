"""The probability of finding a difference, against the tests themselves."""

import numpy as np
import pytest
from numpy.typing import NDArray

from dropexp.statistics import (
    anytime_p_value,
    anytime_power,
    holm,
    planned_power,
    step_down_max_t,
)


def draw_table(
    generator: np.random.Generator, effect: float, rows: int, seeds: int
) -> NDArray[np.float64]:
    """Paired differences of rows that share a baseline; the first has the true difference."""
    settings, baseline = generator.normal(size=(rows, seeds)), generator.normal(size=seeds)
    table: NDArray[np.float64] = (settings - baseline) / np.sqrt(2)
    table[0] += effect
    return table


@pytest.mark.parametrize(
    ("effect", "seeds", "rows"), [(1.5, 8, 20), (2.5, 6, 20), (1.5, 7, 4), (1.0, 10, 1)]
)
def test_planned_power_is_the_share_of_tables_in_which_the_real_test_finds_the_row(
    effect: float, seeds: int, rows: int
) -> None:
    generator = np.random.default_rng(1)
    found = [
        step_down_max_t(draw_table(generator, effect, rows, seeds))[0] <= 0.05 for _ in range(400)
    ]
    assert planned_power(effect, seeds, rows) == pytest.approx(np.mean(found), abs=0.075)


def test_drawn_flips_have_the_power_of_all_flips() -> None:
    generator = np.random.default_rng(2)
    found = [step_down_max_t(draw_table(generator, 1.2, 9, 12))[0] <= 0.05 for _ in range(300)]
    assert planned_power(1.2, 12, 9) == pytest.approx(np.mean(found), abs=0.085)


@pytest.mark.parametrize(
    ("effect", "powers"), [(1.5, (0.17, 0.51, 0.72)), (2.5, (0.45, 0.97, 1.00))]
)
def test_planned_power_has_the_reference_values_of_twenty_rows(
    effect: float, powers: tuple[float, ...]
) -> None:
    # The reference has three such rows of twenty, which help one another a little.
    found = [planned_power(effect, seeds, 20) for seeds in (6, 8, 10)]
    assert found == pytest.approx(powers, abs=0.08)


@pytest.mark.parametrize(("effect", "seeds", "rows"), [(1.5, 10, 4), (2.0, 12, 9), (1.0, 16, 1)])
def test_anytime_power_is_the_share_of_tables_in_which_the_real_test_finds_the_row(
    effect: float, seeds: int, rows: int
) -> None:
    generator = np.random.default_rng(3)
    found = []
    for _ in range(300):
        table = draw_table(generator, effect, rows, seeds)
        found.append(holm([anytime_p_value(row) for row in table])[0] <= 0.05)
    assert anytime_power(effect, seeds, rows) == pytest.approx(np.mean(found), abs=0.085)


def test_what_no_data_can_show_has_no_power() -> None:
    assert planned_power(9.0, 5, 1) == anytime_power(9.0, 5, 1) == 0.0
    assert planned_power(9.0, 0, 1) == anytime_power(9.0, 0, 1) == 0.0
    assert planned_power(9.0, 6, 1) == anytime_power(9.0, 6, 1) == 1.0
    assert anytime_power(9.0, 9, 20) == 0.0  # evidence of 400 from nine signs


def test_power_is_the_level_where_nothing_differs() -> None:
    assert planned_power(0.0, 8, 1) == pytest.approx(0.05, abs=0.02)
    assert planned_power(0.0, 8, 20) < 0.02
    assert anytime_power(0.0, 60, 1) <= 0.05


def test_power_grows_with_the_seeds_and_the_difference() -> None:
    for power in (planned_power, anytime_power):
        by_seeds = [power(1.5, seeds, 4) for seeds in (6, 8, 10, 14)]
        assert by_seeds == sorted(by_seeds)
        by_effect = [power(effect, 12, 4) for effect in (0.5, 1.0, 1.5, 2.0)]
        assert by_effect == sorted(by_effect)


def test_the_same_question_has_the_same_answer() -> None:
    for power in (planned_power, anytime_power):
        first = power(1.5, 11, 4)
        power.cache_clear()
        assert power(1.5, 11, 4) == first


@pytest.mark.parametrize(
    "arguments", [(1.5, -1, 4), (1.5, 8, 0), (1.5, 8, 4, 0.0), (1.5, 8, 4, 1.0)]
)
def test_numbers_out_of_range_are_refused(arguments: tuple[float, int, int]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        planned_power(*arguments)
    with pytest.raises(ValueError, match="allowed"):
        anytime_power(*arguments)
