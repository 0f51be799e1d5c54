"""A run's process: how it ends, what it prints, and a store that it cannot reach."""

import multiprocessing.process
import multiprocessing.util
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from dropexp.config.compose import compose_run
from dropexp.errors import BusyError, UserError
from dropexp.runs.attempts import read_attempt
from dropexp.runs.read import FolderStatus
from dropexp.runs.write import RunFolder
from dropexp.sweep import run_process
from dropexp.sweep.jobs import STOP_FILE, TOKEN_FILE, Ending, Job
from dropexp.sweep.run_process import RunProcess, execute
from dropexp.sweep.training_job import RunLog
from dropexp.training.progress import EpochProgress, read_progress, save_progress
from tests.run_folders import make_record


def job_for(runs_dir: Path, *overrides: str) -> Job:
    sweep_dir = runs_dir / ".sweeps" / "x"
    sweep_dir.mkdir(parents=True, exist_ok=True)
    (sweep_dir / TOKEN_FILE).write_text("token")
    config = compose_run(
        ["train.epochs=1", "data.train_size=70", "data.val_size=50", "threads=1", *overrides]
    )
    return Job(config, runs_dir, sweep_dir, "token")


def test_a_process_that_shares_the_store_writes_there(tmp_path: Path) -> None:
    outcome = execute(job_for(tmp_path))
    assert (outcome.ending, outcome.files) == (Ending.FINISHED, None)
    assert RunFolder(tmp_path, outcome.run_id).read_summary().run_id == outcome.run_id


@pytest.mark.parametrize("sign", ["gone", "another sweep's"])
def test_a_process_that_does_not_share_the_store_gives_back_the_whole_folder(
    tmp_path: Path, sign: str
) -> None:
    job = job_for(tmp_path)
    shared = job.sweep_dir / TOKEN_FILE
    shared.unlink() if sign == "gone" else shared.write_text("other")
    outcome = execute(job)
    assert outcome.ending is Ending.FINISHED
    assert not (tmp_path / outcome.run_id).exists()
    assert outcome.files is not None
    received = RunFolder(tmp_path / "here", outcome.run_id)
    received.path.mkdir(parents=True)
    received.replace_files(outcome.files)
    assert received.find_damage(whole=True) == ""
    assert execute(job_for(tmp_path)).ending is Ending.FINISHED
    direct = RunFolder(tmp_path, outcome.run_id)
    assert received.read_summary().last == direct.read_summary().last
    weights = [(f.path / "model.safetensors").read_bytes() for f in (received, direct)]
    assert weights[0] == weights[1]


def test_a_run_that_another_process_trains_is_left_to_it(tmp_path: Path) -> None:
    job = job_for(tmp_path)
    with RunFolder(tmp_path, job.run_id).lock():
        assert execute(job).ending is Ending.BUSY
    with (
        RunFolder(tmp_path, job.run_id).lock(),
        pytest.raises(BusyError),
        RunFolder(tmp_path, job.run_id).lock(patience=0.01),
    ):
        pass


def test_no_run_is_begun_after_the_sweep_was_asked_to_stop(tmp_path: Path) -> None:
    job = job_for(tmp_path)
    (job.sweep_dir / STOP_FILE).touch()
    assert execute(job).ending is Ending.STOPPED
    assert not (tmp_path / job.run_id).exists()


def test_what_this_machine_lacks_is_no_failure_of_the_run(tmp_path: Path) -> None:
    outcome = RunProcess(job_for(tmp_path), "cuda:99").wait()
    assert outcome.ending is Ending.FAILED
    assert "cuda:99" in outcome.message
    assert not (tmp_path / outcome.run_id).exists()


def test_what_the_config_forbids_is_remembered(tmp_path: Path) -> None:
    outcome = execute(job_for(tmp_path, "regulariser=stochastic_depth", "model.shortcut=false"))
    assert outcome.ending is Ending.FAILED
    assert RunFolder(tmp_path, outcome.run_id).status is FolderStatus.FAILED
    assert RunFolder(tmp_path, outcome.run_id).read_error() == outcome.message


def test_a_finished_run_is_left_as_it_is_when_forcing_is_refused(tmp_path: Path) -> None:
    done = execute(job_for(tmp_path))
    folder = RunFolder(tmp_path, done.run_id)
    before = folder.read_files()
    forced = replace(job_for(tmp_path, "force=true"), stale=read_attempt(folder).without_end())
    refused = RunProcess(forced, "cuda:99").wait()
    assert (refused.run_id, refused.ending) == (done.run_id, Ending.FAILED)
    assert RunFolder(tmp_path, done.run_id).read_files() == before


def test_a_run_that_failed_in_another_sweep_meanwhile_is_not_tried_again(tmp_path: Path) -> None:
    job = job_for(tmp_path)
    folder = RunFolder(tmp_path, job.run_id)
    folder.path.mkdir()
    folder.write("config.yaml", "")
    folder.write("error.txt", "why\n")
    outcome = execute(job)
    assert (outcome.ending, outcome.message) == (Ending.FAILED, "why")
    assert RunProcess(job).wait().ending is Ending.BUSY, "it was found under the lock"
    later = replace(job, stale=read_attempt(folder))
    assert execute(later).ending is Ending.FINISHED


@pytest.mark.parametrize(("seconds", "stops"), [(0.1, False), (60.0, True)])
def test_a_run_stops_after_the_epoch_unless_its_end_is_near(
    tmp_path: Path, seconds: float, stops: bool
) -> None:
    stop = tmp_path / STOP_FILE
    log = RunLog(RunFolder(tmp_path, "x"), stop)
    one = replace(make_record(1, 0.5), seconds=seconds)
    log.report_epoch(one, epochs=10)
    stop.touch()
    if stops:
        with pytest.raises(KeyboardInterrupt):
            log.report_epoch(one, epochs=10)
    else:
        log.report_epoch(one, epochs=10)


def test_the_progress_of_an_epoch_goes_with_its_end_and_that_of_a_killed_process_at_the_start(
    tmp_path: Path,
) -> None:
    folder = RunFolder(tmp_path, "x")
    folder.path.mkdir()
    half = EpochProgress(epoch=1, epochs=10, steps_done=5, steps=10, seconds=60.0)
    save_progress(folder.path, half)
    log = RunLog(folder, tmp_path / STOP_FILE)
    log.start("x", [])
    assert read_progress(folder.path) is None
    for epoch in (1, 2):
        log._next_save = 0.0  # as if a second had passed
        log.report_step(replace(half, epoch=epoch))
        assert read_progress(folder.path) == replace(half, epoch=epoch)
        log.report_epoch(make_record(epoch, 0.5), epochs=10)
        assert read_progress(folder.path) is None


NETWORK = """
import os, signal, torch

class Net(torch.nn.Linear):
    def __init__(self, image_shape, num_classes):
        os.write(1, b"from a library")
        super().__init__(64, num_classes)

    def forward(self, x):
        {crash}
        return super().forward(x.flatten(1))
"""


@pytest.mark.parametrize("crash", ["", "os.kill(os.getpid(), signal.SIGSEGV)"])
def test_what_a_run_prints_is_in_its_log_even_of_a_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash: str
) -> None:
    (tmp_path / "chatty.py").write_text(NETWORK.format(crash=crash))
    monkeypatch.syspath_prepend(tmp_path)
    job = job_for(tmp_path, "model=custom", "model.target=chatty:Net")
    outcome = execute(job)
    log = (tmp_path / outcome.run_id / "run.log").read_text()
    assert "from a library" in log
    assert not list(job.sweep_dir.glob("*.out"))
    if crash:
        assert outcome.ending is Ending.KILLED
        assert outcome.message == "its process was ended by SIGSEGV"
        assert 'chatty.py", line' in log, "the line that crashed is named"
    else:
        assert outcome.ending is Ending.FINISHED, outcome.message


HOLD_BACK = """
import time
from pathlib import Path
from dropexp.training.recorder import Recorder

finish = Recorder.finish

def finish_later(self, summary):
    while not Path({sign!r}).exists():
        time.sleep(0.01)
    finish(self, summary)

Recorder.finish = finish_later
"""
"""Belongs to the module of a network, so that the run's process executes it."""


def test_a_run_says_when_it_has_trained_its_last_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign = tmp_path / "may_finish"
    module = NETWORK.format(crash="") + HOLD_BACK.format(sign=str(sign))
    (tmp_path / "held_back.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    process = RunProcess(job_for(tmp_path, "model=custom", "model.target=held_back:Net"))
    assert RunProcess.wait_for_any([process]) == {process: False}
    sign.touch()
    assert RunProcess.wait_for_any([process]) == {process: True}
    assert process.wait().ending is Ending.FINISHED


@pytest.fixture
def long_temp_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of temporary files in whose name no socket's has room."""
    folder = tmp_path / ("t" * 100)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    process = multiprocessing.process.current_process()
    monkeypatch.delitem(process._config, "tempdir", raising=False)  # type: ignore[attr-defined]
    return folder


def test_sockets_have_short_names_though_temporary_files_have_not(long_temp_dir: Path) -> None:
    run_process.get_context.__wrapped__()
    assert tempfile.gettempdir() == str(long_temp_dir)
    assert len(multiprocessing.util.get_temp_dir()) < 40


def test_where_no_short_folder_is_left_the_user_is_asked_for_one(
    long_temp_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_process, "_SHORT_TEMP_DIRS", ("/nowhere",))
    with pytest.raises(UserError, match=f"TMPDIR={long_temp_dir} has a name that is too long"):
        run_process.get_context.__wrapped__()
