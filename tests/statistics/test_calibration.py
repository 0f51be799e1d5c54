"""Calibration error and log-likelihood of predicted probabilities."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropexp.statistics import (
    expected_calibration_error,
    negative_log_likelihood,
)

NAN, INF = math.nan, math.inf


def test_a_constant_predictor_with_matching_accuracy_is_calibrated() -> None:
    probabilities = np.tile([0.7, 0.2, 0.1], (10, 1))
    labels = [0] * 7 + [1, 1, 2]
    assert expected_calibration_error(probabilities, labels) == pytest.approx(0, abs=1e-12)
    assert expected_calibration_error(probabilities, [0] * 10) == pytest.approx(0.3, abs=1e-12)
    assert expected_calibration_error(probabilities, [1] * 10) == pytest.approx(0.7, abs=1e-12)


def test_certain_predictions_have_error_1_if_wrong_and_0_if_right() -> None:
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
def test_the_calibration_error_equals_its_definition(seed: int, bins: int) -> None:
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


def test_the_negative_log_likelihood_equals_scikit_learns() -> None:
    import sklearn.metrics  # 1 s, which other test processes do not need

    generator = np.random.default_rng(0)
    table = generator.dirichlet(np.ones(5), size=50)
    labels = generator.integers(0, 5, size=50)
    expected = sklearn.metrics.log_loss(labels, table, labels=range(5))
    assert negative_log_likelihood(table, labels) == pytest.approx(expected, abs=1e-9)
    assert negative_log_likelihood([[0.0, 1.0]], [0]) == INF
    assert math.copysign(1, negative_log_likelihood([[0.0, 1.0]], [1])) == 1  # 0 and not −0


def test_float32_probabilities_are_accepted() -> None:
    logits = np.random.default_rng(0).normal(0, 9, size=(100, 10)).astype(np.float32)
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    softmax = shifted / shifted.sum(axis=1, keepdims=True)
    assert 0 <= expected_calibration_error(softmax, np.zeros(100, dtype=np.int64)) <= 1


@pytest.mark.parametrize("measure", [expected_calibration_error, negative_log_likelihood])
def test_invalid_probabilities_and_labels_are_refused(measure: Callable[..., float]) -> None:
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


def test_there_is_at_least_one_bin() -> None:
    with pytest.raises(ValueError, match="bins"):
        expected_calibration_error([[1.0]], [0], bins=0)
