"""Single numbers from the curves of a run."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropexp.statistics import (
    area_between,
    common_target,
    matched_epoch,
    rise_after_best,
)

NAN, INF = math.nan, math.inf
CURVES = st.lists(
    st.lists(st.floats(0, 5, allow_subnormal=False), min_size=1, max_size=8),
    min_size=1,
    max_size=5,
)


def test_the_area_follows_the_trapezoidal_rule_and_has_a_sign() -> None:
    train, val = [2.0, 1.0, 0.5, 0.1], [2.0, 1.5, 1.4, 2.1]
    expected = float(np.trapezoid(np.subtract(val, train)))
    assert area_between(train, val) == pytest.approx(expected, abs=1e-12) == 2.4
    assert area_between(val, train) == pytest.approx(-2.4, abs=1e-12)


def test_steps_without_a_finite_gap_are_left_out() -> None:
    assert area_between([0.0] * 5, [1.0, 3.0, NAN, 1.0, 2.0]) == 2.0 + 1.5
    assert area_between([0.0] * 3, [1.0, 3.0, INF]) == 2.0
    assert area_between([0.0, 1.0, INF], [1.0, 1.0, INF]) == 0.5
    assert area_between([1.0], [4.0]) == 0.0
    assert math.isnan(area_between([], []))
    assert math.isnan(area_between([INF, 1.0], [INF, NAN]))
    with pytest.raises(ValueError, match="train_loss has 2 epochs and val_loss 1"):
        area_between([1.0, 2.0], [1.0])


def test_the_rise_is_from_the_first_best_epoch() -> None:
    rise = rise_after_best([5.0, 1.0, 1.0, 3.0, 2.0])
    assert (rise.best_epoch, rise.last, rise.highest) == (2, 1.0, 2.0)
    falling = rise_after_best([3.0, 2.0, 1.0])
    assert (falling.best_epoch, falling.last, falling.highest) == (3, 0.0, 0.0)


def test_a_curve_without_finite_values_has_no_rise() -> None:
    diverged = rise_after_best([2.0, NAN, 1.0, 4.0, NAN])
    assert (diverged.best_epoch, diverged.highest) == (3, 3.0)
    assert math.isnan(diverged.last)
    assert rise_after_best([1.0, INF]).last == INF
    nothing = rise_after_best([NAN, INF])
    assert nothing.best_epoch is None
    assert math.isnan(nothing.last)
    assert math.isnan(nothing.highest)
    assert rise_after_best([]).best_epoch is None


@given(curves=CURVES)
def test_every_curve_reaches_the_common_target_and_none_lower(curves: list[list[float]]) -> None:
    target = common_target(curves)
    epochs = [matched_epoch(curve, target) for curve in curves]
    for curve, epoch in zip(curves, epochs, strict=True):
        assert epoch is not None
        assert curve[epoch - 1] <= target
        assert all(loss > target for loss in curve[: epoch - 1])
    assert None in [matched_epoch(curve, np.nextafter(target, -1)) for curve in curves]


def test_a_target_that_is_never_reached_has_no_epoch() -> None:
    assert matched_epoch([2.0, 1.0], 0.5) is None
    assert matched_epoch([NAN, 1.0, 0.4], 0.5) == 3
    assert matched_epoch([2.0], NAN) is None
    assert matched_epoch([], 1.0) is None
    assert math.isnan(common_target([]))
    assert math.isnan(common_target([[1.0], [NAN, INF]]))
    assert common_target([[1.0, NAN], [0.2]]) == 1.0
