"""The sentences on the test: which one spoke and why, its correction, and what it leaves out."""

import math

from dropexp.compare.results import Comparison, Row
from dropexp.compare.rules import TestKind
from dropexp.runs.question_types import Correction
from dropexp.statistics import EXACT_UP_TO, Verdict
from dropexp.statistics.max_t import ALL_FLIPS_UP_TO
from dropexp.terminal.numbers import format_count, list_few

TWO_PROCEDURES = (
    "the test and the interval are two procedures, and the interval assumes normal differences, "
    "the test does not"
)


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
    uncounted = describe_uncounted(comparison)
    sentences += [uncounted] if uncounted else []
    return sentences + _describe_pairs(comparison) + _describe_explored(comparison)


def explain_no_test(comparison: Comparison) -> str:
    """Return why nothing is tested although rows have baselines, as sentences."""
    explored = _describe_explored(comparison)
    if explored:
        return f"Nothing is tested: {explored[0]}"
    if uncounted := describe_uncounted(comparison):
        return f"Nothing is tested: {uncounted}"
    return "Nothing is tested: no setting has a seed in common with its baseline."


def describe_interval(comparison: Comparison) -> str:
    """Return the sentence on the interval of a difference, which belongs to the test.

    Empty where no difference has one, because there is one seed.
    """
    if all(row.difference is None or row.difference.n <= 1 for row in comparison.rows):
        return ""
    name = name_interval(comparison)
    if comparison.test.kind is TestKind.PLANNED:
        return f"Its {name} is for one row.{_describe_zeros(comparison)}"
    notes = [f"Its {name} holds at all looks together, for one row"]
    shown = [row.difference for row in comparison.rows if row.difference]
    if any(math.isinf(difference.low) for difference in shown):
        notes.append("it needs four seeds")
    return f"{'; '.join(notes)}.{_describe_zeros(comparison)}"


def includes_zero(row: Row) -> bool:
    """Return whether a row is better or worse although its interval includes 0."""
    difference = row.difference
    is_claimed = row.verdict in (Verdict.BETTER, Verdict.WORSE)
    return is_claimed and difference is not None and difference.low < 0 < difference.high


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


def _describe_zeros(comparison: Comparison) -> str:
    """Return the sentence on rows that are decided although their interval includes 0."""
    names = [row.setting.name for row in comparison.rows if includes_zero(row)]
    return (
        f" It includes 0 in {list_few(names, noun='setting')}: {TWO_PROCEDURES}." if names else ""
    )


def describe_uncounted(comparison: Comparison) -> str:
    """Return the sentences on the pairs that the test does not count, by cause; else nothing."""
    rows = [row for row in comparison.rows if row.uncounted]
    if not rows:
        return ""
    pairs = sum(row.uncounted for row in rows)
    order = (
        f"{format_count(pairs, 'pair')} {'is' if pairs == 1 else 'are'} not counted: seeds count "
        f"in the order in which they were asked for, up to the first"
    )
    outside = max(row.seeds_outside for row in rows)
    if not outside:
        return f"{order} without a result. With all runs trained, they count."
    return (
        f"{order} without a result or outside this table. These settings have results on "
        f"{format_count(outside, 'other seed')}, asked for earlier, outside this table. Compare "
        f"them together (dropexp compare without a filter), or register a study of fresh seeds "
        f"(dropexp study register)."
    )


def _describe_pairs(comparison: Comparison) -> list[str]:
    """Return the sentence on rows whose test has fewer pairs than their means have runs."""
    fewer = [
        f"{row.setting.name} ({format_count(len(row.pairs), 'pair')}, n = {row.n})"
        for row in comparison.rows
        if 0 < len(row.pairs) < row.n
    ]
    return (
        [f"Means are over n runs, the test is over pairs: {list_few(fewer, noun='setting')}."]
        if fewer
        else []
    )


def _describe_explored(comparison: Comparison) -> list[str]:
    explored = sum(row.verdict is Verdict.EXPLORATION for row in comparison.rows)
    if not explored:
        return []
    is_one = explored == 1
    return [
        f"{format_count(explored, 'setting')} {'is' if is_one else 'are'} exploration: a search "
        f"tried {'it' if is_one else 'them'} because of earlier results, which is no test."
    ]
