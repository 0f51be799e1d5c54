"""What watching the store says about a set of runs."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from dropexp.config.compose import compose_run, to_yaml
from dropexp.config.run_config import RunConfig
from dropexp.runs.attempts import make_attempt, read_attempt
from dropexp.runs.records import SUMMARY_FORMAT, RunStatus
from dropexp.runs.studies import StudyRun
from dropexp.runs.write import RunFolder
from dropexp.sweep import timing
from dropexp.sweep.estimate import estimate_seconds
from dropexp.sweep.progress import EndedRun, Watcher, rank_settings
from dropexp.training.progress import EpochProgress, save_progress
from dropexp.training.timing import time_epoch
from tests.builders import compose_tiny
from tests.conftest import TIME_EPOCHS
from tests.run_folders import make_record, make_summary

RUNS = [
    StudyRun(f"{setting}-s{seed}", setting, seed, 10) for seed in (0, 1) for setting in ("a", "b")
]
DONE = make_summary(make_record(3, 0.5), make_record(10, 0.6))


def folder(runs_dir: Path, run: StudyRun) -> RunFolder:
    made = RunFolder(runs_dir, run.run_id)
    made.path.mkdir()
    made.write("config.yaml", "p: 0\n")
    (made.path / ".lock").touch()
    return made


def finish(runs_dir: Path, run: StudyRun, val_loss: float = 0.5, **changes: object) -> None:
    best = replace(DONE.last, val_loss=val_loss)
    values = replace(DONE, run_id=run.run_id, best=best, seconds=20.0, **changes)  # type: ignore[arg-type]
    folder(runs_dir, run).finish(values, keep_checkpoint=False)


def ended(
    setting: str, seed: int, val_loss: float, status: RunStatus = RunStatus.COMPLETED
) -> EndedRun:
    best = replace(DONE.last, val_loss=val_loss)
    return EndedRun(StudyRun("", setting, seed, 1), replace(DONE, best=best, status=status))


def test_runs_are_told_apart_by_what_their_folders_hold(tmp_path: Path) -> None:
    waiting, running, failed, done = RUNS
    finish(tmp_path, done)
    folder(tmp_path, failed).write("error.txt", "Traceback\nValueError: why\n")
    held = folder(tmp_path, running)
    held.write_metrics(
        [replace(make_record(1, 0.5), seconds=2.0), replace(make_record(2, 0.5), seconds=2.0)]
    )
    with FileLock(held.path / ".lock"):
        progress = Watcher(tmp_path, RUNS).look()
    assert (progress.total, progress.num_successful) == (4, 1)
    assert [(one.run, one.error) for one in progress.unsuccessful] == [(failed, "ValueError: why")]
    assert [one.run for one in progress.running] == [running]
    assert progress.running[0].last is not None
    assert progress.running[0].last.epoch == 2
    assert progress.running[0].seconds_left == pytest.approx(2.0 * 8)
    assert Watcher(tmp_path, RUNS).look().running == (), "nobody holds it any more"
    assert not (tmp_path / waiting.run_id).exists()


def test_looking_again_sees_what_has_ended_since(tmp_path: Path) -> None:
    watcher = Watcher(tmp_path, RUNS)
    assert watcher.look().ended == ()
    for count, run in enumerate(RUNS, start=1):
        finish(tmp_path, run)
        assert [one.run for one in watcher.look().ended] == RUNS[:count]


def test_time_left_is_the_epochs_left_over_the_runs_at_a_time(tmp_path: Path) -> None:
    epochs = DONE.last.epoch
    finish(tmp_path, RUNS[0])
    per_epoch = 20.0 / epochs
    assert Watcher(tmp_path, RUNS, 1).look().seconds_left is None, "nothing is running"
    with FileLock(folder(tmp_path, RUNS[1]).path / ".lock"):
        left = [Watcher(tmp_path, RUNS, at_a_time).look().seconds_left for at_a_time in (1, 3, 64)]
    assert left == pytest.approx([3 * 10 * per_epoch, 10 * per_epoch, 10 * per_epoch])


def test_a_long_epoch_counts_by_its_share(tmp_path: Path) -> None:
    half = EpochProgress(epoch=1, epochs=RUNS[0].epochs, steps_done=5, steps=10, seconds=60.0)
    made = folder(tmp_path, RUNS[0])
    with made.lock():
        save_progress(made.path, half)
        progress = Watcher(tmp_path, RUNS[:1]).look()
        (running,) = progress.running
        assert running.within == half
        assert running.seconds_left == progress.seconds_left == 120 * (RUNS[0].epochs - 0.5)
        made.write_metrics([make_record(1, 0.5)])  # and that epoch has ended
        assert Watcher(tmp_path, RUNS[:1]).look().running[0].within is None


@pytest.mark.parametrize("ending", ["finished", "failed"])
def test_what_ended_before_it_is_to_be_trained_again_has_not_ended(
    tmp_path: Path, ending: str
) -> None:
    if ending == "finished":
        finish(tmp_path, RUNS[0])
    else:
        folder(tmp_path, RUNS[0]).write("error.txt", "why")
    held = RunFolder(tmp_path, RUNS[0].run_id)
    stale = {held.run_id: read_attempt(held)}
    assert Watcher(tmp_path, RUNS, stale=stale).look().ended == ()
    assert len(Watcher(tmp_path, RUNS).look().ended) == 1
    held.write_json("environment.json", make_attempt("a later sweep"))
    assert len(Watcher(tmp_path, RUNS, stale=stale).look().ended) == 1


def test_a_damaged_run_that_is_trained_again_has_not_failed(tmp_path: Path) -> None:
    run = RUNS[0]
    finish(tmp_path, run)
    held = RunFolder(tmp_path, run.run_id)
    whole = (held.path / "summary.json").read_text()
    (held.path / "summary.json").write_text(whole[:-20])
    watcher = Watcher(tmp_path, [run])
    assert watcher.look().ended == ()
    with held.lock():  # of another sweep
        progress = watcher.look()
        assert (progress.ended, len(progress.running)) == ((), 1)
    (held.path / "summary.json").write_text(whole)
    assert watcher.look().num_successful == 1
    later = whole.replace(f'"format": {SUMMARY_FORMAT}', '"format": 99')
    (held.path / "summary.json").write_text(later)
    assert Watcher(tmp_path, [run]).look().num_failed == 1, "only --retry-failed trains it again"


def test_settings_are_ranked_on_the_seeds_that_all_have_finished() -> None:
    best = rank_settings([ended("a", 0, 0.5), ended("b", 0, 0.6), ended("a", 1, 9.0)])
    found = [(one.setting, one.val_loss, one.seeds) for one in best]
    assert found == [("a", 0.5, 1), ("b", 0.6, 1)]


def test_settings_without_a_common_seed_are_ranked_on_their_own() -> None:
    best = rank_settings([ended("a", 0, 0.5), ended("b", 1, 0.4), ended("b", 2, 0.2)])
    assert [(one.setting, one.val_loss, one.seeds) for one in best] == [
        ("b", pytest.approx(0.3), 2),
        ("a", 0.5, 1),
    ]


def test_a_diverged_run_counts_against_its_setting() -> None:
    (first, last) = rank_settings(
        [ended("a", 0, 0.5), ended("b", 0, 0.1, RunStatus.DIVERGED), ended("b", 1, 0.1)]
    )
    assert (first.setting, last.setting) == ("a", "b")
    assert math.isinf(last.val_loss)


def test_estimates_come_from_finished_runs_that_cost_the_same(tmp_path: Path) -> None:
    config = compose_run(["regulariser=dropout2d", "p=0.3", "train.epochs=20"])
    done = RunFolder(tmp_path, config.run_id)
    done.path.mkdir()
    done.write("config.yaml", to_yaml(config))
    last = replace(DONE.last, epoch=20)
    done.finish(replace(DONE, seconds=40.0, last=last), keep_checkpoint=False)
    asked = [
        ["regulariser=dropout2d", "p=0.7", "seed=4", "train.epochs=20"],
        ["regulariser=dropout2d", "p=0.3", "train.epochs=10"],
        ["regulariser=none", "train.epochs=20"],  # of another regulariser: better than nothing
        ["regulariser=none", "model.width=8"],
    ]
    configs = [compose_run(words) for words in asked]
    found = estimate_seconds(configs, tmp_path)
    assert found.seconds[:3] == pytest.approx((40.0, 20.0, 40.0))
    assert found.seconds[3] is None
    assert not found.is_timed
    timed: list[RunConfig] = []

    def time_epochs(chosen: Sequence[RunConfig]) -> list[float | None]:
        timed.extend(chosen)
        return [0.5] * len(chosen)

    found = estimate_seconds([*configs, *configs[-1:]], tmp_path, time_epochs)
    assert timed == configs[-1:], "one of each kind, and none that a finished run is like"
    assert found.seconds[3:] == (15.0, 15.0)
    assert found.is_timed


@pytest.mark.slow
def test_an_epoch_is_timed_in_a_process_that_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "_SECONDS_TO_START", 600.0)  # torch, on a busy machine
    missing = compose_tiny("data=mnist", f"data.root='{tmp_path}'")
    found = TIME_EPOCHS([compose_tiny(), missing, compose_tiny("regulariser=dropout2d")])
    assert [seconds is not None and 0 < seconds < 10 for seconds in found] == [True, False, True]
    assert list(tmp_path.iterdir()) == []


def test_a_long_epoch_is_stopped_and_its_time_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dropexp.training.progress.SECONDS_BETWEEN_REPORTS", 0.0)
    assert time_epoch(compose_tiny(), 0.0) > 0
