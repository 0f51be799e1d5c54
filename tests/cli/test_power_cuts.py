"""An ext4 file system is shut down under commands, which are then given again.

The model of a disk in tests/training/test_power_cuts.py is faster and stricter; this one is real.
"""

import csv
import fcntl
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dropexp.runs.files import METRICS, SUMMARY, WEIGHTS
from dropexp.runs.ledger import read_ledger
from tests.processes import start_dropexp

_SHUT_DOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN
_WITHOUT_FLUSHING = struct.pack("I", 2)
_NAMES_SOON, _NOTHING_SOON = "commit=1,noauto_da_alloc", "commit=300,noauto_da_alloc"
"""Mount options: names reach the disk every second, long before contents; or not by themselves."""

_JOB = ("data.train_size=100", "model.width=8", "threads=1", "keep_checkpoint=false")
_COMMANDS = {
    "train": ("train", "regulariser=dropout2d", "p=0.3", "train.epochs=30", *_JOB),
    "sweep": (
        "sweep",
        "regulariser=none,dropout2d",
        "p=0.3",
        "seed=0,1",
        "study=mine",
        "train.epochs=5",
        *_JOB,
    ),
}


class Disk:
    """An ext4 file system in a file of this machine, whose power can fail.

    Args:
        folder: for its file and the place where it is mounted.
    """

    def __init__(self, folder: Path) -> None:
        self._image, self.root = folder / "disk.img", folder / "disk"
        self.root.mkdir()
        self._image.touch()
        os.truncate(self._image, 64 << 20)
        subprocess.run(["mkfs.ext4", "-q", self._image], check=True)

    @contextmanager
    def mounted(self, options: str) -> Iterator[Path]:
        """Mount it and yield its folder for runs."""
        subprocess.run(["mount", "-o", f"loop,{options}", self._image, self.root], check=True)
        try:
            yield self.root
        finally:
            self._unmount()

    def cut_power(self) -> None:
        """Lose everything that has not reached the disk."""
        descriptor = os.open(self.root, os.O_RDONLY)
        fcntl.ioctl(descriptor, _SHUT_DOWN, _WITHOUT_FLUSHING)
        os.close(descriptor)

    def _unmount(self) -> None:
        """Unmount it, and wait until it is gone: mounted again before, it would be the same one.

        Processes that were killed may hold it a little longer, and so does the copy of all mounts
        that a container started meanwhile has.
        """
        for _ in range(600):
            subprocess.run(["umount", self.root], capture_output=True)
            using = ["losetup", "-j", str(self._image)]
            if not subprocess.run(using, capture_output=True, check=True).stdout:
                return
            time.sleep(0.1)
        raise AssertionError(f"{self.root} is busy")


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    if os.geteuid() != 0 or not all(map(shutil.which, ("mkfs.ext4", "mount", "losetup"))):
        pytest.skip("needs root, mkfs.ext4 and loop devices")
    made = Disk(tmp_path)
    try:
        with made.mounted(_NAMES_SOON):
            made.cut_power()
    except (subprocess.CalledProcessError, OSError) as error:
        pytest.skip(f"no ext4 file system can be mounted and shut down here: {error}")
    return made


def finish(folder: Path, arguments: tuple[str, ...]) -> str:
    process = start_dropexp(folder, *arguments)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    return output


def read_end(runs_dir: Path) -> dict[str, Any]:
    """Return what a folder of finished runs holds, but for times."""
    end: dict[str, Any] = {}
    for run in sorted(runs_dir.glob("[!.]*")):
        rows = list(csv.DictReader((run / METRICS).read_text().splitlines()))
        summary = json.loads((run / SUMMARY).read_text())
        for block in (*rows, summary):
            block.pop("seconds")
        for name in ("files", "peak_memory_mb"):
            del summary[name]
        names = {path.name for path in run.iterdir() if "tfevents" not in path.name}
        end[run.name] = (rows, summary, (run / WEIGHTS).read_bytes(), names)
    return end


_UNDISTURBED: dict[str, tuple[float, dict[str, Any]]] = {}


def find_undisturbed(command: str, tmp_path: Path) -> tuple[float, dict[str, Any]]:
    """Return the seconds and the end of a command that nothing disturbs."""
    if command not in _UNDISTURBED:
        folder = tmp_path / f"undisturbed-{command}"
        folder.mkdir()
        began_at = time.monotonic()
        finish(folder, _COMMANDS[command])
        _UNDISTURBED[command] = (time.monotonic() - began_at, read_end(folder / "runs"))
    return _UNDISTURBED[command]


@pytest.mark.slow
@pytest.mark.parametrize("point", range(24))
def test_after_the_file_system_was_shut_down_the_same_command_reaches_the_same_end(
    disk: Disk, tmp_path: Path, point: int
) -> None:
    command = "sweep" if point % 3 else "train"
    seconds, expected = find_undisturbed(command, tmp_path)
    chance = random.Random(point)
    with disk.mounted(_NOTHING_SOON if point % 2 else _NAMES_SOON) as folder:
        process = start_dropexp(folder, *_COMMANDS[command])
        time.sleep(seconds * chance.uniform(0.3, 1.05))
        disk.cut_power()
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    with disk.mounted(_NAMES_SOON) as folder:
        finish(folder, _COMMANDS[command])
        assert read_end(folder / "runs") == expected
        assert f"{len(expected)} whole" in finish(folder, ("runs", "check"))
        ledger = read_ledger(folder / "runs")
        assert ledger.requests.keys() == ledger.ends.keys() == expected.keys()


@pytest.mark.slow
def test_what_was_said_to_be_finished_is_on_the_disk(disk: Disk, tmp_path: Path) -> None:
    for command, arguments in _COMMANDS.items():
        _, expected = find_undisturbed(command, tmp_path)
        with disk.mounted(_NOTHING_SOON) as folder:
            shutil.rmtree(folder / "runs", ignore_errors=True)
            finish(folder, arguments)
            disk.cut_power()
        with disk.mounted(_NAMES_SOON) as folder:
            assert "damaged" not in finish(folder, ("runs", "check"))
            again = finish(folder, arguments)  # which removes what is left over
            assert "not trained again" in again or "none trained" in again
            assert read_end(folder / "runs") == expected
            for path in (folder / "runs").rglob("*"):
                assert path.name.endswith((".lock", "-shm")) or path.stat().st_size, path
            study = folder / "runs" / ".studies" / "mine.json"
            assert command == "train" or study.stat().st_size
