"""The sentences on the test: which one spoke and why, its correction, and what it leaves out."""

from dropexp.compare.results import Comparison
from dropexp.compare.rules import TestKind
from dropexp.runs.question_types import Correction
from dropexp.statistics import EXACT_UP_TO, Verdict
from dropexp.statistics.max_t import ALL_FLIPS_UP_TO
from dropexp.terminal.numbers import format_count


def describe_test(comparison: Comparison) -> list[str]:
    """Return the sentences on what was tested, and how it was corrected.

    Args:
        comparison: with at least one row that has a baseline.
    """
    test, rule = comparison.test, comparison.rule
    sentences = [f"The {test.kind} test speaks, {test.reason}."]
    method = _describe_planned(comparison)
    if test.kind is TestKind.ANYTIME:
        method = "It holds however often results are looked at: the symmetry e-process with Holm's"
    claim = f"better or worse means p <= {rule.alpha:g}"
    sentences.append(f"{method} correction over {_describe_family(comparison)}; {claim}.")
    if rule.margin is not None:
        size = comparison.metric.describe_size(rule.margin)
        sentences.append(
            f"Practically equal means that the difference is within ±{size}: its interval of level "
            f"1 − 2·{rule.alpha:g}/{max(comparison.tests, 1)} is."
        )
    sentences.append(_describe_interval(comparison))
    return sentences + _describe_uncounted(comparison) + _describe_explored(comparison)


def _describe_planned(comparison: Comparison) -> str:
    most = max((len(row.pairs) for row in comparison.rows), default=0)
    if comparison.rule.correction is Correction.HOLM:
        exact = "exact " if most <= EXACT_UP_TO else ""
        return f"It is the {exact}two-sided sign-flip test of the paired differences, with Holm's"
    flips = "all" if most <= ALL_FLIPS_UP_TO else "random"
    return f"It flips the signs of all rows jointly ({flips} patterns), with the step-down max-t"


def _describe_family(comparison: Comparison) -> str:
    rows = format_count(comparison.tests, "row")
    shown = sum(bool(row.pairs) for row in comparison.rows)
    if shown == comparison.tests:
        return rows
    return f"{rows}, all of the studies that these runs belong to, of which {shown} are shown"


def _describe_interval(comparison: Comparison) -> str:
    confidence = f"{comparison.rule.confidence:.0%}"
    if comparison.test.kind is TestKind.ANYTIME:
        return (
            f"The interval of a difference holds at all looks together ({confidence}), for one row "
            f"at a time; it needs four seeds."
        )
    return f"The interval of a difference is a {confidence} t interval, of one row at a time."


def _describe_uncounted(comparison: Comparison) -> list[str]:
    uncounted = sum(row.uncounted for row in comparison.rows)
    if not uncounted:
        return []
    return [
        f"{format_count(uncounted, 'pair')} not counted: the test takes seeds in the order in "
        f"which they were asked for, up to the first one without a result or out of view."
    ]


def _describe_explored(comparison: Comparison) -> list[str]:
    explored = sum(row.verdict is Verdict.EXPLORATION for row in comparison.rows)
    if not explored:
        return []
    return [
        f"{format_count(explored, 'setting')} tried by a search, which proposed them because of "
        f"earlier results: exploration, which is not tested."
    ]
