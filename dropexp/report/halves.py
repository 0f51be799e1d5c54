"""What a regulariser does at the last epoch, and what is left of it at the best one."""

import math

from dropexp.compare.decisions import find_bound
from dropexp.compare.results import Comparison, Row
from dropexp.config.classics import list_active_classics
from dropexp.report.phrases import (
    describe_change,
    describe_effect,
    describe_setting,
    describe_size,
)
from dropexp.runs.metric_types import EpochChoice, Metric
from dropexp.statistics import Estimate, Verdict

_LEFT = 0.2
"""Hardly anything is left of an effect if all above this share of it is excluded."""

_WITH = "with early stopping (each run at its best epoch)"

_NO_EFFECT = {
    Verdict.PRACTICALLY_EQUAL: "practically no difference",
    Verdict.NO_CLEAR_DIFFERENCE: "no clear difference",
}


def describe_both_halves(comparison: Comparison, row: Row) -> str | None:
    """Return the sentence on a row without early stopping and with it.

    Returns:
        The sentence. None where the metric is known at one epoch only, where a mean is unknown,
        where early stopping was on, and where all runs were at their best when training ended.
    """
    half = row.other_half
    if half is None or row.difference is None or row.verdict is None:
        return None
    if "early_stopping" in list_active_classics(row.setting.fields):
        return None  # its last epoch is not that of a full training
    own, other = (row.difference, row.verdict), (half.difference, half.verdict)
    if own[0] == other[0] or not all(math.isfinite(each.value) for each, _ in (own, other)):
        return None
    last, best = (other, own) if half.at is EpochChoice.LAST else (own, other)
    setting = describe_setting(row.setting)
    return f"Without stopping early, {_join(comparison, setting, last, best)}."


Result = tuple[Estimate, Verdict]


def _join(comparison: Comparison, setting: str, last: Result, best: Result) -> str:
    metric, (_, verdict), (_, other) = comparison.metric, last, best
    if verdict is other and verdict in _NO_EFFECT:
        return f"{setting} makes {_NO_EFFECT[verdict]} to the {metric.name}, and {_WITH} neither"
    if verdict is other is Verdict.TOO_FEW_SEEDS:
        return (
            f"{setting} {_describe_mean(metric, last)}, and {_WITH} it "
            f"{_describe_mean(metric, best)}: too few seeds for a verdict on either"
        )
    left = _describe_best(comparison, last, best)
    return f"{setting} {_describe_last(metric, last)}; {_WITH} {left}"


def _describe_last(metric: Metric, last: Result) -> str:
    difference, verdict = last
    if verdict in _NO_EFFECT:
        return f"makes {_NO_EFFECT[verdict]} to the {metric.name}"
    if verdict.is_decided:
        return describe_effect(metric, difference, with_interval=False)
    return f"{_describe_mean(metric, last)}, from too few seeds for a verdict"


def _describe_best(comparison: Comparison, last: Result, best: Result) -> str:
    """Return what the best epoch shows, in relation to the last one."""
    metric, (before, verdict), (difference, other) = comparison.metric, last, best
    had_effect = verdict in (Verdict.BETTER, Verdict.WORSE)
    match other:
        case Verdict.BETTER | Verdict.WORSE:
            remains = verdict is other and before.value * difference.value > 0
            if remains and abs(difference.value) < abs(before.value):
                return f"{describe_size(metric, difference)} of it remain"
            return f"it {describe_effect(metric, difference)}"
        case Verdict.PRACTICALLY_EQUAL:
            margin = comparison.rule.margin
            within = f" (within ±{metric.describe_size(margin)})" if margin is not None else ""
            if had_effect:
                return f"nothing is left of it{within}"
            return f"it makes practically no difference{within}"
        case Verdict.NO_CLEAR_DIFFERENCE if had_effect:
            bound = find_bound(difference)
            if bound <= _LEFT * abs(before.value):
                size = metric.describe_size(bound)
                return f"hardly anything is left of it: any difference is below {size}"
            return f"no clear difference is left: {describe_change(metric, difference)}"
        case Verdict.NO_CLEAR_DIFFERENCE:
            return f"it makes no clear difference: {describe_change(metric, difference)}"
        case _:
            return f"it {_describe_mean(metric, best)}, from too few seeds for a verdict"


def _describe_mean(metric: Metric, result: Result) -> str:
    return f"has a mean {metric.name} {describe_change(metric, result[0])}"
