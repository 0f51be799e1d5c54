"""The step-down max-t test against brute force, its floor, its invariances and its level."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dropexp.statistics import sign_flip_p_value, smallest_flip_p, step_down_max_t

Table = NDArray[np.float64]


def brute_force(table: Table) -> list[float]:
    """Return the step-down p-values by the definition, over all 2^n patterns of signs."""

    def statistics(rows: Table) -> Table:
        deviations = rows.std(axis=1, ddof=1)
        ratios: Table = np.abs(rows.mean(axis=1)) / np.where(deviations > 0, deviations, 1e-300)
        return ratios

    observed = statistics(table)
    order = np.argsort(-observed, kind="stable")
    patterns = [
        statistics(table * np.array(signs)) for signs in product((1, -1), repeat=table.shape[1])
    ]
    p_values, previous = np.zeros(len(table)), 0.0
    for place, row in enumerate(order):
        left = order[place:]
        reached = np.mean(
            [flipped[left].max() >= observed[row] * (1 - 1e-9) for flipped in patterns]
        )
        previous = max(previous, float(reached))
        p_values[row] = previous
    return p_values.tolist()


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(1, 5), seeds=st.integers(3, 7), seed=st.integers(0, 10_000))
def test_equals_the_definition(rows: int, seeds: int, seed: int) -> None:
    table = np.random.default_rng(seed).normal(size=(rows, seeds))

    np.testing.assert_allclose(step_down_max_t(table), brute_force(table), atol=1e-12)


@given(seed=st.integers(0, 10_000), seeds=st.integers(2, 12))
def test_one_row_is_the_sign_flip_test(seed: int, seeds: int) -> None:
    row = np.random.default_rng(seed).normal(size=seeds)

    assert step_down_max_t(row[None])[0] == pytest.approx(sign_flip_p_value(row))


@pytest.mark.parametrize("rows", [1, 4, 20, 1000])
def test_the_smallest_p_does_not_depend_on_the_number_of_rows(rows: int) -> None:
    noise = np.random.default_rng(0).normal(size=(rows, 8))
    noise[0] = 5 + 0.01 * noise[0]

    assert step_down_max_t(noise)[0] == smallest_flip_p(8) == 2 / 2**8


@given(seed=st.integers(0, 10_000), unit=st.floats(1e-6, 1e6))
def test_the_unit_and_the_order_of_rows_and_seeds_do_not_matter(seed: int, unit: float) -> None:
    generator = np.random.default_rng(seed)
    table = generator.normal(0.5, 1, size=(4, 7))
    rows, seeds = generator.permutation(4), generator.permutation(7)

    expected = step_down_max_t(table)[rows]

    np.testing.assert_allclose(step_down_max_t(unit * table[rows][:, seeds]), expected)
    np.testing.assert_allclose(step_down_max_t(-table), step_down_max_t(table))


def test_a_row_is_flipped_by_the_seeds_it_has() -> None:
    table = np.random.default_rng(1).normal(1, 1, size=(2, 8))
    alone = step_down_max_t(table[:1, :6])[0]
    table[0, 6:] = np.nan
    table[1] = 0.0  # never reaches the other row

    assert step_down_max_t(table)[0] == pytest.approx(alone)


def test_rows_with_fewer_than_two_pairs_are_not_tested() -> None:
    table = np.full((3, 6), np.nan)
    table[0] = [1, 2, 3, 4, 5, 6]
    table[1, 0] = 9.0

    p_values = step_down_max_t(table)

    assert p_values[0] == 2 / 2**6
    assert np.isnan(p_values[1:]).all()
    assert np.isnan(step_down_max_t(np.full((2, 0), np.nan))).all()


def test_a_row_without_any_difference_has_p_one() -> None:
    assert step_down_max_t(np.zeros((2, 6))).tolist() == [1.0, 1.0]


def test_many_seeds_need_a_generator_and_give_the_same_p_for_the_same_one() -> None:
    table = np.random.default_rng(0).normal(0.4, 1, size=(3, 20))
    with pytest.raises(ValueError, match="20 seeds are too many"):
        step_down_max_t(table)

    first, again = (step_down_max_t(table, np.random.default_rng(7)) for _ in range(2))

    assert first.tolist() == again.tolist()
    assert first.min() >= 1 / 20_000
    exact = sign_flip_p_value(table[0])
    drawn = step_down_max_t(table[:1], np.random.default_rng(1), flips=50_000)[0]
    assert drawn == pytest.approx(exact, abs=4 * (exact / 50_000) ** 0.5)


def test_keeps_its_level_over_rows_that_share_a_baseline() -> None:
    generator = np.random.default_rng(5)
    tables = 400
    alarms = 0
    for _ in range(tables):
        table = generator.normal(size=(10, 8)) - generator.normal(size=8)
        alarms += int(step_down_max_t(table).min() <= 0.05)

    assert alarms / tables <= 0.05 + 2.6 * (0.05 * 0.95 / tables) ** 0.5


def test_refuses_what_is_no_table() -> None:
    with pytest.raises(ValueError, match="1 dimensions"):
        step_down_max_t([1.0, 2.0])
