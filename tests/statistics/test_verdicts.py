"""What a p-value allows to be claimed."""

import math

import pytest

from dropexp.statistics import (
    Verdict,
    decide_verdict,
    holm,
    sign_flip_p_value,
    smallest_adjusted_p,
)


@pytest.mark.parametrize(
    ("adjusted_p", "difference", "smallest_p", "expected"),
    [
        (0.05, -0.1, 0.01, Verdict.BETTER),
        (0.05, 0.1, 0.05, Verdict.WORSE),
        (0.051, -0.1, 0.01, Verdict.NO_CLEAR_DIFFERENCE),
        (1.0, 0.0, 0.01, Verdict.NO_CLEAR_DIFFERENCE),
        (0.01, 0.0, 0.01, Verdict.NO_CLEAR_DIFFERENCE),
        (0.0625, -0.1, 0.0625, Verdict.TOO_FEW_SEEDS),
        (1.0, 0.1, 0.0625, Verdict.TOO_FEW_SEEDS),
        (math.nan, math.nan, math.nan, Verdict.TOO_FEW_SEEDS),
    ],
)
def test_the_verdict_follows_from_the_p_value_and_the_smallest_possible_one(
    adjusted_p: float, difference: float, smallest_p: float, expected: Verdict
) -> None:
    assert decide_verdict(adjusted_p, difference, smallest_p) is expected


def test_six_seeds_are_enough_for_one_row_and_too_few_for_five() -> None:
    def of(pairs: int, rows: int) -> Verdict:
        p = holm([sign_flip_p_value([-0.1] * pairs)] * rows)[0]
        return decide_verdict(p, -0.1, smallest_adjusted_p([pairs] * rows)[0])

    assert of(5, 1) is Verdict.TOO_FEW_SEEDS
    assert of(6, 1) is Verdict.BETTER
    assert of(6, 5) is Verdict.TOO_FEW_SEEDS
    assert of(8, 5) is Verdict.BETTER


def test_a_verdict_is_text_and_its_level_is_checked() -> None:
    assert f"{Verdict.NO_CLEAR_DIFFERENCE}" == "no clear difference"
    with pytest.raises(ValueError, match="alpha"):
        decide_verdict(0.01, -0.1, 0.01, alpha=0.0)
