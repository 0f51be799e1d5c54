"""Numbers from curves, and calibration."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from dropexp.statistics import (
    area_between,
    common_target,
    expected_calibration_error,
    matched_epoch,
    negative_log_likelihood,
    rise_after_best,
)

NAN, INF = math.nan, math.inf
CURVES = st.lists(
    st.lists(st.floats(0, 5, allow_subnormal=False), min_size=1, max_size=8),
    min_size=1,
    max_size=5,
)


def test_the_area_is_the_trapezoidal_rules_and_has_a_sign() -> None:
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
    with pytest.raises(ValueError, match="2 epochs against 1"):
        area_between([1.0, 2.0], [1.0])


def test_the_rise_is_from_the_first_best_epoch() -> None:
    rise = rise_after_best([5.0, 1.0, 1.0, 3.0, 2.0])
    assert (rise.best_epoch, rise.last, rise.highest) == (2, 1.0, 2.0)
    falling = rise_after_best([3.0, 2.0, 1.0])
    assert (falling.best_epoch, falling.last, falling.highest) == (3, 0.0, 0.0)


def test_a_rise_to_no_number_is_none() -> None:
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


def test_a_target_that_is_never_reached() -> None:
    assert matched_epoch([2.0, 1.0], 0.5) is None
    assert matched_epoch([NAN, 1.0, 0.4], 0.5) == 3
    assert matched_epoch([2.0], NAN) is None
    assert matched_epoch([], 1.0) is None
    assert math.isnan(common_target([]))
    assert math.isnan(common_target([[1.0], [NAN, INF]]))
    assert common_target([[1.0, NAN], [0.2]]) == 1.0


def test_a_constant_predictor_that_is_right_as_often_as_it_says_is_calibrated() -> None:
    probabilities = np.tile([0.7, 0.2, 0.1], (10, 1))
    labels = [0] * 7 + [1, 1, 2]
    assert expected_calibration_error(probabilities, labels) == pytest.approx(0, abs=1e-12)
    assert expected_calibration_error(probabilities, [0] * 10) == pytest.approx(0.3, abs=1e-12)
    assert expected_calibration_error(probabilities, [1] * 10) == pytest.approx(0.7, abs=1e-12)


def test_always_sure_and_always_wrong_is_1_and_always_right_0() -> None:
    sure = np.eye(3)[[0, 1, 2, 0]]
    assert expected_calibration_error(sure, [1, 2, 0, 2]) == 1.0
    assert expected_calibration_error(sure, [0, 1, 2, 0]) == 0.0


def test_errors_of_opposite_sign_cancel_within_a_bin_only() -> None:
    probabilities = [[0.6, 0.4], [0.6, 0.4], [0.9, 0.1], [0.9, 0.1]]
    labels = [0, 0, 1, 1]  # too modest at 0.6, too sure at 0.9
    assert expected_calibration_error(probabilities, labels) == pytest.approx(0.65, abs=1e-12)
    one_bin = expected_calibration_error(probabilities, labels, bins=1)
    assert one_bin == pytest.approx(0.25, abs=1e-12)


def test_a_bin_holds_its_upper_edge() -> None:
    # 0.6 = 9/15 belongs below its edge, with 0.55; 0.62 above it.
    table = [[0.6, 0.4], [0.55, 0.45], [0.62, 0.38]]
    expected = (abs(1 - 0.6 - 0.55) + abs(1 - 0.62)) / 3
    assert expected_calibration_error(table, [0, 1, 0]) == pytest.approx(expected, abs=1e-12)


@given(seed=st.integers(0, 10_000), bins=st.integers(1, 20))
def test_the_calibration_error_is_the_definitions(seed: int, bins: int) -> None:
    generator = np.random.default_rng(seed)
    table = generator.dirichlet(np.full(4, 0.5), size=30)
    labels = generator.integers(0, 4, size=30)
    expected = 0.0
    for number in range(bins):
        inside = [
            (row, label)
            for row, label in zip(table, labels, strict=True)
            if number / bins < max(row) <= (number + 1) / bins
        ]
        if inside:
            accuracy = np.mean([np.argmax(row) == label for row, label in inside])
            confidence = np.mean([max(row) for row, _ in inside])
            expected += len(inside) / 30 * abs(accuracy - confidence)
    assert expected_calibration_error(table, labels, bins) == pytest.approx(expected, abs=1e-12)


def test_the_negative_log_likelihood_is_scikit_learns() -> None:
    generator = np.random.default_rng(0)
    table = generator.dirichlet(np.ones(5), size=50)
    labels = generator.integers(0, 5, size=50)
    expected = sklearn.metrics.log_loss(labels, table, labels=range(5))
    assert negative_log_likelihood(table, labels) == pytest.approx(expected, abs=1e-9)
    assert negative_log_likelihood([[0.0, 1.0]], [0]) == INF
    assert math.copysign(1, negative_log_likelihood([[0.0, 1.0]], [1])) == 1  # 0 and not −0


def test_float32_probabilities_are_probabilities() -> None:
    logits = np.random.default_rng(0).normal(0, 9, size=(100, 10)).astype(np.float32)
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    softmax = shifted / shifted.sum(axis=1, keepdims=True)
    assert 0 <= expected_calibration_error(softmax, np.zeros(100, dtype=np.int64)) <= 1


@pytest.mark.parametrize("measure", [expected_calibration_error, negative_log_likelihood])
def test_what_is_no_prediction_is_refused(measure: Callable[..., float]) -> None:
    assert math.isnan(measure(np.zeros((0, 3)), []))
    for table, labels, message in (
        ([0.5, 0.5], [0, 1], "shapes"),
        ([[0.5, 0.5]], [0, 1], "shapes"),
        ([[0.5, 0.5]], [2], "outside"),
        ([[0.5, 0.5]], [-1], "outside"),
        ([[0.5, 0.5]], [0.0], "integers"),
        ([[0.5, 0.6]], [0], "distribution"),
        ([[1.5, -0.5]], [0], "distribution"),
        ([[NAN, 1.0]], [0], "distribution"),
    ):
        with pytest.raises(ValueError, match=message):
            measure(table, labels)


def test_bins_are_counted_from_1() -> None:
    with pytest.raises(ValueError, match="bins"):
        expected_calibration_error([[1.0]], [0], bins=0)
