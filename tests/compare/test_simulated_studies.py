"""The whole engine on simulated studies of which the truth is known."""

import math
from pathlib import Path

import numpy as np
import pytest

from dropexp.compare import FoundRun, FoundRuns, Question, compare
from dropexp.compare.results import Comparison
from dropexp.compare.settings import ComparedRun, Curves
from dropexp.runs.listing import ListedRun, ListedStatus
from dropexp.runs.records import AuditOutcome, RunStatus, RunSummary, SelectedEpoch
from dropexp.runs.write import RunFolder
from dropexp.statistics import Verdict
from tests.made_up import PLANNED

STUDIES = 300
FIELDS = {"data.name": "digits", "data.seed": 0, "model.width": 64}


def run(name: str, p: float, seed: int, test_loss: float) -> FoundRun:
    at = SelectedEpoch(1, 0.5, 0.9, 1.0, 0.8, test_loss, 0.8, 0.5, 0.1)
    summary = RunSummary(
        run_id=f"{name}-p{p:g}-s{seed}-00000000",
        status=RunStatus.COMPLETED,
        regulariser=name,
        p=p,
        seed=seed,
        parameters=10,
        seconds=1.0,
        peak_memory_mb=1.0,
        audit=AuditOutcome.PASSED,
        best=at,
        last=at,
        config_hash="",
        results_version=1,
    )
    fields = {**FIELDS, "regulariser.name": name, "regulariser.p": p, "data.seed": seed}
    listed = ListedRun(
        RunFolder(Path("runs"), summary.run_id), ListedStatus.FINISHED, 0.0, fields, summary, 1
    )
    member = ComparedRun(summary.run_id, seed, summary, Curves(np.ones((1, 11))), 0.0, 0.0)
    return FoundRun(listed, member, fields, PLANNED, ended=1)


def simulated(generator: np.random.Generator, effects: tuple[float, ...], seeds: int) -> Comparison:
    """none and one regulariser for each effect; seeds shift all alike, ten times the noise."""
    shifts = generator.normal(1.0, 0.3, seeds)
    runs = [run("none", 0.0, seed, shift) for seed, shift in enumerate(shifts)]
    for index, effect in enumerate(effects):
        noise = generator.normal(effect, 0.03, seeds)
        p = 0.1 * (index + 1)
        runs += [
            run("dropout2d", p, seed, shift + noise[seed]) for seed, shift in enumerate(shifts)
        ]
    return compare(FoundRuns(tuple(runs)), Question())


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
