"""Files are written whole, fsynced before they get their names, and never through a link."""

import errno
import os
from pathlib import Path

import pytest

from dropexp.errors import DiskError, RunsDirError, StoreError
from dropexp.runs import durable
from dropexp.runs.durable import append_line, make_folder, remove_file, write_file
from dropexp.runs.files import CHECKPOINT, CONFIG, LOG, METRICS
from dropexp.runs.write import RunFolder
from tests.run_folders import make_record


class CallList(durable.Disk):
    """Writes down the calls, and makes none of those that wait."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def write(self, descriptor: int, raw: bytes) -> None:
        self.calls.append("write")
        super().write(descriptor, raw)

    def sync(self, descriptor: int) -> None:
        self.calls.append("sync")

    def rename(self, old: str, new: str) -> None:
        self.calls.append("rename")
        super().rename(old, new)

    def sync_folder(self, path: str) -> None:
        self.calls.append(f"sync {Path(path).name}/")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    disk = CallList()
    monkeypatch.setattr(durable, "disk", disk)
    return disk.calls


def test_a_file_is_synced_before_it_gets_its_name_and_its_folder_after_that(
    tmp_path: Path, calls: list[str]
) -> None:
    make_folder(tmp_path / "a" / "b")
    write_file(tmp_path / "a" / "b" / "file", b"content")
    append_line(tmp_path / "a" / "b" / "log", b"1\n")
    append_line(tmp_path / "a" / "b" / "log", b"2\n")
    remove_file(tmp_path / "a" / "b" / "log")
    new_folders = [f"sync {tmp_path.name}/", "sync a/"]
    lines = ["write", "sync", "sync b/", "write", "sync"]
    assert calls == [*new_folders, "write", "sync", "rename", "sync b/", *lines, "sync b/"]
    assert os.listdir(tmp_path / "a" / "b") == ["file"]  # noqa: PTH208


def test_a_line_after_the_rest_of_one_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"1\ncut sho")
    append_line(tmp_path / "log", b"2\n")
    assert (tmp_path / "log").read_bytes() == b"1\ncut sho\n2\n"


@pytest.mark.parametrize("name", [METRICS, CHECKPOINT, CONFIG, LOG, f".{METRICS}.part"])
def test_nothing_is_written_through_a_link(tmp_path: Path, name: str) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    folder = RunFolder(tmp_path, "run")
    folder.path.mkdir()
    (folder.path / name).symlink_to(precious)
    folder.write(CONFIG, "seed: 0\n")
    folder.begin_metrics([])
    folder.append_metrics(make_record(1, 1.0))
    folder.write_metrics([make_record(1, 1.0)])
    folder.write(CHECKPOINT, b"state")
    folder.log("message")
    assert precious.read_text() == "mine"
    assert not any(path.is_symlink() for path in folder.path.iterdir())


def test_a_line_is_not_appended_to_a_link_or_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "precious")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        append_line(tmp_path / name, b"1\n")
        assert (tmp_path / name).read_bytes() == b"1\n"
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_run_is_not_trained_through_a_link_and_a_linked_folder_is_not_emptied(
    tmp_path: Path,
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").touch()
    run = RunFolder(tmp_path, "run")
    run.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunsDirError, match="is a link"), run.lock():
        pass
    run.path.unlink()
    run.path.mkdir()
    (run.path / "events").symlink_to(tmp_path / "elsewhere")
    run.clear()
    assert list(run.path.iterdir()) == []
    assert (tmp_path / "elsewhere" / "precious").exists()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.ESTALE, errno.EACCES])
def test_only_what_makes_every_file_unwritable_is_a_disk_error(code: int) -> None:
    error = durable.make_store_error(Path("run/config.yaml"), OSError(code, os.strerror(code)))
    assert isinstance(error, StoreError)
    assert isinstance(error, DiskError) is (code != errno.EACCES)
    assert str(error).startswith("run/config.yaml could not be written: ")
