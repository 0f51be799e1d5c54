"""How many runs go on at a time, and on which devices."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from dropexp.config.overrides import parse_override
from dropexp.errors import ConfigError
from dropexp.sweep.jobs import Ending, Job, Outcome
from dropexp.sweep.launchers import LocalLauncher, build_launcher
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


@pytest.mark.parametrize(("n_jobs", "runs"), [(3, 3), (-1, 8), (-2, 7), (-20, 1)])
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
        def wait_for_any(processes: Iterable["Process"]) -> list["Process"]:
            in_use = [process._device for process in processes]
            assert all(in_use.count(device) <= 2 for device in in_use)
            return list(processes)[:1]

    monkeypatch.setattr("dropexp.sweep.launchers.RunProcess", Process)
    launcher = LocalLauncher("joblib", 3, ["cuda:0", "cuda:1"])
    jobs = [Job(compose_tiny(f"seed={n}"), tmp_path, tmp_path, "") for n in range(6)]
    outcomes = list(launcher.launch(jobs))
    assert sorted(outcome.run_id for outcome in outcomes) == sorted(job.run_id for job in jobs)
    assert max(most) == 3
    assert not running
