"""A disk that is full or read-only stops a sweep, and no run is to blame."""

import csv
import errno
import os
import re
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from pathlib import Path

import pytest

from dropexp.runs import durable
from dropexp.runs.write import RunFolder
from dropexp.sweep.jobs import Ending, Outcome
from dropexp.sweep.training_job import train
from tests.conftest import QUICK, Dropexp, UnsyncedDisk
from tests.sweep.test_rounds import CONFIGS, MadeUpLauncher, finish, rounds_of, to_the_end

SWEEP = ("sweep", "seed=0,1", *QUICK)
SENTENCE = "no run can be written to runs_dir="


@contextmanager
def runs_may_not_write_files_above(size: int) -> Iterator[None]:
    """Limit the files of the processes that the fork server starts, as a full disk does."""
    server = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    before = resource.prlimit(server, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(server, resource.RLIMIT_FSIZE, before)


def read_numbers(runs: Path) -> dict[str, list[list[str]]]:
    """Return every number of every run but its times."""
    return {
        path.parent.name: [row[:-1] for row in csv.reader(path.read_text().splitlines())]
        for path in runs.glob("*/metrics.csv")
    }


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux")
def test_a_full_disk_stops_a_sweep_and_the_same_command_resumes_it(
    dropexp: Dropexp, tmp_path: Path
) -> None:
    dropexp(*SWEEP, "runs_dir=undisturbed")
    with runs_may_not_write_files_above(12_000):
        done = dropexp(*SWEEP)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "stopped: 0 of 2 runs done, none trained" in done.stdout
    (line,) = done.stderr.strip().splitlines()[-1:]
    assert line.startswith("error: ")
    assert SENTENCE in done.stderr
    assert "the disk is full" in done.stderr
    assert not list(tmp_path.rglob("error.txt"))
    assert not list(tmp_path.rglob("*.part"))

    done = dropexp(*SWEEP)
    assert done.returncode == 0
    assert "2 of 2 runs done, 2 trained" in done.stdout
    assert read_numbers(tmp_path / "runs") == read_numbers(tmp_path / "undisturbed")


def test_no_further_run_is_launched_and_none_is_given_up(tmp_path: Path) -> None:
    launcher = MadeUpLauncher(
        lambda job, _: (
            finish(job)
            if job.run_id == CONFIGS[0].run_id
            else Outcome(job.run_id, Ending.NO_DISK, "the disk is full")
        )
    )
    rounds = to_the_end(rounds_of(tmp_path, launcher))
    rounds.raise_error()
    assert launcher.launched == [CONFIGS[0].run_id, CONFIGS[1].run_id]
    assert rounds.disk_problem is not None
    assert rounds.disk_problem.reason == "the disk is full"
    assert rounds.failures == {}
    assert not RunFolder(tmp_path, CONFIGS[1].run_id).path.exists()


class LostDisk(UnsyncedDisk):
    """Refuses every change once it has made so many.

    Args:
        changes: how many it makes.
        problem: the error of each later one.
    """

    def __init__(self, changes: int, problem: int) -> None:
        self.left = changes
        self._problem = problem

    def _spend(self, path: str) -> None:
        if self.left == 0:
            raise OSError(self._problem, os.strerror(self._problem), path)
        self.left -= 1

    def create(self, path: str) -> int:
        self._spend(path)
        return super().create(path)

    def open_to_append(self, path: str) -> int:
        self._spend(path)
        return super().open_to_append(path)

    def rename(self, old: str, new: str) -> None:
        self._spend(new)
        super().rename(old, new)

    def unlink(self, path: str) -> None:
        self._spend(path)
        super().unlink(path)

    def make_folder(self, path: str) -> None:
        self._spend(path)
        super().make_folder(path)

    def may_write(self, path: str) -> bool:
        return self.left != 0


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeps train their runs in this process, one after another, on its disk."""
    launcher = MadeUpLauncher(lambda job, _: job.find_outcome() or train(job, None))
    for module in ("conduct", "sequential.conduct"):
        monkeypatch.setattr(f"dropexp.sweep.{module}.build_launcher", lambda *_: launcher)
    monkeypatch.setattr("dropexp.sweep.run_process.start_fork_server", lambda: None)


@pytest.mark.parametrize(
    ("problem", "share"), [(errno.EROFS, 0.3), (errno.EACCES, 0.5), (errno.ENOSPC, 0.8)]
)
@pytest.mark.usefixtures("in_this_process")
def test_a_store_that_is_lost_in_the_middle_of_a_sweep_costs_nothing(
    dropexp: Dropexp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: int, share: float
) -> None:
    whole = LostDisk(10**9, problem)
    monkeypatch.setattr(durable, "disk", whole)
    assert dropexp(*SWEEP, "runs_dir=undisturbed").returncode == 0

    monkeypatch.setattr(durable, "disk", LostDisk(int((10**9 - whole.left) * share), problem))
    done = dropexp(*SWEEP)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("error: ")
    assert SENTENCE in done.stderr
    assert not re.search(r"[1-9]\d* failed", done.stdout), done.stdout
    assert not list(tmp_path.rglob("error.txt"))

    monkeypatch.setattr(durable, "disk", whole)
    done = dropexp(*SWEEP)
    assert done.returncode == 0, done.stdout + done.stderr
    assert read_numbers(tmp_path / "runs") == read_numbers(tmp_path / "undisturbed")


TUNE = ("tune", "regulariser=dropout2d", *QUICK, "--budget", "12runs")
UNTIL_DECIDED = ("sweep", "regulariser=none,dropout2d", "p=0.9", *QUICK, "--until-decided")


@pytest.mark.parametrize("command", [SWEEP, TUNE, UNTIL_DECIDED], ids=["sweep", "tune", "until"])
@pytest.mark.parametrize("is_full_at_once", [True, False])
@pytest.mark.usefixtures("in_this_process")
def test_every_command_that_trains_many_runs_says_the_same_on_a_full_disk(
    dropexp: Dropexp,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    is_full_at_once: bool,
) -> None:
    monkeypatch.setattr(durable, "disk", LostDisk(1 if is_full_at_once else 25, errno.ENOSPC))
    done = dropexp(*command)
    assert done.returncode == 1, done.stdout + done.stderr
    (line,) = done.stderr.strip().splitlines()[-1:]
    assert line.startswith("error: ")
    assert "the disk is full" in line


def may_mount() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0 and Path("/proc/self/ns/mnt").exists()


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk))
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
@pytest.mark.skipif(not may_mount(), reason="needs root")
def test_on_a_real_disk(small_disk: Path, dropexp_process: Dropexp) -> None:
    words = ("sweep", "seed=range(6)", "train.epochs=4", "data.train_size=100", "threads=1")
    folder = small_disk.parent
    assert dropexp_process(*words, "runs_dir=undisturbed").returncode == 0

    def assert_stopped(problem: str) -> None:
        done = dropexp_process(*words, f"runs_dir={small_disk}")
        assert done.returncode == 1, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        assert problem in done.stderr.strip().splitlines()[-1]
        assert not list(small_disk.glob("*/error.txt"))

    assert_stopped("the disk is full")
    mount("-o", "remount,ro", str(small_disk))
    assert_stopped("its file system is read-only")
    mount("-o", "remount,rw,size=100m", str(small_disk))
    done = dropexp_process(*words, f"runs_dir={small_disk}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 of 6 runs done" in done.stdout
    assert read_numbers(small_disk) == read_numbers(folder / "undisturbed")
