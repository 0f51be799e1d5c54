"""Sweeps that are stopped, killed or lose a process: nothing is lost or trained twice."""

import csv
import hashlib
import json
import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import run_dropexp
from tests.processes import kill, list_processes, start_dropexp, wait_until

WORDS = (
    "regulariser=none,dropout2d",
    "p=0.3",
    "seed=range(2)",
    "train.epochs=20",
    "data.train_size=700",
    "model.width=16",
    "hydra.launcher.n_jobs=2",
)
QUICK_WORDS = ("data.train_size=300", "model.width=8")
"""For what happens at a moment that the test chooses; others meet a long training by chance."""
RUNS = 4
Numbers = dict[str, tuple[list[dict[str, str]], str]]


def start(folder: Path, *words: str, output: int = subprocess.PIPE) -> "subprocess.Popen[str]":
    return start_dropexp(folder, "sweep", *WORDS, *words, stdout=output)


def numbers(folder: Path) -> Numbers:
    """Every number of every run but its times, and a hash of its weights; all must be finished."""
    found = {}
    for run in (folder / "runs").glob("[!.]*"):
        if run.name.startswith("."):
            continue
        rows = list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))
        for row in rows:
            del row["seconds"]
        assert json.loads((run / "summary.json").read_text())["status"] == "completed"
        assert not list(run.glob("*.part"))
        assert not (run / "checkpoint.pt").exists()
        weights = (run / "model.safetensors").read_bytes()
        found[run.name] = (rows, hashlib.sha256(weights).hexdigest())
    return found


def forks_of(session: int) -> set[int]:
    """The fork server, and the runs that it has forked."""
    commands = list_processes(session).items()
    return {pid for pid, command in commands if "multiprocessing.fork" in command}


def trainers_of(session: int) -> list[int]:
    """The processes that train."""
    forks = forks_of(session)
    return [pid for pid in forks if parent_of(pid) in forks]


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def is_within_a_training(pid: int) -> bool:
    """Whether a process holds a run that has an epoch and is not finished."""
    with suppress(OSError):  # it has ended
        for file in Path(f"/proc/{pid}/fd").iterdir():
            held = file.readlink()
            if held.name == ".lock" and (held.parent / "metrics.csv").exists():
                rows = (held.parent / "metrics.csv").read_text().splitlines()
                return len(rows) > 1 and not (held.parent / "summary.json").exists()
    return False


def has_killed_a_training(session: int) -> bool:
    """Kill one process that trains, if there is one."""
    for pid in trainers_of(session):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)  # so that it does not end while it is looked at
            if is_within_a_training(pid):
                kill(pid)
                return True
            os.kill(pid, signal.SIGCONT)
    return False


def epochs_written(folder: Path) -> int:
    return sum(
        max(0, len(metrics.read_text().splitlines()) - 1)
        for metrics in (folder / "runs").glob("*/metrics.csv")
    )


def runs_again_to_the_end(folder: Path, *words: str) -> str:
    """Run the sweep in this process, whose fork server has imported torch; return its output."""
    done = run_dropexp(folder, "sweep", *WORDS, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{RUNS} of {RUNS} runs done" in done.stdout
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Numbers:
    folder = tmp_path_factory.mktemp("undisturbed")
    runs_again_to_the_end(folder)
    return numbers(folder)


@pytest.fixture(scope="module")
def undisturbed_quick(tmp_path_factory: pytest.TempPathFactory) -> Numbers:
    folder = tmp_path_factory.mktemp("undisturbed_quick")
    runs_again_to_the_end(folder, *QUICK_WORDS)
    return numbers(folder)


def test_a_killed_run_costs_itself_only_and_is_launched_again(
    tmp_path: Path, undisturbed_quick: Numbers
) -> None:
    process = start(tmp_path, *QUICK_WORDS)
    wait_until(lambda: has_killed_a_training(process.pid))
    output, _ = process.communicate()
    assert process.returncode == 0, output
    assert numbers(tmp_path) == undisturbed_quick
    begun = [(r / "run.log").read_text().count("training from") for r in tmp_path.glob("runs/n*")]
    begun += [(r / "run.log").read_text().count("training from") for r in tmp_path.glob("runs/d*")]
    assert sorted(begun) == [1, 1, 1, 2]


@pytest.mark.slow
def test_a_killed_fork_server_is_replaced(tmp_path: Path, undisturbed: Numbers) -> None:
    process = start(tmp_path)
    wait_until(lambda: epochs_written(tmp_path) >= 4)
    for pid in forks_of(process.pid) - set(trainers_of(process.pid)):
        kill(pid)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    assert numbers(tmp_path) == undisturbed


@pytest.mark.slow
def test_nothing_outlives_a_killed_sweep_and_the_same_command_resumes_it(
    tmp_path: Path, undisturbed: Numbers
) -> None:
    process = start(tmp_path)
    wait_until(lambda: epochs_written(tmp_path) >= 4)
    process.kill()
    process.communicate()
    wait_until(lambda: not list_processes(process.pid))
    assert "interrupted" in runs_again_to_the_end(tmp_path)
    assert numbers(tmp_path) == undisturbed


@pytest.mark.parametrize("by", ["mistake", "kill", "Ctrl-C"])
def test_a_sweep_that_ends_while_torch_is_imported_leaves_no_process(
    tmp_path: Path, by: str
) -> None:
    process = start(tmp_path, *(["p=1.5"] if by == "mistake" else []))
    wait_until(lambda: by == "mistake" or forks_of(process.pid))
    if by != "mistake":
        os.killpg(process.pid, signal.SIGINT) if by == "Ctrl-C" else kill(process.pid)
    output, _ = process.communicate()  # also until the last process closes its output
    assert process.returncode == {"mistake": 2, "kill": -signal.SIGKILL, "Ctrl-C": 130}[by], output
    assert "Traceback" not in output
    wait_until(lambda: not list_processes(process.pid))


@pytest.mark.parametrize(
    "by",
    [
        "terminal",
        pytest.param("SIGINT", marks=pytest.mark.slow),
        pytest.param("SIGTERM", marks=pytest.mark.slow),
    ],
)
def test_ctrl_c_leaves_every_run_resumable(
    tmp_path: Path, undisturbed_quick: Numbers, by: str
) -> None:
    process = start(
        tmp_path, *QUICK_WORDS, "hydra.launcher.n_jobs=1"
    )  # so that there are runs left to launch
    wait_until(lambda: epochs_written(tmp_path) >= 2)
    if by == "terminal":
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.Signals[by])
    output, _ = process.communicate()
    assert process.returncode == 130, output
    assert "Traceback" not in output
    assert "the same command resumes the" in output
    assert "next" not in output
    wait_until(lambda: not list_processes(process.pid))
    runs_again_to_the_end(tmp_path, *QUICK_WORDS)
    assert numbers(tmp_path) == undisturbed_quick


def test_a_second_ctrl_c_ends_a_sweep_at_once_without_a_traceback(tmp_path: Path) -> None:
    process = start(tmp_path, "model.width=512")  # an epoch takes longer than this test
    wait_until(lambda: len(list(tmp_path.glob("runs/*/run.log"))) >= 2)
    os.killpg(process.pid, signal.SIGINT)
    assert process.stdout is not None
    first = next(line for line in process.stdout if line.startswith("stopping"))
    assert "after the current epoch of" in first
    assert "press Ctrl-C again to stop at once" in first
    time.sleep(0.3)  # nobody presses it again while the line is being printed
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate()
    assert process.returncode == 130, output
    assert output == "stopped at once; the same command resumes the sweep\n"
    wait_until(lambda: not list_processes(process.pid))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(24))
def test_runs_end_bit_identical_whatever_is_killed_at_any_time(
    tmp_path: Path, undisturbed: Numbers, seed: int
) -> None:
    """The coordinator, one other process, or everything, three times each, at random moments."""
    moments = random.Random(seed)
    for _ in range(3):
        process = start(tmp_path, output=subprocess.DEVNULL)
        try:
            process.wait(timeout=moments.uniform(0.5, 8))
        except subprocess.TimeoutExpired:
            what = moments.choice(["coordinator", "any", "everything"])
            alive = sorted(list_processes(process.pid)) or [process.pid]  # it may just have ended
            victims = {
                "coordinator": [process.pid],
                "any": [moments.choice(alive)],
                "everything": alive,
            }
            for pid in victims[what]:
                kill(pid)
            if what == "any" and victims[what] != [process.pid]:
                continue_until_done_or_killed(process, moments)
        process.wait()
    runs_again_to_the_end(tmp_path)
    assert numbers(tmp_path) == undisturbed


def continue_until_done_or_killed(process: "subprocess.Popen[str]", moments: random.Random) -> None:
    try:
        process.wait(timeout=moments.uniform(1, 20))
    except subprocess.TimeoutExpired:
        process.kill()
