"""The verdict of every row of a table: the only module that tests and corrects.

Two tests exist, because no one test is both sharp and true however often one looks. The planned
test is exact where all runs were asked for before any result existed. The anytime test holds after
any number of looks; it speaks where seeds were added later. dropexp.compare.looks chooses.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dropexp.compare.pairing import PairedComparison
from dropexp.compare.results import Row
from dropexp.compare.rules import Rule, TestKind
from dropexp.runs.question_types import Correction
from dropexp.statistics import (
    Estimate,
    SeedForecast,
    Verdict,
    anytime_equivalence_p_value,
    anytime_interval,
    anytime_p_value,
    anytime_share,
    decide_verdict,
    forecast_seeds,
    holm,
    mean_interval,
    probability_of_improvement,
    sign_flip_p_values,
    smallest_adjusted_p,
    smallest_anytime_p,
    smallest_flip_p,
    step_down_max_t,
    symmetry_e_process,
)

_MOST_FORECASTS = 60
"""The most open rows for which seeds are forecast; each takes 5 ms."""

_SMALL = 0.05
"""An effect is small if its interval excludes all above this share of the baseline's mean."""


@dataclass(frozen=True)
class Decision:
    """The result of the test for one row of a table.

    Attributes:
        difference: the mean of setting − baseline with the interval of the test that spoke, in
            the metric's unit and direction.
        better: the probability that the setting is better with a new seed, with its interval.
        p_value: the p-value of this row alone; NaN without pairs.
        adjusted_p: the p-value after the correction over the table; NaN without pairs.
        smallest_p: the smallest adjusted p-value that the row can have, whatever the data; NaN
            without pairs.
        verdict: what may be claimed.
        evidence: the largest evidence so far against no difference; None for the planned test.
        evidence_needed: the evidence that a verdict needs at most; None likewise.
        forecast: how many more seeds would decide an open row; None where that is unknown, where
            any effect is small, and where nothing more is needed.
        is_small: whether the row is open and its interval excludes all but small effects.
    """

    difference: Estimate
    better: Estimate
    p_value: float
    adjusted_p: float
    smallest_p: float
    verdict: Verdict
    evidence: float | None = None
    evidence_needed: float | None = None
    forecast: SeedForecast | None = None
    is_small: bool = False


def add_decision(
    row: Row,
    baseline: str,
    compared: PairedComparison,
    decision: Decision,
    choosing: PairedComparison,
) -> Row:
    """Return a row of a table with its pairs and what was decided of them.

    Args:
        row: without a decision.
        baseline: the name of the setting that it is compared with.
        compared: its pairs in the deciding metric.
        decision: of these pairs.
        choosing: its pairs in the metric by which the headline's setting is chosen.
    """
    return replace(
        row,
        baseline=baseline,
        pairs=compared.pairs,
        difference=decision.difference,
        better=decision.better,
        pairs_better=compared.pairs_better,
        mean_score=compared.mean_score,
        selection_score=choosing.mean_score,
        selection_pairs=choosing.pairs,
        p_value=decision.p_value,
        adjusted_p=decision.adjusted_p,
        smallest_p=decision.smallest_p,
        verdict=decision.verdict,
        evidence=decision.evidence,
        evidence_needed=decision.evidence_needed,
        forecast=decision.forecast,
        is_small=decision.is_small,
    )


def decide(
    comparisons: Mapping[str, PairedComparison],
    rule: Rule,
    *,
    further_tests: int = 0,
    with_forecasts: bool = False,
    with_p_values: bool = True,
) -> dict[str, Decision]:
    """Return the decision on every paired comparison of a table, corrected for their number.

    Args:
        comparisons: row name → its comparison with its baseline.
        rule: how rows are decided.
        further_tests: how many rows without pairs the correction of the anytime test counts too.
        with_forecasts: whether to forecast how many more seeds open rows need.
        with_p_values: whether the p-value of each row alone is of interest; if not, it is NaN
            where no verdict needs it.
    """
    rows = list(comparisons.values())
    if rule.kind is TestKind.PLANNED:
        p_values, adjusted, smallest = _test_planned(rows, rule, with_p_values=with_p_values)
    else:
        p_values, adjusted, smallest = _test_anytime(rows, further_tests)
    tests = max(sum(not math.isnan(p) for p in adjusted) + further_tests, 1)
    decided = [
        _decide_row(row, rule, tests, *of_row)
        for row, *of_row in zip(rows, p_values, adjusted, smallest, strict=True)
    ]
    if with_forecasts:
        decided = _add_forecasts(rows, decided, rule, tests)
    return dict(zip(comparisons, decided, strict=True))


def find_bound(difference: Estimate) -> float:
    """Return the largest size that the interval leaves to an effect; infinite without one."""
    ends = (abs(difference.low), abs(difference.high))
    return math.inf if any(math.isnan(end) for end in ends) else max(ends)


Tested = tuple[list[float], list[float], list[float]]
"""The p-value of each row alone, its adjusted p-value, and the smallest that it can have."""


def _test_planned(rows: Sequence[PairedComparison], rule: Rule, *, with_p_values: bool) -> Tested:
    p_values = [math.nan] * len(rows)
    if with_p_values or rule.correction is Correction.HOLM:
        # The random signs of many pairs are always the same, so that a table is, too.
        p_values = sign_flip_p_values([row.scores for row in rows])
    counts = [len(row.pairs) for row in rows]
    if rule.correction is Correction.HOLM:
        return p_values, holm(p_values).tolist(), smallest_adjusted_p(counts).tolist()
    seeds = sorted({pair.seed for row in rows for pair in row.pairs})
    places = {seed: place for place, seed in enumerate(seeds)}
    table = np.full((len(rows), len(seeds)), math.nan)
    for of_row, row in zip(table, rows, strict=True):
        of_row[[places[pair.seed] for pair in row.pairs]] = row.scores
    smallest = [smallest_flip_p(count) for count in counts]
    adjusted = step_down_max_t(table, np.random.default_rng(0))
    # The T of few pairs is huge under many flips. Rows that cannot be rejected must not hide
    # others, and without them the probability of a false rejection is the same.
    floors = np.array(smallest)
    can_reject = floors <= rule.alpha
    if can_reject.any() and (floors > rule.alpha).any():
        adjusted[can_reject] = step_down_max_t(table[can_reject], np.random.default_rng(0))
    # A row with one pair has no T; its flip has p = 1.
    p_of_rows = [1.0 if n == 1 else p for n, p in zip(counts, adjusted.tolist(), strict=True)]
    return p_values, p_of_rows, smallest


def _test_anytime(rows: Sequence[PairedComparison], further_tests: int) -> Tested:
    def correct(p_values: Sequence[float]) -> list[float]:
        adjusted: list[float] = holm([*p_values, *[1.0] * further_tests]).tolist()
        return adjusted[: len(p_values)]

    p_values = [anytime_p_value(row.scores_in_order) for row in rows]
    smallest = [smallest_anytime_p(len(row.pairs)) for row in rows]
    return p_values, correct(p_values), correct(smallest)


def _decide_row(
    row: PairedComparison,
    rule: Rule,
    tests: int,
    p_value: float,
    adjusted_p: float,
    smallest_p: float,
) -> Decision:
    is_anytime = rule.kind is TestKind.ANYTIME
    direction = _find_direction(row) if is_anytime else row.mean_score
    verdict = decide_verdict(adjusted_p, direction, smallest_p, rule.alpha)
    if verdict is not Verdict.TOO_FEW_SEEDS and _is_practically_equal(row, rule, tests):
        verdict = Verdict.PRACTICALLY_EQUAL
    evidence = None
    if is_anytime and row.pairs:
        evidence = float(symmetry_e_process(row.scores_in_order).max())
    difference = _estimate(row.differences, rule.kind, rule.confidence)
    return Decision(
        difference=difference,
        better=_estimate_share(row, rule),
        p_value=p_value,
        adjusted_p=adjusted_p,
        smallest_p=smallest_p,
        verdict=verdict,
        evidence=evidence,
        evidence_needed=tests / rule.alpha if is_anytime else None,
        is_small=not verdict.is_decided and _is_small(row, difference),
    )


def _find_direction(row: PairedComparison) -> float:
    """Return the mean score when the evidence was largest, which is what the evidence is for."""
    scores = row.scores_in_order
    if not scores:
        return math.nan
    most = int(symmetry_e_process(scores).argmax()) + 1
    return sum(scores[:most]) / most


def _is_practically_equal(row: PairedComparison, rule: Rule, tests: int) -> bool:
    """Return whether two one-sided tests of level α/m reject both ends of the margin.

    For the planned test, the interval of level 1 − 2α/m lies within the margin (Schuirmann 1987).
    A pair that was lost by divergence has no difference, so a row with one is never practically
    equal. The caller leaves rows out that have too few pairs to be better or worse: two or three
    accuracies on a small test set are often equal by chance, and have an interval of no width.
    """
    if rule.margin is None or row.lost or not row.pairs:
        return False
    if rule.kind is TestKind.ANYTIME:
        return anytime_equivalence_p_value(row.differences, rule.margin) <= rule.alpha / tests
    estimate = _estimate(row.differences, rule.kind, 1 - 2 * rule.alpha / tests)
    return -rule.margin <= estimate.low and estimate.high <= rule.margin


def _estimate(differences: Sequence[float], kind: TestKind, confidence: float) -> Estimate:
    if kind is TestKind.ANYTIME:
        return anytime_interval(differences, confidence)
    return mean_interval(differences, confidence)


def _estimate_share(row: PairedComparison, rule: Rule) -> Estimate:
    share = probability_of_improvement(row.scores, rule.confidence)
    if rule.kind is TestKind.PLANNED or not row.pairs:
        return share
    low, high = anytime_share(share.value * share.n, share.n, rule.confidence)
    return Estimate(share.value, low, high, share.n)


def _add_forecasts(
    rows: Sequence[PairedComparison], decided: Sequence[Decision], rule: Rule, tests: int
) -> list[Decision]:
    """Return the decisions with forecasts for open rows, unless they are too many to be read.

    Whatever test spoke, seeds that are added now are added after a look: the anytime test decides
    them.
    """
    is_open = [
        not one.is_small and not one.verdict.is_decided and bool(row.differences)
        for row, one in zip(rows, decided, strict=True)
    ]
    if sum(is_open) > _MOST_FORECASTS:
        return list(decided)
    return [
        replace(one, forecast=forecast_seeds(row.scores_in_order, tests, rule.alpha))
        if may_ask
        else one
        for row, one, may_ask in zip(rows, decided, is_open, strict=True)
    ]


def _is_small(row: PairedComparison, difference: Estimate) -> bool:
    values = [abs(pair.baseline) for pair in row.pairs if pair.baseline is not None]
    return bool(values) and find_bound(difference) < _SMALL * sum(values) / len(values)
