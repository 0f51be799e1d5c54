import math

import pytest

from dropexp.compare.interpolation import find_threshold


@pytest.mark.parametrize(
    ("errors", "threshold"),
    [
        ({16: 0.4, 47: 0.05, 61: 0.01, 135: 0.0}, 61),
        ({135: 0.0, 16: 0.4, 61: 0.0}, 61),
        ({16: 0.4, 47: 0.005, 61: 0.02, 135: 0.0}, 135),  # from which on all larger ones fit
        ({16: 0.4, 47: 0.0, 61: 0.02}, None),
        ({16: 0.0, 47: math.nan, 61: 0.0}, 61),
        ({}, None),
    ],
)
def test_the_threshold_is_the_size_from_which_on_labels_are_fitted(
    errors: dict[float, float], threshold: float | None
) -> None:
    assert find_threshold(errors) == threshold
