"""A chosen setting is confirmed on fresh seeds, or honestly not."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from dropexp.compare.pairing import PairedComparison
from dropexp.compare.results import Pair
from dropexp.statistics import Verdict
from dropexp.sweep.tuning.candidates import Candidate, SeededCandidate
from dropexp.sweep.tuning.confirmation import (
    Confirmation,
    decide,
    run_confirmation,
)

GOOD, POOR = Candidate("good", ()), Candidate("poor", ())
SEEDS = range(1000, 1064)


class MadeUpPairs:
    """Counts pairs, of which the budget pays for the first ones."""

    def __init__(self, most: int, pair: Callable[[Candidate, int], Pair | None]) -> None:
        self.asked: list[SeededCandidate] = []
        self._most = most
        self._pair = pair

    def evaluate(self, batch: Sequence[SeededCandidate]) -> Mapping[SeededCandidate, Pair | None]:
        paid = batch[: self._most - len(self.asked)]
        self.asked += paid
        return {each: self._pair(*each) for each in paid}


def noisy_pair(candidate: Candidate, seed: int) -> Pair:
    noise = np.random.default_rng(seed).normal() * 0.01
    return Pair(seed, 0.5, 0.5 + (-0.03 if candidate == GOOD else 0.0) + noise)


def test_a_clear_setting_is_decided_with_the_fewest_seeds() -> None:
    pairs = MadeUpPairs(1000, noisy_pair)
    (row,) = run_confirmation([GOOD], SEEDS, pairs.evaluate)
    assert row.verdict is Verdict.BETTER
    assert [pair.seed for pair in row.pairs] == list(
        range(1000, 1006)
    )  # 2/2⁶ is the first p-value below 5 %
    assert row.p_value <= 0.05
    assert row.evidence == pytest.approx(1 / row.p_value)
    assert row.estimate().value == pytest.approx(-0.03, abs=0.01)


def test_an_open_setting_gets_seeds_until_the_budget_ends() -> None:
    pairs = MadeUpPairs(31, noisy_pair)
    (row,) = run_confirmation([POOR], SEEDS, pairs.evaluate)
    assert row.verdict is Verdict.NO_CLEAR_DIFFERENCE
    assert len(row.pairs) == 31
    assert [seed for _, seed in pairs.asked] == list(SEEDS[:31])


def test_too_small_a_budget_gives_no_verdict() -> None:
    (row,) = run_confirmation([GOOD], SEEDS, MadeUpPairs(3, noisy_pair).evaluate)
    assert row.verdict is Verdict.TOO_FEW_SEEDS
    (row,) = run_confirmation([GOOD], SEEDS, MadeUpPairs(0, noisy_pair).evaluate)
    assert (row.pairs, row.verdict) == ((), Verdict.TOO_FEW_SEEDS)


def test_a_decided_setting_gets_no_further_seed_while_others_go_on() -> None:
    pairs = MadeUpPairs(60, noisy_pair)
    good, poor = run_confirmation([GOOD, POOR], SEEDS, pairs.evaluate)
    assert good.verdict is Verdict.BETTER
    assert len(good.pairs) < len(poor.pairs)
    assert good.p_value <= 0.05


def test_the_correction_counts_all_settings_and_earlier_ones() -> None:
    good, poor = (
        Confirmation(each, PairedComparison(tuple(noisy_pair(each, k) for k in range(6)), sign=1))
        for each in (GOOD, POOR)
    )
    alone = decide([good])[0]
    both = decide([good, poor])[0]
    after_another = decide([good], others=1)[0]
    assert both.p_value == pytest.approx(2 * alone.p_value)
    assert after_another.p_value == both.p_value


def test_a_pair_with_a_failed_run_is_left_out_and_a_diverged_run_loses() -> None:
    def pair(candidate: Candidate, seed: int) -> Pair | None:
        if seed == 1001:
            return None
        if seed == 1002:
            return Pair(seed, 0.5, None)
        return noisy_pair(candidate, seed)

    (row,) = run_confirmation([GOOD], SEEDS[:6], MadeUpPairs(100, pair).evaluate)
    assert [pair.seed for pair in row.pairs] == [1000, 1002, 1003, 1004, 1005]
    scores = row.comparison.scores_in_order
    assert scores[1] == pytest.approx(abs(scores[0]))
    assert math.isnan(row.pairs[1].difference)
    assert row.estimate().n == 4


def test_settings_that_change_nothing_are_confirmed_in_at_most_5_percent() -> None:
    def search_of(study: int) -> MadeUpPairs:
        def pair(_: Candidate, seed: int) -> Pair:
            noise = np.random.default_rng([study, seed]).normal()
            return Pair(seed, 0.5, 0.5 + 0.01 * float(noise))

        return MadeUpPairs(1000, pair)

    rows = [run_confirmation([GOOD], SEEDS, search_of(study).evaluate)[0] for study in range(200)]
    false_alarms = sum(row.is_decided for row in rows) / len(rows)
    assert false_alarms <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / len(rows))
