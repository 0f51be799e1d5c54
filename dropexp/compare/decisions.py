"""The verdict of every row of a table: the only module that tests and corrects."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dropexp.compare.pairing import PairedComparison
from dropexp.statistics import (
    EXACT_UP_TO,
    Verdict,
    decide_verdict,
    holm,
    pairs_needed,
    sign_flip_p_value,
    smallest_adjusted_p,
)
from dropexp.terminal.numbers import format_count

CORRECTION = "Holm"
"""The correction for the number of rows, as tables name it."""


@dataclass(frozen=True)
class Decision:
    """The result of the test for one row of a table.

    Attributes:
        p_value: the p-value of this row alone; NaN without pairs.
        adjusted_p: the p-value after the correction over the table; NaN without pairs.
        smallest_p: the smallest adjusted p-value that the row can have, whatever the data; NaN
            without pairs.
        verdict: what may be claimed.
        pairs_needed: how many pairs in total would settle a difference of this size; None where
            the test is settled already or the number is unknown.
    """

    p_value: float
    adjusted_p: float
    smallest_p: float
    verdict: Verdict
    pairs_needed: int | None


def decide(comparisons: Mapping[str, PairedComparison], alpha: float) -> dict[str, Decision]:
    """Return the decision on every paired comparison of a table, corrected for their number.

    Args:
        comparisons: row name → its comparison with its baseline.
        alpha: the level after correction, in (0, 1).
    """
    rows = list(comparisons.values())
    p_values = [_p_value(row.scores) for row in rows]
    adjusted = holm(p_values).tolist()
    smallest = smallest_adjusted_p(len(row.pairs) for row in rows).tolist()
    tests = sum(not math.isnan(p) for p in adjusted)
    return {
        name: _decide_row(row, p, adjusted_p, smallest_p, alpha, tests)
        for (name, row), p, adjusted_p, smallest_p in zip(
            comparisons.items(), p_values, adjusted, smallest, strict=True
        )
    }


def describe_test(pairs: Sequence[int], alpha: float) -> str:
    """Return the sentences on what was tested and how it was corrected.

    Args:
        pairs: the number of pairs of each row that has a baseline; at least one row.
        alpha: the level after correction.
    """
    tests = sum(map(bool, pairs))
    exact = "exact " if max(pairs) <= EXACT_UP_TO else ""
    return (
        f"The test is the {exact}two-sided sign-flip test of the paired differences, with "
        f"{CORRECTION}'s correction over {format_count(tests, 'row')}; better or worse means "
        f"p <= {alpha:g}. The verdict is corrected, the intervals are not."
    )


def _decide_row(
    row: PairedComparison,
    p_value: float,
    adjusted_p: float,
    smallest_p: float,
    alpha: float,
    tests: int,
) -> Decision:
    outcome = decide_verdict(adjusted_p, row.mean_score, smallest_p, alpha)
    needed = None
    if outcome in (Verdict.TOO_FEW_SEEDS, Verdict.NO_CLEAR_DIFFERENCE):
        needed = pairs_needed(row.scores, alpha, comparisons=max(tests, 1))
    return Decision(p_value, adjusted_p, smallest_p, outcome, needed)


def _p_value(scores: Sequence[float]) -> float:
    if len(scores) <= EXACT_UP_TO:
        return sign_flip_p_value(scores)
    # The seed is fixed, so that the same runs give the same table.
    return sign_flip_p_value(scores, np.random.default_rng(0))
