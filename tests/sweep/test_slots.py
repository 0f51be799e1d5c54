"""How many runs go on at a time, and on which devices."""

import weakref
from collections.abc import Iterable
from pathlib import Path

import pytest

from dropexp.config.overrides import parse_override
from dropexp.errors import ConfigError
from dropexp.sweep.jobs import Ending, Job, Outcome
from dropexp.sweep.launchers import build_launcher
from dropexp.sweep.local_launcher import LocalLauncher
from dropexp.sweep.slots import count_slots
from tests.builders import compose_tiny


def test_gpus_are_slots_where_the_runs_may_use_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dropexp.sweep.slots._CUDA_DRIVERS", ("/",))
    monkeypatch.setattr("dropexp.sweep.slots.count_cores", lambda: 12)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    assert count_slots([compose_tiny()]) == 3
    assert count_slots([compose_tiny("device=cpu")]) == 12
    assert count_slots([compose_tiny("device=cpu", "threads=4")]) == 3
    assert count_slots([compose_tiny("device=cuda:1")]) == 12
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert count_slots([compose_tiny()]) == 12


@pytest.mark.parametrize(("n_jobs", "runs"), [(3, 3), (-1, 8), (-2, 7)])
def test_n_jobs_counts_runs_or_the_cores_to_leave(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, n_jobs: int, runs: int
) -> None:
    monkeypatch.setattr("dropexp.sweep.launchers.count_cores", lambda: 8)
    monkeypatch.setattr("dropexp.sweep.slots.count_cores", lambda: 8)
    config = compose_tiny("device=cpu")
    launcher = build_launcher(
        [parse_override(f"hydra.launcher.n_jobs={n_jobs}")], tmp_path, [config]
    )
    assert launcher.runs_at_a_time == runs
    if n_jobs < 0:  # each run has its threads
        wide = compose_tiny("device=cpu", "threads=2")
        words = [parse_override(f"hydra.launcher.n_jobs={n_jobs}")]
        assert build_launcher(words, tmp_path, [wide]).runs_at_a_time == max(1, runs // 2)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("hydra.launcher.n_jobs=0", "n_jobs=0"),
        ("hydra.launcher.n_jobs=many", "whole number"),
        ("hydra.launcher.verbose=10", "no setting 'verbose'; it has n_jobs"),
        ("+hydra.launcher.backend=threading", "no setting 'backend'"),
        ("hydra/launcher=rya", "ray"),
    ],
)
def test_a_setting_without_meaning_is_refused(tmp_path: Path, override: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build_launcher([parse_override(override)], tmp_path, [])


def test_runs_at_a_time_are_spread_over_the_devices(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    running: list[str | None] = []
    most: list[int] = []

    class Process:
        def __init__(self, job: Job, device: str | None) -> None:
            self._job, self._device = job, device
            running.append(device)
            most.append(len(running))

        def wait(self) -> Outcome:
            running.remove(self._device)
            return Outcome(self._job.run_id, Ending.FINISHED)

        def kill(self) -> None: ...

        @staticmethod
        def wait_for_any(processes: Iterable["Process"]) -> dict["Process", bool]:
            in_use = [process._device for process in processes]
            assert all(in_use.count(device) <= 2 for device in in_use)
            return {next(iter(processes)): True}

    monkeypatch.setattr("dropexp.sweep.local_launcher.RunProcess", Process)
    launcher = LocalLauncher("joblib", 3, ["cuda:0", "cuda:1"])
    jobs = [Job(compose_tiny(f"seed={n}"), tmp_path, tmp_path, "") for n in range(6)]
    outcomes = list(launcher.launch(jobs))
    assert sorted(outcome.run_id for outcome in outcomes) == sorted(job.run_id for job in jobs)
    assert max(most) == 3
    assert not running


@pytest.mark.parametrize(
    ("at_a_time", "devices", "overlap"), [(2, [], 1), (1, [], 0), (2, ["cuda:0"], 0)]
)
def test_the_next_run_starts_while_one_on_the_cpu_is_written(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    at_a_time: int,
    devices: list[str],
    overlap: int,
) -> None:
    alive: list[str] = []
    most: list[int] = []

    class Process:
        def __init__(self, job: Job, device: str | None) -> None:
            self._job = job
            self._is_finishing = False
            alive.append(job.run_id)
            most.append(len(alive))

        def wait(self) -> Outcome:
            alive.remove(self._job.run_id)
            return Outcome(self._job.run_id, Ending.FINISHED)

        def kill(self) -> None: ...

        @staticmethod
        def wait_for_any(processes: Iterable["Process"]) -> dict["Process", bool]:
            first = next(iter(processes))
            has_ended = first._is_finishing
            first._is_finishing = True
            return {first: has_ended}

    monkeypatch.setattr("dropexp.sweep.local_launcher.RunProcess", Process)
    launcher = LocalLauncher("joblib", at_a_time, devices)
    jobs = [Job(compose_tiny(f"seed={n}"), tmp_path, tmp_path, "") for n in range(6)]
    assert len(list(launcher.launch(jobs))) == 6
    assert max(most) == at_a_time + overlap


def test_a_launcher_holds_no_run_that_has_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """So that the memory of a sweep does not grow with the runs that it has trained."""
    known: weakref.WeakSet[object] = weakref.WeakSet()

    class Process:
        def __init__(self, job: Job, device: str | None) -> None:
            self._job = job
            known.add(self)

        def wait(self) -> Outcome:
            return Outcome(self._job.run_id, Ending.FINISHED)

        def kill(self) -> None: ...

        @staticmethod
        def wait_for_any(processes: Iterable["Process"]) -> dict["Process", bool]:
            return {next(iter(processes)): True}

    monkeypatch.setattr("dropexp.sweep.local_launcher.RunProcess", Process)
    config = compose_tiny()
    jobs = [Job(config, tmp_path, tmp_path, "") for _ in range(50)]
    held = [len(known) for _ in LocalLauncher("joblib", 2, []).launch(jobs)]
    assert len(held) == 50
    assert max(held) <= 3
