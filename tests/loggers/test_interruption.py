"""Ctrl-C ends a run or a sweep with its loggers' processes, and the tracker is told."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import PLAIN_OUTPUT, QUICK, Dropexp, heeding_ctrl_c
from tests.loggers.conftest import Received

LONG = ("train.epochs=100000", "data.train_size=60", "model.width=4", "threads=1")


def list_processes(folder: Path) -> list[str]:
    """Return the command lines of the loggers' processes that a command in this folder started."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if (entry / "cwd").readlink() == folder:
                found.append((entry / "cmdline").read_text().replace("\0", " "))
        except OSError:  # no process, or one that has ended
            continue
    return [command for command in found if "dropexp.loggers.follow" in command]


def wait_until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def start(folder: Path, *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "dropexp", *words, "logger=mlflow", *LONG],
        cwd=folder,
        env=os.environ | PLAIN_OUTPUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=heeding_ctrl_c,
    )


@pytest.mark.slow
@pytest.mark.parametrize("words", [("train",), ("sweep", "seed=0,1", "hydra.launcher.n_jobs=2")])
def test_ctrl_c_ends_the_loggers_too(
    tmp_path: Path, mlflow: Received, words: tuple[str, ...]
) -> None:
    runs = 2 if words[0] == "sweep" else 1
    process = start(tmp_path, *words)
    wait_until(lambda: len(mlflow.find("create")) == runs and mlflow.find("log"))
    assert len(list_processes(tmp_path)) == runs
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert "Traceback" not in output
    assert "did not receive" not in output
    assert list_processes(tmp_path) == []
    assert [end["status"] for end in mlflow.find("end")] == ["KILLED"] * runs


@pytest.mark.slow
def test_a_killed_run_leaves_no_process(tmp_path: Path, mlflow: Received) -> None:
    process = start(tmp_path, "train")
    wait_until(lambda: mlflow.find("log"))
    process.kill()
    process.communicate()
    wait_until(lambda: not list_processes(tmp_path))
    assert [end["status"] for end in mlflow.find("end")] == ["KILLED"]


def test_ctrl_c_while_a_tracker_is_waited_for_ends_the_wait(
    dropexp: Dropexp, tmp_path: Path, mlflow: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = subprocess.Popen.wait

    def press_ctrl_c(self: "subprocess.Popen[str]", timeout: float | None = None) -> int:
        if timeout is not None and "dropexp.loggers.follow" in str(self.args):
            raise KeyboardInterrupt
        return wait(self, timeout)

    (tmp_path / "mlflow-hangs").touch()
    monkeypatch.setattr(subprocess.Popen, "wait", press_ctrl_c)
    done = dropexp("train", "logger=mlflow", *QUICK)
    assert done.returncode == 130
    assert "MLflow did not receive all of this run (interrupted)" in " ".join(done.stdout.split())
    assert list_processes(tmp_path) == []
    assert len(list(tmp_path.glob("runs/*/summary.json"))) == 1
