"""Confirm chosen settings against none on fresh seeds and test results, by the anytime test.

The best of twenty settings looks better on the results that chose it than it is. So the numbers
here are of seeds that took no part in choosing.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from dropexp.statistics import (
    Estimate,
    Verdict,
    anytime_interval,
    anytime_p_value,
    decide_verdict,
    holm,
    smallest_anytime_p,
)
from dropexp.statistics.anytime import symmetry_e_process
from dropexp.sweep.tuning.candidates import Candidate

ALPHA = 0.05
"""The level of the test, after the correction for the settings that are confirmed."""

CONFIDENCE = 1 - ALPHA

MOST_SEEDS = 64
"""Fresh seeds after which an open setting is left open."""


@dataclass(frozen=True)
class TestPair:
    """A setting and none on one seed.

    Attributes:
        value: the test loss of the setting at its best epoch, in nats; None if it diverged.
        baseline: that of none.
    """

    __test__ = False  # pytest would take it for a test

    value: float | None
    baseline: float | None

    @property
    def difference(self) -> float:
        """The setting's test loss − that of none, in nats; NaN if one of them diverged."""
        if self.value is None or self.baseline is None:
            return math.nan
        return self.value - self.baseline


Attempt = tuple[Candidate, int]

Evaluate = Callable[[Sequence[Attempt]], Mapping[Attempt, TestPair | None]]
"""Trains settings and none on seeds, the first ones of the list, as far as the budget goes; a pair
with a failed run is None."""


@dataclass(frozen=True)
class Confirmation:
    """A setting that is being confirmed.

    Attributes:
        candidate: the setting.
        pairs: seed → its pair, in the order of seeds; pairs with a failed run are left out.
        p_value: of the anytime test, corrected for the settings confirmed; NaN without pairs.
        verdict: what may be claimed so far.
    """

    candidate: Candidate
    pairs: Mapping[int, TestPair] = field(default_factory=dict)
    p_value: float = math.nan
    verdict: Verdict = Verdict.TOO_FEW_SEEDS

    @property
    def is_decided(self) -> bool:
        """Whether it is shown to be better or worse than none."""
        return self.verdict in (Verdict.BETTER, Verdict.WORSE)

    @property
    def scores(self) -> list[float]:
        """One finite number for each pair in nats, below 0 where the setting is better.

        A run that diverged loses its pair: it counts as the largest difference so far.
        """
        largest, scores = 0.0, []
        for pair in self.pairs.values():
            if math.isnan(pair.difference):
                sign = (pair.value is None) - (pair.baseline is None)
                scores.append((largest or 1.0) * sign)
            else:
                largest = max(largest, abs(pair.difference))
                scores.append(pair.difference)
        return scores

    @property
    def evidence(self) -> float:
        """The largest evidence so far against no difference; 1 without pairs."""
        evidence: list[float] = symmetry_e_process(self.scores).tolist()
        return max([1.0, *evidence])

    def estimate(self, pairs: int | None = None) -> Estimate:
        """Return the mean difference with its anytime interval, over the first pairs or all."""
        differences = [pair.difference for pair in list(self.pairs.values())[:pairs]]
        return anytime_interval([d for d in differences if not math.isnan(d)], CONFIDENCE)


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
    """Return the settings with p-values and verdicts, corrected by Holm over all of them.

    Args:
        rows: the settings.
        others: further settings in the correction; they count as if nothing spoke for them.
    """
    p_values = _correct([anytime_p_value(row.scores) for row in rows], others)
    smallest = _correct([smallest_anytime_p(len(row.pairs)) for row in rows], others)
    return [
        replace(
            row,
            p_value=p_value,
            verdict=decide_verdict(p_value, fmean(row.scores or [0.0]), least, ALPHA),
        )
        for row, p_value, least in zip(rows, p_values, smallest, strict=True)
    ]


def _correct(p_values: Sequence[float], others: int) -> list[float]:
    corrected: list[float] = holm([*p_values, *[1.0] * others]).tolist()
    return corrected[: len(p_values)]


def _count_next(used: int, rows: int) -> int:
    """Return how many seeds come next: first as few as can decide, then a quarter more."""
    if used:
        return max(2, used // 4)
    first = 1
    while rows * smallest_anytime_p(first) > ALPHA:
        first += 1
    return first


def _add(row: Confirmation, results: Mapping[Attempt, TestPair | None]) -> Confirmation:
    fresh = {
        seed: pair
        for (candidate, seed), pair in results.items()
        if candidate == row.candidate and pair is not None
    }
    return replace(row, pairs={**row.pairs, **fresh})
