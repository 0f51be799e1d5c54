"""The whole engine on simulated studies of which the truth is known."""

import math

import numpy as np
import pytest

from dropexp.compare import compare
from dropexp.compare.results import Comparison
from dropexp.statistics import Verdict
from simulations.runs import make_found_runs

STUDIES = 300


def simulated(generator: np.random.Generator, effects: tuple[float, ...], seeds: int) -> Comparison:
    """none and one regulariser for each effect; seeds shift all alike, ten times the noise."""
    shifts = generator.normal(1.0, 0.3, seeds)
    noises = [generator.normal(effect, 0.03, seeds) for effect in effects]
    return compare(make_found_runs(np.array([shifts, *(shifts + noise for noise in noises)])))


def test_tables_without_a_true_difference_rarely_claim_one() -> None:
    generator = np.random.default_rng(1)
    alarms = 0
    for _ in range(STUDIES):
        rows = simulated(generator, (0.0, 0.0, 0.0), seeds=9).rows
        alarms += any(row.verdict in (Verdict.BETTER, Verdict.WORSE) for row in rows)
    # Rows share a baseline, so that it is below the level; four binomial standard errors above.
    assert 0 < alarms / STUDIES <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / STUDIES)


def test_a_difference_smaller_than_the_spread_of_seeds_is_found() -> None:
    table = simulated(np.random.default_rng(2), (-0.15, 0.15, 0.0), seeds=9)
    assert [row.verdict for row in table.rows] == [
        None,
        Verdict.BETTER,
        Verdict.WORSE,
        Verdict.NO_CLEAR_DIFFERENCE,
    ]
    better = table.rows[1]
    assert better.difference is not None
    assert better.difference.low < -0.15 < better.difference.high
    # Unpaired, the two would not be told apart: the means' intervals overlap.
    assert better.estimates["test_loss"].high > table.rows[0].estimates["test_loss"].low


def test_intervals_of_the_difference_cover_the_truth() -> None:
    generator = np.random.default_rng(3)
    covered = 0
    for _ in range(STUDIES):
        difference = simulated(generator, (-0.02,), seeds=4).rows[1].difference
        assert difference is not None
        covered += difference.low < -0.02 < difference.high
    assert covered / STUDIES == pytest.approx(0.95, abs=4 * math.sqrt(0.05 * 0.95 / STUDIES))


@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_few_seeds_never_claim_anything(seeds: int) -> None:
    row = simulated(np.random.default_rng(4), (-5.0,), seeds).rows[1]
    assert row.verdict is Verdict.TOO_FEW_SEEDS
    assert row.p_value == 2 / 2**seeds


def test_the_same_runs_give_the_same_table_where_signs_are_random() -> None:
    first, second = (simulated(np.random.default_rng(5), (-0.005,), 35) for _ in range(2))
    assert first.rows[1].p_value == second.rows[1].p_value
    assert "exact" not in " ".join(first.sentences)
