"""Wherever the power fails, the same command reaches the same end, and promises are kept."""

import json
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dropexp.config.run_config import RunConfig
from dropexp.runs import durable
from dropexp.runs.files import AUDIT, CHECKPOINT, CONFIG, METRICS, SUMMARY, WEIGHTS
from dropexp.runs.ledger import read_ledger
from dropexp.runs.read import FolderStatus
from dropexp.runs.write import RunFolder
from dropexp.training import recorder
from dropexp.training.run import run
from tests.builders import RecordingView, compose_tiny, without_seconds
from tests.failing_disk import FailingDisk, PowerCutError, Survival

_CALLS = 80
"""More than a run of two epochs makes; a cut after the last of them disturbs nothing."""


@pytest.fixture(autouse=True)
def checkpoint_of_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "_SECONDS_BETWEEN_CHECKPOINTS", 0)


def make_config(runs_dir: Path) -> RunConfig:
    off = "tensorboard.enabled=false"  # its file is no result
    return compose_tiny("train.epochs=2", "threads=1", off, f"runs_dir={runs_dir}")


def read_end(config: RunConfig) -> dict[str, Any]:
    """Return what a finished run holds, without what differs between two equal trainings."""
    folder = RunFolder(Path(config.runs_dir), config.run_id)
    assert folder.find_damage(whole=True) == ""
    summary = json.loads((folder.path / SUMMARY).read_text())
    del summary["seconds"], summary["peak_memory_mb"], summary["files"]
    end = {name: (folder.path / name).read_bytes() for name in (WEIGHTS, AUDIT)}
    names = sorted(path.name for path in folder.path.iterdir())
    return {**end, "summary": summary, "names": names, METRICS: read_epochs(folder)}


def read_epochs(folder: RunFolder) -> list[Any]:
    return without_seconds(folder.read_records())


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    config = make_config(tmp_path_factory.mktemp("undisturbed") / "runs")
    run(config, RecordingView())
    return read_end(config)


def cut_power(config: RunConfig, root: Path, calls: int, survival: Survival) -> int:
    """Train until the power fails; return the number of checkpoints that were promised."""
    disk, promised = FailingDisk(root, calls), 0
    write = RunFolder.write

    def count_checkpoints(self: RunFolder, name: str, *rest: Any, **options: Any) -> None:
        nonlocal promised
        write(self, name, *rest, **options)
        promised += name == CHECKPOINT

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable, "disk", disk)
        patch.setattr(RunFolder, "write", count_checkpoints)
        with suppress(PowerCutError):
            run(config, RecordingView())
    disk.restore(survival, random.Random(calls))
    return promised


def assert_recovers(root: Path, calls: int, survival: Survival, expected: dict[str, Any]) -> None:
    config = make_config(root / "runs")
    promised = cut_power(config, root, calls, survival)
    folder = RunFolder(root / "runs", config.run_id)
    is_finished = folder.status is FolderStatus.FINISHED
    if is_finished:
        assert folder.find_damage(whole=True) == ""
        assert read_ledger(root / "runs").ended(config.run_id) is not None
    view = RecordingView()
    run(config, view)
    assert "damaged" not in view.text
    assert "not whole" not in view.text
    if promised and not is_finished:
        assert "resuming after epoch" in view.text
    assert read_end(config) == expected
    ledger = read_ledger(root / "runs")
    asked, ended = ledger.asked(config.run_id), ledger.ended(config.run_id)
    assert asked is not None
    assert ended is not None
    assert asked.number < ended


@pytest.mark.parametrize("part", range(4))
def test_after_a_power_cut_the_same_command_reaches_the_same_end(
    tmp_path: Path, undisturbed: dict[str, Any], part: int
) -> None:
    survival = list(Survival)[part]
    for calls in range(4 * part, _CALLS, 16):
        (tmp_path / str(calls)).mkdir()
        assert_recovers(tmp_path / str(calls), calls, survival, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("survival", Survival)
def test_wherever_the_power_fails_the_same_command_reaches_the_same_end(
    tmp_path: Path, undisturbed: dict[str, Any], survival: Survival
) -> None:
    for calls in range(_CALLS):
        (tmp_path / str(calls)).mkdir()
        assert_recovers(tmp_path / str(calls), calls, survival, undisturbed)


def test_the_run_makes_fewer_calls_than_are_cut(tmp_path: Path) -> None:
    config, disk = make_config(tmp_path / "runs"), FailingDisk(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable, "disk", disk)
        run(config, RecordingView())
    assert 40 < disk.calls <= _CALLS
    assert (RunFolder(tmp_path / "runs", config.run_id).path / CONFIG).stat().st_size
