"""Killed at any moment, started again: the same numbers as a run that was never disturbed."""

import csv
import hashlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Dropexp, heeding_ctrl_c

RUN = (
    "regulariser=dropout2d",
    "p=0.3",
    "train.epochs=12",
    "data.train_size=700",
    "model.width=32",
    "data.augment=flip",
    "threads=1",
)


def start(folder: Path, *overrides: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "dropexp", "train", *RUN, *overrides],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=heeding_ctrl_c,
    )


def finished(folder: Path) -> tuple[list[dict[str, str]], str]:
    """Every number of a finished run but its times, and a hash of its weights."""
    (run,) = (folder / "runs").iterdir()
    rows = list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))
    for row in rows:
        del row["seconds"]
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "completed"
    assert not (run / "checkpoint.pt").exists()
    assert not list(run.glob("*.part"))
    assert len(list(run.glob("events.out.tfevents.*"))) == 1
    return rows, hashlib.sha256((run / "model.safetensors").read_bytes()).hexdigest()


def epochs_written(folder: Path) -> int:
    for metrics in (folder / "runs").glob("*/metrics.csv"):
        return max(0, len(metrics.read_text().splitlines()) - 1)
    return 0


def kill_after_epochs(folder: Path, epochs: int) -> None:
    kill_when(folder, lambda: epochs_written(folder) >= epochs)


def kill_after_a_checkpoint(folder: Path) -> None:
    kill_when(folder, lambda: any((folder / "runs").glob("*/checkpoint.pt")))


def kill_when(folder: Path, ready: Callable[[], bool]) -> None:
    process = start(folder)
    deadline = time.monotonic() + 120
    while not ready() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.kill()
    process.communicate()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, str]], str]:
    folder = tmp_path_factory.mktemp("undisturbed")
    process = start(folder)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    return finished(folder)


def test_killed_and_started_again_it_is_bit_identical(
    tmp_path: Path, undisturbed: tuple[list[dict[str, str]], str]
) -> None:
    for epochs in (1, 4, 8):
        kill_after_epochs(tmp_path, epochs)
    process = start(tmp_path)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert "resuming after epoch" in output
    assert finished(tmp_path) == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_killed_at_random_moments_it_is_bit_identical(
    tmp_path: Path, undisturbed: tuple[list[dict[str, str]], str], seed: int
) -> None:
    moments = random.Random(seed)
    for _ in range(3):
        process = start(tmp_path)
        time.sleep(moments.uniform(0.5, 3.5))
        process.kill()
        process.communicate()
    process = start(tmp_path)
    assert process.wait(timeout=120) == 0
    process.communicate()
    assert finished(tmp_path) == undisturbed


def test_a_killed_process_costs_the_current_epoch_or_half_a_second(tmp_path: Path) -> None:
    kill_after_epochs(tmp_path, 8)
    (metrics,) = (tmp_path / "runs").glob("*/metrics.csv")
    seconds = [float(row["seconds"]) for row in csv.DictReader(metrics.read_text().splitlines())]
    output, _ = start(tmp_path).communicate(timeout=120)
    went_on_after = int(output.split("resuming after epoch ")[1].split()[0])
    # Beside the half second: the epoch after it, and one whose checkpoint was being written.
    assert sum(seconds[went_on_after:][:-2]) <= 0.5


@pytest.mark.slow
def test_going_on_with_other_threads_is_said(tmp_path: Path) -> None:
    kill_after_a_checkpoint(tmp_path)
    output, _ = start(tmp_path, "threads=2").communicate(timeout=120)
    assert "this run was begun with another threads" in output


@pytest.mark.parametrize("damage", ["truncated", pytest.param("garbage", marks=pytest.mark.slow)])
def test_a_damaged_checkpoint_means_a_clean_start(
    tmp_path: Path, undisturbed: tuple[list[dict[str, str]], str], damage: str
) -> None:
    kill_after_a_checkpoint(tmp_path)
    (checkpoint,) = (tmp_path / "runs").glob("*/checkpoint.pt")
    raw = checkpoint.read_bytes()
    checkpoint.write_bytes(raw[: len(raw) // 3] if damage == "truncated" else b"garbage")
    output, _ = start(tmp_path).communicate(timeout=120)
    assert "damaged" in output
    assert "starting over" in output
    assert finished(tmp_path) == undisturbed


def test_a_csv_line_that_was_cut_off_is_mended(
    tmp_path: Path, undisturbed: tuple[list[dict[str, str]], str]
) -> None:
    kill_after_a_checkpoint(tmp_path)
    (metrics,) = (tmp_path / "runs").glob("*/metrics.csv")
    metrics.write_bytes(metrics.read_bytes()[:-7])
    start(tmp_path).communicate(timeout=120)
    assert finished(tmp_path) == undisturbed


def test_two_processes_on_one_run_train_it_once(
    tmp_path: Path, undisturbed: tuple[list[dict[str, str]], str]
) -> None:
    both = [start(tmp_path), start(tmp_path)]
    outputs = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    trained = [output for output in outputs if "epoch  1/12" in output or "epoch 1/12" in output]
    assert len(trained) == 1, outputs
    assert any("another process is training" in output for output in outputs)
    assert finished(tmp_path) == undisturbed


def test_ctrl_c_says_how_to_go_on_and_exits_with_130(
    tmp_path: Path, undisturbed: tuple[list[dict[str, str]], str]
) -> None:
    process = start(tmp_path)
    while epochs_written(tmp_path) < 2 and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "Traceback" not in output
    assert "the same command goes on" in output
    start(tmp_path).communicate(timeout=120)
    assert finished(tmp_path) == undisturbed


def test_a_full_disk_is_a_sentence_and_nothing_is_lost(
    tmp_path: Path, undisturbed: tuple[list[dict[str, str]], str]
) -> None:
    kill_after_a_checkpoint(tmp_path)

    def allow_small_files_only() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    process = subprocess.run(
        [sys.executable, "-m", "dropexp", "train", *RUN],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=allow_small_files_only,
        timeout=120,
    )
    assert process.returncode == 1, process.stdout + process.stderr
    assert "could not be written: the disk is full" in process.stderr
    assert "Traceback" not in process.stderr
    output, _ = start(tmp_path).communicate(timeout=120)
    assert "resuming after epoch" in output
    assert finished(tmp_path) == undisturbed


def test_a_summary_of_another_version_is_not_overwritten(dropexp: Dropexp, tmp_path: Path) -> None:
    assert dropexp("train", *RUN, "train.epochs=1").returncode == 0
    (path,) = (tmp_path / "runs").glob("*/summary.json")
    path.write_text(path.read_text().replace('"format": 3', '"format": 99'))
    done = dropexp("train", *RUN, "train.epochs=1")
    assert done.returncode == 1
    assert "format" in done.stderr
    assert "force=true" in done.stderr
    assert '"format": 99' in path.read_text()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_a_sentence(dropexp: Dropexp, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs").chmod(0o500)
    done = dropexp("train", *RUN)
    assert done.returncode == 2
    assert "runs_dir=runs cannot be written" in done.stderr
