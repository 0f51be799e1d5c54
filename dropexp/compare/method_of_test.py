"""The sentences on the test: which one spoke and why, its correction, and what it leaves out."""

import math

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
    rows = format_count(comparison.tests, "row")
    sentences = [
        f"The {test.kind} test ({_describe_statistic(comparison)} over {rows}) decides better or "
        f"worse at p <= {rule.alpha:g}, {test.reason}."
    ]
    if test.kind is TestKind.ANYTIME:
        sentences[0] += " It holds however often results are looked at."
    shown = sum(bool(row.pairs) for row in comparison.rows)
    if shown < comparison.tests:
        sentences.append(
            f"The {rows} are those of the whole study, of which this table shows {shown}: a filter "
            f"makes no test easier."
        )
    if rule.margin is not None:
        size = comparison.metric.describe_size(rule.margin)
        share = f"{rule.alpha:g}/{max(comparison.tests, 1)}"
        if test.kind is TestKind.ANYTIME:
            how = f"tests of both ends of ±{size}, by the likelihood ratio of t, have p <= {share}"
        else:
            how = f"the interval of level 1 − 2·{share} is within ±{size}"
        sentences.append(f"Practically equal means that {how}.")
    return sentences + _describe_uncounted(comparison) + _describe_explored(comparison)


def describe_interval(comparison: Comparison) -> str:
    """Return the sentence on the interval of a difference, which belongs to the test."""
    name = name_interval(comparison)
    if comparison.test.kind is TestKind.PLANNED:
        return f"Its {name} is for one row."
    notes = [f"Its {name} holds at all looks together, for one row"]
    shown = [(row.difference, row.verdict) for row in comparison.rows if row.difference]
    if any(math.isinf(difference.low) for difference, _ in shown):
        notes.append("it needs four seeds")
    claimed = [each for each, verdict in shown if verdict in (Verdict.BETTER, Verdict.WORSE)]
    if any(each.low < 0 < each.high for each in claimed):
        notes.append("it assumes normal differences, the test does not, so it may be the wider one")
    return f"{'; '.join(notes)}."


def name_interval(comparison: Comparison) -> str:
    """Return what the interval of a difference is: ``95% anytime interval``."""
    kind = "anytime" if comparison.test.kind is TestKind.ANYTIME else "t"
    return f"{comparison.rule.confidence:.0%} {kind} interval"


def _describe_statistic(comparison: Comparison) -> str:
    if comparison.test.kind is TestKind.ANYTIME:
        return "e-process for symmetry, Holm's correction"
    most = max((len(row.pairs) for row in comparison.rows), default=0)
    if comparison.rule.correction is Correction.HOLM:
        exact = "exact " if most <= EXACT_UP_TO else ""
        return f"{exact}two-sided sign flips, Holm's correction"
    flips = "exact" if most <= ALL_FLIPS_UP_TO else "random"
    return f"{flips} joint sign flips, step-down max-t correction"


def _describe_uncounted(comparison: Comparison) -> list[str]:
    uncounted = sum(row.uncounted for row in comparison.rows)
    if not uncounted:
        return []
    return [
        f"{format_count(uncounted, 'pair')} not counted: seeds count in the order in which they "
        f"were asked for, up to the first without a result or out of view. Without a filter, and "
        f"with all runs trained, they count."
    ]


def _describe_explored(comparison: Comparison) -> list[str]:
    explored = sum(row.verdict is Verdict.EXPLORATION for row in comparison.rows)
    if not explored:
        return []
    is_one = explored == 1
    return [
        f"{format_count(explored, 'setting')} {'is' if is_one else 'are'} exploration: a search "
        f"tried {'it' if is_one else 'them'} because of earlier results, which is no test."
    ]
