"""Simulated studies whose truth is known: how often are the statistics right?"""

import numpy as np
import pytest
import scipy.stats

from dropexp.statistics import (
    Verdict,
    decide_verdict,
    holm,
    mean_interval,
    probability_of_improvement,
    sign_flip_p_value,
    smallest_adjusted_p,
)

TABLES = 2_000


def at_most(rate: float, trials: int) -> int:
    """A count that chance alone exceeds once in 1,000 times."""
    return int(scipy.stats.binom.ppf(0.999, trials, rate))


def verdicts(effects: list[float], pairs: int, generator: np.random.Generator) -> list[Verdict]:
    """One study: rows with these true effects, all against one baseline, paired by seed."""
    of_the_seed = generator.normal(1.0, 0.2, size=pairs)
    baseline = of_the_seed + generator.normal(0, 0.05, size=pairs)
    rows = [of_the_seed + e + generator.normal(0, 0.05, size=pairs) - baseline for e in effects]
    adjusted = holm([sign_flip_p_value(row) for row in rows])
    smallest = smallest_adjusted_p([pairs] * len(rows))
    return [
        decide_verdict(float(p), float(row.mean()), float(least))
        for p, row, least in zip(adjusted, rows, smallest, strict=True)
    ]


@pytest.mark.parametrize("pairs", [8, 10])
def test_without_a_difference_a_table_gives_a_false_alarm_in_5_of_100(pairs: int) -> None:
    generator = np.random.default_rng(pairs)
    studies = [verdicts([0.0] * 5, pairs, generator) for _ in range(TABLES)]
    alarms = sum(bool({Verdict.BETTER, Verdict.WORSE} & set(study)) for study in studies)
    assert 0 < alarms <= at_most(0.05, TABLES)


@pytest.mark.parametrize("pairs", [6, 7])
def test_five_rows_of_so_few_pairs_are_too_few_whatever_the_data(pairs: int) -> None:
    generator = np.random.default_rng(pairs)
    studies = [verdicts([0.0, -9.0, 0.1, 0.2, 9.0], pairs, generator) for _ in range(100)]
    assert {word for study in studies for word in study} == {Verdict.TOO_FEW_SEEDS}


def test_one_row_of_six_pairs_keeps_its_level() -> None:
    generator = np.random.default_rng(0)
    studies = [verdicts([0.0], 6, generator) for _ in range(TABLES)]
    alarms = sum(study != [Verdict.NO_CLEAR_DIFFERENCE] for study in studies)
    # The exact test at 2/64 rejects with exactly that probability.
    assert at_most(2 / 64, TABLES) >= alarms >= scipy.stats.binom.ppf(0.001, TABLES, 2 / 64)


def test_beside_true_effects_the_others_keep_their_level() -> None:
    generator = np.random.default_rng(1)
    studies = [verdicts([-0.5, 0.5, 0.0, 0.0, 0.0], 10, generator) for _ in range(TABLES)]
    alarms = sum(set(study[2:]) != {Verdict.NO_CLEAR_DIFFERENCE} for study in studies)
    assert alarms <= at_most(0.05, TABLES)
    assert all(study[:2] == [Verdict.BETTER, Verdict.WORSE] for study in studies)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_the_95_percent_interval_covers_95_of_100(n: int) -> None:
    samples = np.random.default_rng(n).normal(0.4, 0.1, size=(8_000, n))
    found = [mean_interval(sample) for sample in samples]
    assert 0.94 <= np.mean([each.low <= 0.4 <= each.high for each in found]) <= 0.96


@pytest.mark.parametrize("truth", [0.5, 0.8])
def test_the_probability_of_improvement_is_unbiased_and_its_interval_covers(truth: float) -> None:
    shift = scipy.stats.norm.ppf(truth)
    samples = np.random.default_rng(4).normal(-shift, 1, size=(4_000, 10))
    found = [probability_of_improvement(sample) for sample in samples]
    assert np.mean([each.value for each in found]) == pytest.approx(truth, abs=0.01)
    assert np.mean([each.low <= truth <= each.high for each in found]) >= 0.93


def test_the_random_test_keeps_its_level() -> None:
    generator = np.random.default_rng(2)
    samples = generator.standard_t(3, size=(TABLES, 32))
    rejected = sum(sign_flip_p_value(sample, generator, flips=199) <= 0.05 for sample in samples)
    assert at_most(0.05, TABLES) >= rejected >= scipy.stats.binom.ppf(0.001, TABLES, 0.05)


@pytest.mark.slow
@pytest.mark.parametrize("pairs", [8, 9, 10, 12])
def test_twenty_thousand_tables_without_a_difference(pairs: int) -> None:
    generator = np.random.default_rng(100 + pairs)
    studies = [verdicts([0.0] * 5, pairs, generator) for _ in range(20_000)]
    alarms = sum(bool({Verdict.BETTER, Verdict.WORSE} & set(study)) for study in studies)
    assert 0 < alarms <= at_most(0.05, 20_000)
