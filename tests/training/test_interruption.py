"""A process killed at any moment and started again gives the numbers of an undisturbed run.

What happens to a damaged or incomplete run folder is in test_run.py, without killing anything.
"""

import csv
import hashlib
import json
import random
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import run_dropexp
from tests.processes import start_dropexp, wait_until

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
    return start_dropexp(folder, "train", *RUN, *overrides)


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


def stop_after(folder: Path, epochs: int, *overrides: str) -> str:
    """Start the command, press Ctrl-C after an epoch, and return the output."""
    process = start(folder, *overrides)
    wait_until(partial(has_epochs, folder, epochs))
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate()
    assert process.returncode == 130, output
    return output


def kill_after(folder: Path, epochs: int, *overrides: str) -> None:
    process = start(folder, *overrides)
    wait_until(partial(has_epochs, folder, epochs))
    process.kill()
    process.communicate()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("undisturbed")
    finish(folder)
    return read_results(folder)


def test_a_stopped_and_killed_run_resumes_and_ends_bit_identical(
    tmp_path: Path, undisturbed: Results
) -> None:
    said = stop_after(tmp_path, 2)
    assert "Traceback" not in said
    assert "the same command resumes" in said
    kill_after(tmp_path, 5)
    assert "resuming after epoch" in finish(tmp_path)
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
    for name in ("undisturbed", "killed"):
        folder = tmp_path / name
        folder.mkdir()
        if name == "killed":
            stop_after(folder, 2, *options)
            kill_after(folder, 6, *options)
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


def test_two_processes_on_one_run_train_it_once(tmp_path: Path, undisturbed: Results) -> None:
    first = start(tmp_path)
    wait_until(partial(has_epochs, tmp_path, 1))
    first.send_signal(signal.SIGSTOP)  # until the other one has found the run
    second = start(tmp_path)
    assert second.stdout is not None
    assert any("another process is training" in line for line in second.stdout)
    first.send_signal(signal.SIGCONT)
    outputs = [process.communicate()[0] for process in (first, second)]
    assert [process.returncode for process in (first, second)] == [0, 0], outputs
    assert "epoch  1/12" in outputs[0]
    assert "epoch" not in outputs[1].partition("was not trained again")[0], outputs[1]
    assert read_results(tmp_path) == undisturbed
