"""What a search and its confirmation train, and what the budget pays for."""

from dataclasses import replace
from pathlib import Path

import pytest

from dropexp.compare.results import Pair
from dropexp.config.compose import compose_run
from dropexp.runs.files import ERROR, SUMMARY
from dropexp.runs.ledger import Purpose, read_ledger, record_request
from dropexp.runs.records import RunSummary
from dropexp.runs.studies import read_study
from dropexp.runs.write import RunFolder
from dropexp.sweep.budget import Budget
from dropexp.sweep.progress import Progress
from dropexp.sweep.tuning.candidates import Candidate
from dropexp.sweep.tuning.proposals import WORST
from dropexp.sweep.tuning.space import TuneRequest, parse_request
from dropexp.sweep.tuning.trainer import Trainer
from tests.run_folders import SummaryChange, mark_diverged, write_finished_run

STRONG, WEAK = (Candidate("dropout2d", (("p", p),)) for p in ("0.5", "0.1"))
"""Settings of the space."""


class NoView:
    """Shows nothing."""

    def begin(self, progress: Progress) -> None: ...

    def report_progress(self, progress: Progress) -> None: ...

    def note(self, message: str) -> None: ...


@pytest.fixture(scope="module")
def request_() -> TuneRequest:
    return parse_request(["regulariser=dropout2d", "p=0.1,0.5"])


def make_trainer(
    request: TuneRequest,
    runs: Path,
    budget: Budget,
    seconds: float = 0.0,
    searched: int | None = None,
) -> Trainer:
    return Trainer(request, "mine", runs, budget, lambda: seconds, NoView(), searched=searched)


def write_run(
    runs: Path, overrides: str, seed: int, loss: float, change: SummaryChange = lambda same: same
) -> RunFolder:
    words = (*overrides.split(), f"seed={seed}")
    config_hash = compose_run(words).config_hash

    def complete(summary: RunSummary) -> RunSummary:
        return change(replace(summary, config_hash=config_hash))

    return write_finished_run(runs, loss, *words, val_losses=(loss,), change=complete)


def write_runs(runs: Path, seeds: int) -> None:
    for seed in range(seeds):
        write_run(runs, "regulariser=none", seed, 0.5)
        write_run(runs, "regulariser=dropout2d p=0.5", seed, 0.5 - 0.01 * (seed + 1))
        write_run(runs, "regulariser=dropout2d p=0.1", seed, 0.6)


def test_results_are_differences_from_none_on_the_same_seed(
    request_: TuneRequest, tmp_path: Path
) -> None:
    write_runs(tmp_path, 2)
    trainer = make_trainer(request_, tmp_path, Budget(runs=100))
    batch = [(STRONG, 0), (STRONG, 1), (WEAK, 0)]
    assert trainer.evaluate(batch) == pytest.approx(
        dict(zip(batch, (-0.01, -0.02, 0.1), strict=True))
    )
    assert trainer.evaluate_pairs(batch[:1]) == {(STRONG, 0): Pair(0, 0.5, 0.49)}
    assert len(trainer.spent.runs) == 5
    assert trainer.spent.trained == 0


def test_runs_that_are_there_enter_the_study_and_keep_their_first_request(
    request_: TuneRequest, tmp_path: Path
) -> None:
    write_runs(tmp_path, 1)
    make_trainer(request_, tmp_path, Budget(runs=100)).evaluate([(STRONG, 0)])
    members = {run.run_id for run in read_study(tmp_path, "mine").runs}
    assert {run_id.split("-s")[0] for run_id in members} == {"none-p0", "dropout2d-p0.5"}
    ledger = read_ledger(tmp_path)
    requests = [ledger.asked(run_id) for run_id in members]
    assert {request and request.purpose for request in requests} == {Purpose.SWEEP}


def test_the_budget_pays_for_the_first_runs_of_a_batch(
    request_: TuneRequest, tmp_path: Path
) -> None:
    write_runs(tmp_path, 3)
    trainer = make_trainer(request_, tmp_path, Budget(runs=8))  # of which 5 may choose
    batch = [(each, seed) for seed in range(3) for each in (STRONG, WEAK)]
    assert list(trainer.evaluate(batch)) == batch[:3]
    assert list(trainer.evaluate(batch[3:])) == []
    assert list(trainer.evaluate_pairs([(STRONG, 1), (WEAK, 1), (STRONG, 2)])) == [
        (STRONG, 1),
        (WEAK, 1),
        (STRONG, 2),
    ]
    assert list(trainer.evaluate_pairs([(WEAK, 2)])) == []


def test_time_decides_only_when_to_stop(request_: TuneRequest, tmp_path: Path) -> None:
    write_runs(tmp_path, 2)
    batch = [(STRONG, 0), (WEAK, 1)]
    late = make_trainer(request_, tmp_path, Budget(seconds=60), seconds=1000)
    assert list(late.evaluate(batch)) == batch  # its runs are there, and cost nothing
    assert late.evaluate([(STRONG, 5)]) == {}
    assert late.evaluate_pairs([(STRONG, 5)]) == {}
    replayed = make_trainer(request_, tmp_path, Budget(seconds=60), searched=1)
    assert list(replayed.evaluate(batch)) == batch
    assert replayed.evaluate([(STRONG, 1)]) == {}


def test_a_run_that_diverged_or_failed_is_the_worst_and_loses_or_leaves_its_pair(
    request_: TuneRequest, tmp_path: Path
) -> None:
    write_run(tmp_path, "regulariser=none", 0, 0.5)
    write_run(tmp_path, "regulariser=none", 1, 0.5)
    write_run(tmp_path, "regulariser=dropout2d p=0.5", 0, 0.4, mark_diverged)
    folder = write_run(tmp_path, "regulariser=dropout2d p=0.5", 1, 0.4)
    (folder.path / SUMMARY).unlink()
    folder.write(ERROR, "MemoryError\n")
    trainer = make_trainer(request_, tmp_path, Budget(runs=100))
    batch = [(STRONG, 0), (STRONG, 1)]
    assert set(trainer.evaluate(batch).values()) == {WORST}
    assert trainer.evaluate_pairs(batch) == {batch[0]: Pair(0, 0.5, None), batch[1]: None}
    assert trainer.failed == {folder.run_id: "MemoryError"}


def test_a_seed_on_which_none_diverged_says_nothing(request_: TuneRequest, tmp_path: Path) -> None:
    write_run(tmp_path, "regulariser=none", 0, 0.4, mark_diverged)
    write_run(tmp_path, "regulariser=dropout2d p=0.5", 0, 0.4)
    trainer = make_trainer(request_, tmp_path, Budget(runs=100))
    assert trainer.evaluate([(STRONG, 0)]) == {(STRONG, 0): 0.0}


def test_seeds_that_anything_else_has_asked_for_are_not_fresh(
    request_: TuneRequest, tmp_path: Path
) -> None:
    trainer = make_trainer(request_, tmp_path, Budget(runs=100))
    assert trainer.list_fresh_seeds([STRONG], range(1000, 1004)) == [1000, 1001, 1002, 1003]
    (used,) = request_.compose_reference([1001])
    (own,) = request_.compose_reference([1002])
    (swept,) = request_.compose_reference([1003])
    record_request(tmp_path, "another", [used.run_id], Purpose.SEARCH)
    record_request(tmp_path, "mine", [own.run_id], Purpose.SEARCH)
    record_request(tmp_path, "swept", [swept.run_id], Purpose.SWEEP)
    assert trainer.list_fresh_seeds([STRONG], range(1000, 1004)) == [1000, 1002]
