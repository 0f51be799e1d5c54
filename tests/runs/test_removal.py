"""Run folders are removed whole, and nothing else is."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from dropexp.errors import DiskError, StoreError
from dropexp.runs import durable
from dropexp.runs.files import CONFIG, LOCK
from dropexp.runs.listed_run import ListedStatus
from dropexp.runs.removal import explain_refusal, remove_run
from dropexp.runs.write import RunFolder
from tests.run_folders import make_record, read_statuses, write_finished_run, write_unfinished_run


@pytest.fixture
def others(tmp_path: Path) -> Iterator[dict[str, RunFolder]]:
    """Folders that must stay, in or beside tmp_path/runs."""
    runs, elsewhere = tmp_path / "runs", tmp_path / "elsewhere"
    runs.mkdir()
    elsewhere.mkdir()
    outside = write_finished_run(elsewhere, 1.0)
    (runs / "none-p0-s1-00000000").symlink_to(outside.path)
    (runs / "none-p0-s2-00000000").mkdir()
    (runs / "none-p0-s3-00000000").mkdir()
    (runs / "none-p0-s3-00000000" / CONFIG).write_text("model: a cnn of my own\n")
    shutil.copytree(outside.path, runs / "precious")
    held = write_unfinished_run(runs, "seed=5")
    names = ["none-p0-s1-00000000", "none-p0-s2-00000000", "none-p0-s3-00000000", "precious"]
    with held.lock():
        yield {
            "outside": outside,
            "held": held,
            "upwards": RunFolder(runs, ".."),
            **{name: RunFolder(runs, name) for name in names},
        }


def test_what_is_not_a_run_of_this_folder_is_not_removed(
    others: dict[str, RunFolder], tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    reasons = {name: explain_refusal(folder, tmp_path / "runs") for name, folder in others.items()}
    assert "" not in reasons.values()
    assert "is a link" in reasons["none-p0-s1-00000000"]
    assert "is not in" in reasons["outside"]
    assert "trained by another process" in reasons["held"]
    assert "trained by another process" in remove_run(others["held"])
    assert sorted(tmp_path.rglob("*")) == before


def test_removing_a_run_leaves_nothing_of_it_and_nothing_else_changes(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").touch()
    (tmp_path / "runs").mkdir()
    run, other = (write_finished_run(tmp_path / "runs", 1.0, f"seed={seed}") for seed in (1, 2))
    (run.path / "link").symlink_to(tmp_path / "data")
    assert explain_refusal(run, tmp_path / "runs") == ""
    assert remove_run(run) == ""
    assert list((tmp_path / "runs").glob("[!.]*")) == [other.path]
    assert (tmp_path / "data" / "file").exists()


def test_a_file_system_that_keeps_open_files_has_the_folder_removed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS keeps a file that is open under another name until it is closed, as the lock is here."""
    run = write_finished_run(tmp_path, 1.0)
    unlink, release = os.unlink, FileLock.release
    kept = run.path / ".nfs000001"

    def rename_the_lock(path: str, **options: Any) -> None:
        if Path(path).name == LOCK:
            (run.path / LOCK).rename(kept)
        else:
            unlink(path, **options)

    def close(self: FileLock, force: bool = False) -> None:
        release(self, force)
        if kept.exists():
            unlink(kept)

    monkeypatch.setattr(os, "unlink", rename_the_lock)
    monkeypatch.setattr(FileLock, "release", close)
    assert remove_run(run) == ""
    assert not run.path.exists()


def test_a_removal_cut_short_leaves_no_finished_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_finished_run(tmp_path, 1.0)
    run.write_metrics([make_record(1, 1.0)])

    def refuses(path: str) -> None:
        if path.endswith("metrics.csv"):
            raise PermissionError(13, "Permission denied")
        os.unlink(path)  # noqa: PTH108 (as the disk does)

    def in_order(self: Path) -> Iterator[Path]:  # the summary would come last by itself
        return iter(sorted(self / name for name in os.listdir(self)))  # noqa: PTH208

    monkeypatch.setattr(durable.disk, "unlink", refuses)
    monkeypatch.setattr(Path, "iterdir", in_order)
    with pytest.raises(StoreError, match="Permission denied"):
        run.remove()
    monkeypatch.undo()
    assert read_statuses(tmp_path) == {run.run_id: ListedStatus.INTERRUPTED}
    assert explain_refusal(run, tmp_path) == ""
    assert remove_run(run) == ""


def test_a_disk_that_takes_no_lock_is_named_with_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_finished_run(tmp_path, 1.0)

    def refuse(*_: object) -> bool:
        raise DiskError("no run can be written; the same command resumes", "it is read-only")

    monkeypatch.setattr(RunFolder, "remove", refuse)
    assert remove_run(run) == f"{run.path} cannot be removed: it is read-only."
