"""A process killed at any moment and started again gives the numbers of an undisturbed run.

What happens to a damaged or incomplete run folder is in test_run.py, without killing anything.
"""

import csv
import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import heeding_ctrl_c, run_dropexp

RUN = (
    "regulariser=dropout2d",
    "p=0.3",
    "train.epochs=12",
    "data.train_size=700",
    "model.width=32",
    "data.augment=flip",
    "track_examples=true",
    "threads=1",
)

Results = tuple[list[dict[str, str]], str]
"""Every number of a finished run but its times, and a hash of its weights and examples."""


def start(folder: Path, *overrides: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "dropexp", "train", *RUN, *overrides],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=heeding_ctrl_c,
    )


def finish(folder: Path, *overrides: str) -> str:
    """Run the command to its end in this process, and return its output."""
    done = run_dropexp(folder, "train", *RUN, *overrides)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def read_results(folder: Path) -> Results:
    (run,) = (folder / "runs").glob("[!.]*")
    rows = list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))
    for row in rows:
        del row["seconds"]
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "completed"
    assert not (run / "checkpoint.pt").exists()
    assert not list(run.glob("*.part"))
    assert len(list(run.glob("events.out.tfevents.*"))) == 1
    files = [(run / f"{name}.safetensors").read_bytes() for name in ("model", "examples")]
    return rows, hashlib.sha256(b"".join(files)).hexdigest()


def has_epochs(folder: Path, epochs: int) -> bool:
    tables = (folder / "runs").glob("*/metrics.csv")
    return any(len(table.read_text().splitlines()) > epochs for table in tables)


def has_checkpoint(folder: Path) -> bool:
    return any((folder / "runs").glob("*/checkpoint.pt"))


def start_and_wait(
    folder: Path, is_ready: Callable[[], bool], *overrides: str
) -> "subprocess.Popen[str]":
    process = start(folder, *overrides)
    deadline = time.monotonic() + 120
    while not is_ready() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return process


def kill_when(folder: Path, is_ready: Callable[[], bool], *overrides: str) -> None:
    process = start_and_wait(folder, is_ready, *overrides)
    process.kill()
    process.communicate()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("undisturbed")
    finish(folder)
    return read_results(folder)


def test_a_stopped_and_killed_run_loses_half_a_second_and_ends_bit_identical(
    tmp_path: Path, undisturbed: Results
) -> None:
    stopped = start_and_wait(tmp_path, partial(has_epochs, tmp_path, 1))
    stopped.send_signal(signal.SIGINT)
    said, _ = stopped.communicate(timeout=60)
    assert stopped.returncode == 130, said
    assert "Traceback" not in said
    assert "the same command resumes" in said
    kill_when(tmp_path, partial(has_epochs, tmp_path, 8))
    (metrics,) = (tmp_path / "runs").glob("*/metrics.csv")
    seconds = [float(row["seconds"]) for row in csv.DictReader(metrics.read_text().splitlines())]
    output = finish(tmp_path)
    resumed_after = int(output.split("resuming after epoch ")[1].split()[0])
    # Beside the half second: the epoch after it, and one whose checkpoint was being written.
    assert sum(seconds[resumed_after:][:-2]) <= 0.5
    assert read_results(tmp_path) == undisturbed


@pytest.mark.slow
def test_a_killed_fine_tuning_ends_bit_identical(tmp_path: Path) -> None:
    before = tmp_path / "before"
    before.mkdir()
    finish(before, "train.epochs=1")
    [weights] = before.glob("runs/dropout2d-*")
    options = (
        *(f"model.weights={weights}", "model.new=head", "model.freeze=[conv1]", "seed=3"),
        *("optimiser.lr_multipliers={conv2:0.5}", "regulariser.sites=trained"),
    )
    results = []
    for name, moments in (("undisturbed", ()), ("killed", (1, 6))):
        folder = tmp_path / name
        folder.mkdir()
        for epochs in moments:
            kill_when(folder, partial(has_epochs, folder, epochs), *options)
        output = finish(folder, *options)
        assert ("resuming after epoch" in output) == (name == "killed")
        results.append(read_results(folder))
    assert results[0] == results[1]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_a_run_killed_at_random_moments_ends_bit_identical(
    tmp_path: Path, undisturbed: Results, seed: int
) -> None:
    moments = random.Random(seed)
    for _ in range(3):
        process = start(tmp_path)
        time.sleep(moments.uniform(0.5, 3.5))
        process.kill()
        process.communicate()
    finish(tmp_path)
    assert read_results(tmp_path) == undisturbed


@pytest.mark.slow
def test_a_damaged_checkpoint_of_a_killed_run_means_a_clean_start(
    tmp_path: Path, undisturbed: Results
) -> None:
    kill_when(tmp_path, partial(has_checkpoint, tmp_path))
    (checkpoint,) = (tmp_path / "runs").glob("*/checkpoint.pt")
    checkpoint.write_bytes(b"garbage")
    assert "starting over" in finish(tmp_path)
    assert read_results(tmp_path) == undisturbed


def test_two_processes_on_one_run_train_it_once(tmp_path: Path, undisturbed: Results) -> None:
    both = [start(tmp_path), start(tmp_path)]
    outputs = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    trained = [output for output in outputs if "epoch  1/12" in output or "epoch 1/12" in output]
    assert len(trained) == 1, outputs
    assert any("another process is training" in output for output in outputs)
    assert read_results(tmp_path) == undisturbed
