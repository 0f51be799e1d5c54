"""Confirm chosen settings against none on fresh seeds and test results, by the anytime test.

The best of twenty settings looks better on the results that chose it than it is. So the numbers
here are of seeds that took no part in choosing.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from dropexp.compare import decisions
from dropexp.compare.decisions import Decision
from dropexp.compare.pairing import PairedComparison
from dropexp.compare.results import Pair
from dropexp.compare.rules import Rule, TestKind
from dropexp.statistics import Estimate, Verdict, anytime_interval, fewest_anytime_pairs
from dropexp.sweep.tuning.candidates import Candidate, SeededCandidate

RULE = Rule(TestKind.ANYTIME)
"""How a confirmation is decided; the level holds for all settings that are confirmed together."""

_NO_PAIRS = PairedComparison((), sign=1)  # in the test loss, of which less is better

Evaluate = Callable[[Sequence[SeededCandidate]], Mapping[SeededCandidate, Pair | None]]
"""Trains settings and none on seeds, the first ones of the list, as far as the budget goes; a pair
with a failed run is None."""


@dataclass(frozen=True)
class Confirmation:
    """A setting that is being confirmed.

    Attributes:
        candidate: the setting.
        comparison: its test losses beside those of none, each at the best epoch, in nats, in the
            order of seeds; pairs with a failed run are left out.
        decision: of the anytime test, corrected for the settings confirmed; None before the first
            batch has ended.
    """

    candidate: Candidate
    comparison: PairedComparison = _NO_PAIRS
    decision: Decision | None = None

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Its pairs, in the order of seeds."""
        return self.comparison.pairs

    @property
    def p_value(self) -> float:
        """The p-value after the correction; NaN without pairs."""
        return math.nan if self.decision is None else self.decision.adjusted_p

    @property
    def verdict(self) -> Verdict:
        """What may be claimed so far."""
        return Verdict.TOO_FEW_SEEDS if self.decision is None else self.decision.verdict

    @property
    def is_decided(self) -> bool:
        """Whether it is shown to be better or worse than none."""
        return self.verdict.is_decided

    @property
    def evidence(self) -> float:
        """The largest evidence so far against no difference; 1 without pairs."""
        evidence = None if self.decision is None else self.decision.evidence
        return max(1.0, evidence or 1.0)

    @property
    def evidence_needed(self) -> float | None:
        """The evidence that is enough whatever else is confirmed; None before the first batch."""
        return None if self.decision is None else self.decision.evidence_needed

    def estimate(self, pairs: int | None = None) -> Estimate:
        """Return the mean difference with its anytime interval, over the first pairs or all."""
        first = replace(self.comparison, pairs=self.pairs[:pairs])
        return anytime_interval(first.differences, RULE.confidence)


def run_confirmation(
    candidates: Sequence[Candidate],
    seeds: Sequence[int],
    evaluate: Evaluate,
    report: Callable[[Sequence[Confirmation]], None] = lambda _: None,
    others: int = 0,
) -> list[Confirmation]:
    """Add fresh seeds until every setting is decided, or the budget or the seeds end.

    Args:
        candidates: the chosen settings; the test is corrected for their number.
        seeds: fresh ones, in the order in which they are used.
        evaluate: trains pairs.
        report: is shown the confirmations after each batch of runs.
        others: settings that were confirmed before in the same study, for the correction.
    """
    rows = [Confirmation(candidate) for candidate in candidates]
    used, is_budget_spent = 0, False
    while used < len(seeds) and not is_budget_spent:
        fresh = seeds[used : used + _count_next(used, len(rows) + others)]
        batch = [(row.candidate, seed) for seed in fresh for row in rows if not row.is_decided]
        if not batch:
            break
        results = evaluate(batch)
        is_budget_spent = len(results) < len(batch)
        used += len(fresh)
        rows = decide([_add(row, results) for row in rows], others)
        report(rows)
    return rows


def decide(rows: Sequence[Confirmation], others: int = 0) -> list[Confirmation]:
    """Return the settings with the decisions on their pairs, corrected over all of them.

    Args:
        rows: the settings.
        others: further settings in the correction; they count as if nothing spoke for them.
    """
    comparisons = {row.candidate.name: row.comparison for row in rows}
    decided = decisions.decide(comparisons, RULE, further_tests=others)
    return [replace(row, decision=decided[row.candidate.name]) for row in rows]


def _count_next(used: int, rows: int) -> int:
    """Return how many seeds come next: first as few as can decide, then a quarter more."""
    return max(2, used // 4) if used else fewest_anytime_pairs(rows, RULE.alpha)


def _add(row: Confirmation, results: Mapping[SeededCandidate, Pair | None]) -> Confirmation:
    fresh = [
        pair
        for (candidate, _), pair in results.items()
        if candidate == row.candidate and pair is not None
    ]
    return replace(row, comparison=replace(row.comparison, pairs=(*row.pairs, *fresh)))
