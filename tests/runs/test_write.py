"""A run folder is never half written, never written twice at once, and read back as it was."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dropexp.errors import RunsDirError, StoreError
from dropexp.runs.files import CHECKPOINT, CONFIG, ERROR, METRICS, SUMMARY
from dropexp.runs.read import FolderStatus
from dropexp.runs.write import RunFolder, open_runs_dir
from tests.run_folders import make_record, make_summary


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path, "some-run")
    folder.path.mkdir()
    return folder


def test_the_status_follows_the_files(folder: RunFolder) -> None:
    seen = [folder.status]
    folder.write(CONFIG, "seed: 0\n")
    seen.append(folder.status)
    folder.write(ERROR, "Traceback")
    seen.append(folder.status)
    folder.write(CHECKPOINT, b"state")
    folder.finish(make_summary(None, make_record(1, 1.0)), keep_checkpoint=False)
    seen.append(folder.status)
    assert seen == list(FolderStatus)
    assert sorted(entry.name for entry in folder.path.iterdir()) == [CONFIG, SUMMARY]


def test_a_checkpoint_is_kept_on_request(folder: RunFolder) -> None:
    folder.write(CHECKPOINT, b"state")
    folder.finish(make_summary(None, make_record(1, 1.0)), keep_checkpoint=True)
    assert folder.read_checkpoint(0) == b"state"


def test_metrics_are_read_back_as_they_were(folder: RunFolder) -> None:
    records = [make_record(1, 1 / 3), make_record(2, 0.1), make_record(3, 1e-300)]
    folder.write_metrics(records[:1])
    for later in records[1:]:
        folder.append_metrics(later)
    assert folder.read_records() == records


def test_a_line_that_was_cut_off_is_left_out(folder: RunFolder) -> None:
    folder.write_metrics([make_record(1, 1.0), make_record(2, 0.5)])
    whole = (folder.path / METRICS).read_bytes()
    last_line = len(whole.splitlines(keepends=True)[-1])
    for cut in range(1, last_line):
        (folder.path / METRICS).write_bytes(whole[:-cut])
        assert folder.read_records() == [make_record(1, 1.0)]


def test_a_damaged_line_in_the_middle_is_an_error(folder: RunFolder) -> None:
    folder.write_metrics([make_record(1, 1.0), make_record(2, 0.5)])
    damaged = (folder.path / METRICS).read_text().replace("0.001", "x", 1)
    (folder.path / METRICS).write_text(damaged)
    with pytest.raises(StoreError, match="damaged"):
        folder.read_records()


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format": 1}', '{"format": 99}'])
def test_a_summary_that_cannot_be_used_is_an_error_with_a_way_out(
    folder: RunFolder, content: str
) -> None:
    folder.write(SUMMARY, content)
    with pytest.raises(StoreError, match=r"trains it again|again with force=true"):
        folder.read_summary()


def test_a_summary_is_read_back_as_it_was(folder: RunFolder) -> None:
    original = make_summary(make_record(1, 1.0), make_record(2, 2.0))
    folder.finish(original, keep_checkpoint=False)
    assert folder.read_summary() == original
    assert json.loads((folder.path / SUMMARY).read_text())["status"] == "completed"


def test_a_write_that_fails_leaves_the_old_content_and_no_litter(folder: RunFolder) -> None:
    folder.write(METRICS, "old")
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from dropexp.runs.write import RunFolder\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "RunFolder(Path(sys.argv[1]), 'some-run').write('metrics.csv', 'x' * 5000)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder.path.parent)], capture_output=True, text=True
    )
    assert "DiskError" in done.stderr
    assert "the disk is full" in done.stderr
    assert (folder.path / METRICS).read_text() == "old"
    assert [entry.name for entry in folder.path.iterdir()] == [METRICS]


def test_clear_removes_everything_but_the_lock(folder: RunFolder) -> None:
    with folder.lock():
        folder.write(CONFIG, "seed: 0\n")
        (folder.path / "events.out.tfevents.1").touch()
        folder.clear()
        assert [entry.name for entry in folder.path.iterdir()] == [".lock"]


def test_a_second_process_waits_until_the_first_is_gone(tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from dropexp.runs.write import RunFolder\n"
        "with RunFolder(Path(sys.argv[1]), 'r').lock():\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        waited: list[str] = []

        def kill_the_holder() -> None:
            waited.append("waits")
            holder.kill()

        with RunFolder(tmp_path, "r").lock(kill_the_holder):
            assert waited == ["waits"]
    finally:
        holder.kill()
        holder.communicate()


def test_a_runs_dir_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(RunsDirError, match="is a file"):
            open_runs_dir(str(path))


def test_a_runs_dir_is_made_with_its_parents(tmp_path: Path) -> None:
    assert open_runs_dir(str(tmp_path / "a" / "b")).is_dir()


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc/sys").is_dir(), reason="needs /proc")
def test_a_folder_that_cannot_be_written_is_a_clear_error() -> None:
    with (
        pytest.raises(RunsDirError, match="cannot be written"),
        RunFolder(Path("/proc/sys"), "r").lock(),
    ):
        time.sleep(0)
