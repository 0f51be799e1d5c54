"""Runs that are lost are launched again, but not for ever, whatever a launcher does."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from dropexp.config.compose import to_yaml
from dropexp.config.run_config import RunConfig
from dropexp.errors import RunError
from dropexp.runs.attempts import Attempt, make_attempt, read_attempt
from dropexp.runs.read import FolderStatus
from dropexp.runs.write import RunFolder
from dropexp.sweep.jobs import Ending, Job, Outcome
from dropexp.sweep.rounds import Rounds
from tests.builders import compose_tiny

CONFIGS = [compose_tiny(f"seed={seed}") for seed in range(3)]
POISONED = CONFIGS[1].run_id


class MadeUpLauncher:
    """Does jobs by a function of the job and of how often its run was launched before."""

    name = "made-up"
    runs_at_a_time = 1

    def __init__(self, do: Callable[[Job, int], Outcome]) -> None:
        self._do = do
        self.launched: list[str] = []

    def launch(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        for job in jobs:
            if job.is_stopped:
                yield Outcome(job.run_id, Ending.STOPPED)
                continue
            before = self.launched.count(job.run_id)
            self.launched.append(job.run_id)
            yield self._do(job, before)

    def stop(self) -> None:
        pass

    def close(self) -> None:
        pass


def finish(job: Job) -> Outcome:
    folder = RunFolder(job.runs_dir, job.run_id)
    folder.path.mkdir(exist_ok=True)
    folder.write("summary.json", "{}")
    return Outcome(job.run_id, Ending.FINISHED)


def rounds_of(
    tmp_path: Path,
    launcher: MadeUpLauncher,
    configs: Sequence[RunConfig] = tuple(CONFIGS),
    stale: Mapping[str, Attempt] | None = None,
) -> Rounds:
    sweep_dir = tmp_path / ".sweeps" / "x"
    sweep_dir.mkdir(parents=True)
    return Rounds(launcher, configs, tmp_path, sweep_dir, stale)


def to_the_end(rounds: Rounds) -> Rounds:
    rounds.start()
    assert rounds.wait(30), "it does not end"
    return rounds


def test_every_run_is_launched_once_where_all_goes_well(tmp_path: Path) -> None:
    launcher = MadeUpLauncher(lambda job, _: finish(job))
    to_the_end(rounds_of(tmp_path, launcher)).raise_error()
    assert launcher.launched == [config.run_id for config in CONFIGS]


def test_a_run_that_is_killed_each_time_is_given_up(tmp_path: Path) -> None:
    def do(job: Job, _: int) -> Outcome:
        if job.run_id == POISONED:
            return Outcome(job.run_id, Ending.KILLED, "its process was ended by SIGKILL")
        return finish(job)

    launcher = MadeUpLauncher(do)
    rounds = to_the_end(rounds_of(tmp_path, launcher))
    assert launcher.launched.count(POISONED) == 3
    assert len(launcher.launched) == 5
    error = "launched 3 times, and each time its process was ended by SIGKILL"
    assert rounds.failures == {POISONED: error}
    assert RunFolder(tmp_path, POISONED).read_error() == error


def test_a_run_that_is_killed_once_is_launched_again(tmp_path: Path) -> None:
    launcher = MadeUpLauncher(
        lambda job, before: (
            Outcome(job.run_id, Ending.KILLED)
            if job.run_id == POISONED and before == 0
            else finish(job)
        )
    )
    assert to_the_end(rounds_of(tmp_path, launcher)).failures == {}
    assert launcher.launched.count(POISONED) == 2


def test_a_failure_that_cannot_be_written_down_is_reported_all_the_same(tmp_path: Path) -> None:
    """As on a full disk."""
    launcher = MadeUpLauncher(lambda job, _: Outcome(job.run_id, Ending.FAILED, "the disk is full"))
    rounds = to_the_end(rounds_of(tmp_path, launcher))
    assert len(launcher.launched) == 3
    assert set(rounds.failures.values()) == {"the disk is full"}
    assert list(tmp_path.glob("*-s*")) == []


def test_a_run_that_another_process_trains_is_asked_for_until_it_is_done(tmp_path: Path) -> None:
    launcher = MadeUpLauncher(
        lambda job, before: finish(job) if before == 4 else Outcome(job.run_id, Ending.BUSY)
    )
    to_the_end(rounds_of(tmp_path, launcher)).raise_error()
    assert len(launcher.launched) == 3 * 5


def test_a_launcher_that_breaks_down_launches_what_is_left(tmp_path: Path) -> None:
    def do(job: Job, before: int) -> Outcome:
        if job.run_id == POISONED and before == 0:
            raise OSError("a worker was lost")
        return finish(job)

    launcher = MadeUpLauncher(do)
    to_the_end(rounds_of(tmp_path, launcher)).raise_error()
    assert launcher.launched == [CONFIGS[0].run_id, POISONED, POISONED, CONFIGS[2].run_id]


def test_a_launcher_that_only_breaks_down_is_given_up(tmp_path: Path) -> None:
    def do(job: Job, before: int) -> Outcome:
        raise OSError("no such cluster")

    rounds = to_the_end(rounds_of(tmp_path, MadeUpLauncher(do)))
    with pytest.raises(RunError, match=r"broke down 3 times in a row.*no such cluster"):
        rounds.raise_error()
    assert "Traceback" in (tmp_path / ".launcher-error.txt").read_text()


@pytest.mark.parametrize("breaks_down", [True, False])
def test_a_folder_of_runs_that_is_removed_meanwhile_is_named(
    tmp_path: Path, breaks_down: bool
) -> None:
    def do(job: Job, before: int) -> Outcome:
        shutil.rmtree(job.sweep_dir)
        if breaks_down:
            raise FileNotFoundError(job.sweep_dir)
        return Outcome(job.run_id, Ending.FAILED, "metrics.csv is gone")

    launcher = MadeUpLauncher(do)
    with pytest.raises(RunError, match="was removed or replaced while the sweep trained"):
        to_the_end(rounds_of(tmp_path, launcher)).raise_error()
    assert len(launcher.launched) == 1


def test_after_stop_nothing_more_is_launched(tmp_path: Path) -> None:
    begun, stopped = threading.Event(), threading.Event()

    def do(job: Job, before: int) -> Outcome:
        begun.set()
        stopped.wait(10)
        return Outcome(job.run_id, Ending.STOPPED)

    launcher = MadeUpLauncher(do)
    rounds = rounds_of(tmp_path, launcher)
    rounds.start()
    begun.wait(10)
    rounds.stop()
    stopped.set()
    assert rounds.wait(10)
    assert len(launcher.launched) == 1


def test_files_from_another_machine_become_the_folder(tmp_path: Path) -> None:
    files = {"summary.json": b"{}", "config.yaml": b"p: 0\n"}
    launcher = MadeUpLauncher(lambda job, _: Outcome(job.run_id, Ending.FINISHED, files=files))
    to_the_end(rounds_of(tmp_path, launcher)).raise_error()
    assert RunFolder(tmp_path, POISONED).read_files() == files


def test_a_run_killed_on_another_machine_loses_nothing_that_is_here(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, POISONED)
    folder.path.mkdir()
    folder.write("config.yaml", to_yaml(CONFIGS[1]))
    folder.write("checkpoint.pt", b"weights")

    def do(job: Job, before: int) -> Outcome:
        if job.run_id == POISONED and before == 0:
            return Outcome(job.run_id, Ending.KILLED, files={})
        assert job.run_id != POISONED or (folder.path / "checkpoint.pt").exists()
        return finish(job)

    assert to_the_end(rounds_of(tmp_path, MadeUpLauncher(do))).failures == {}
    assert folder.status is FolderStatus.FINISHED


def test_a_forced_run_is_forced_once(tmp_path: Path) -> None:
    forced = []

    def do(job: Job, before: int) -> Outcome:
        forced.append(job.must_replace(RunFolder(tmp_path, job.run_id)))
        if before == 0:
            begun = RunFolder(tmp_path, job.run_id)
            begun.clear()
            begun.write_json("environment.json", make_attempt(job.token))
            return Outcome(job.run_id, Ending.KILLED)
        return finish(job)

    config = compose_tiny("force=true")
    folder = RunFolder(tmp_path, config.run_id)
    folder.path.mkdir()
    finish(Job(config, tmp_path, tmp_path, ""))
    stale = {config.run_id: read_attempt(folder).without_end()}
    rounds = rounds_of(tmp_path, MadeUpLauncher(do), [config], stale)
    to_the_end(rounds)
    assert forced == [True, False]


def test_close_waits_for_the_thread_that_collects_the_runs(tmp_path: Path) -> None:
    begun, closed = threading.Event(), threading.Event()

    def do(job: Job, before: int) -> Outcome:
        begun.set()
        assert closed.wait(10)
        time.sleep(0.2)  # a process takes a moment to end and to be collected
        return Outcome(job.run_id, Ending.KILLED)

    launcher = MadeUpLauncher(do)
    launcher.close = closed.set  # type: ignore[method-assign]
    rounds = rounds_of(tmp_path, launcher)
    rounds.start()
    assert begun.wait(10)
    rounds.close()
    assert rounds.wait(0)
    assert launcher.launched.count(CONFIGS[0].run_id) == 1
