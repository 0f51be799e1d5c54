"""What the tests decide of made-up pairs: few pairs, and rows of unequal length."""

from collections.abc import Sequence

import pytest

from dropexp.compare.decisions import decide
from dropexp.compare.pairing import PairedComparison
from dropexp.compare.results import Pair
from dropexp.compare.rules import Rule, TestKind
from dropexp.statistics import Verdict


def compare_values(differences: Sequence[float]) -> PairedComparison:
    pairs = (Pair(seed, 1.0, 1.0 + each) for seed, each in enumerate(differences))
    return PairedComparison(tuple(pairs), sign=1)


@pytest.mark.parametrize("kind", TestKind)
def test_few_equal_results_are_not_practically_equal(kind: TestKind) -> None:
    # On 50 test images two or three accuracies are often the same.
    rule = Rule(kind, margin=0.5)
    for pairs in (2, 3, 5):
        decision = decide({"row": compare_values([0.0] * pairs)}, rule)["row"]
        assert decision.verdict is Verdict.TOO_FEW_SEEDS
    enough = decide({"row": compare_values([0.01, -0.01] * 8)}, rule)["row"]
    assert enough.verdict is Verdict.PRACTICALLY_EQUAL


def test_a_row_with_too_few_pairs_does_not_hide_others() -> None:
    # Under half of all flips the T of two pairs is huge.
    clear = compare_values([0.5, 0.6, 0.4, 0.7, 0.3, 0.5, 0.8, 0.2])
    short = compare_values([0.50, 0.51])
    alone = decide({"clear": clear}, Rule(TestKind.PLANNED))
    beside = decide({"clear": clear, "short": short}, Rule(TestKind.PLANNED))
    assert beside["clear"] == alone["clear"]
    assert beside["clear"].verdict is Verdict.WORSE
    assert beside["short"].verdict is Verdict.TOO_FEW_SEEDS
    assert beside["short"].adjusted_p >= beside["short"].smallest_p
