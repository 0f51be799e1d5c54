"""Holm's correction as a closed test, and the smallest p-values after it."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropexp.statistics import (
    holm,
    sign_flip_p_value,
    smallest_adjusted_p,
)

DIFFERENCES = st.floats(-5, 5, allow_subnormal=False)


@settings(max_examples=60)
@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=7))
def test_holm_is_the_closed_test_of_bonferroni_and_keeps_the_order(p_values: list[float]) -> None:
    """A row is rejected if Bonferroni rejects every set of hypotheses that includes it."""
    adjusted = holm(p_values)
    rows = range(len(p_values))
    sets = [subset for size in rows for subset in combinations(rows, size + 1)]
    of_sets = {subset: len(subset) * min(p_values[row] for row in subset) for subset in sets}
    expected = [min(1.0, max(p for s, p in of_sets.items() if row in s)) for row in rows]
    np.testing.assert_allclose(adjusted, expected, rtol=0, atol=1e-9)
    order = np.argsort(p_values)
    assert (np.diff(adjusted[order]) >= 0).all()
    assert (adjusted >= p_values).all()
    assert (adjusted <= 1).all()


def test_rows_without_a_test_do_not_count_in_holm() -> None:
    adjusted = holm([None, 0.01, math.nan, 0.04, 0.03])
    np.testing.assert_allclose(adjusted, [math.nan, 0.03, math.nan, 0.06, 0.06])
    assert len(holm([])) == 0
    assert np.isnan(holm([None])).all()


def test_holm_does_not_change_its_argument_and_refuses_values_outside_0_to_1() -> None:
    given_values = np.array([0.01, 0.02])
    holm(given_values)
    assert given_values.tolist() == [0.01, 0.02]
    for wrong in (-0.1, 1.1):
        with pytest.raises(ValueError, match="outside"):
            holm([0.5, wrong])


def test_the_smallest_adjusted_p_is_the_smallest_over_m() -> None:
    assert smallest_adjusted_p([6] * 5).tolist() == [5 * 2 / 64] * 5
    assert smallest_adjusted_p([5]).tolist() == [0.0625]
    # A row of few pairs beside rows of many is corrected for itself only.
    few, many, none = smallest_adjusted_p([6, 12, 0]).tolist()
    assert (few, many) == (2 / 64, 2 * 2 / 4096)
    assert math.isnan(none)


@given(
    table=st.lists(st.lists(DIFFERENCES, min_size=1, max_size=7), min_size=1, max_size=6),
)
def test_no_table_comes_below_its_smallest_adjusted_p(table: list[list[float]]) -> None:
    adjusted = holm([sign_flip_p_value(row) for row in table])
    assert (adjusted >= smallest_adjusted_p([len(row) for row in table]) - 1e-15).all()
