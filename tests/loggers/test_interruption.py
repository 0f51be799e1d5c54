"""Ctrl-C ends a run or a sweep with its loggers' processes, and the tracker is told."""

import os
import signal
import subprocess
from pathlib import Path
from queue import Queue
from threading import Thread

import pytest

from dropexp.config.logger_section import MLflowConfig
from dropexp.loggers import follow
from dropexp.runs.files import LOGGER_LOCKS, SUMMARY
from tests.conftest import QUICK, Dropexp
from tests.loggers.conftest import Received
from tests.processes import start_dropexp, wait_until
from tests.run_folders import write_finished_run

PATIENT = """
from dropexp.loggers import follower
follower._SECONDS_TO_STOP = 200
if __name__ == "__main__":
    from dropexp.__main__ import main
    main()
"""
"""dropexp, whose runs wait longer for a tracker after Ctrl-C: those processes are nice, and may get
no time on a busy machine. A sweep's fork server imports it too."""

LONG = ("train.epochs=100000", "data.train_size=60", "model.width=4", "threads=1")


def list_followers(folder: Path) -> list[str]:
    """Return the command lines of the loggers' processes that a command in this folder started."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if (entry / "cwd").readlink() == folder:
                found.append((entry / "cmdline").read_text().replace("\0", " "))
        except OSError:  # no process, or one that has ended
            continue
    return [command for command in found if "dropexp.loggers.follow" in command]


def start(folder: Path, *words: str) -> "subprocess.Popen[str]":
    program = folder / "patient_dropexp.py"
    program.write_text(PATIENT)
    return start_dropexp(folder, *words, "logger=mlflow", *LONG, program=[program])


@pytest.mark.slow
@pytest.mark.parametrize("words", [("train",), ("sweep", "seed=0,1", "hydra.launcher.n_jobs=2")])
def test_ctrl_c_ends_the_loggers_too(
    tmp_path: Path, mlflow: Received, words: tuple[str, ...]
) -> None:
    runs = 2 if words[0] == "sweep" else 1
    process = start(tmp_path, *words)
    wait_until(lambda: len(mlflow.find("create")) == runs and mlflow.find("log"))
    assert len(list_followers(tmp_path)) == runs
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
    output, _ = process.communicate()
    assert process.returncode == 130, output
    assert "Traceback" not in output
    assert "did not receive" not in output
    assert list_followers(tmp_path) == []
    assert [end["status"] for end in mlflow.find("end")] == ["KILLED"] * runs


@pytest.mark.slow
def test_a_killed_run_leaves_no_process(tmp_path: Path, mlflow: Received) -> None:
    process = start(tmp_path, "train")
    wait_until(lambda: mlflow.find("log"))
    process.kill()
    process.communicate()
    wait_until(lambda: not list_followers(tmp_path))
    assert [end["status"] for end in mlflow.find("end")] == ["KILLED"]


def test_a_resumed_run_is_sent_after_the_process_of_the_killed_one_has_ended(
    tmp_path: Path, mlflow: Received
) -> None:
    losses = (0.5, 0.4, 0.3)
    folder = write_finished_run(
        tmp_path / "runs", 1.0, "train.epochs=3", train_losses=losses, val_losses=losses
    )
    (folder.path / SUMMARY).unlink()
    destination = MLflowConfig().model_dump(mode="json")
    request = {"folder": str(folder.path), "logger": "mlflow", "config": destination}
    of_killed: Queue[str] = Queue()
    of_resumed: Queue[str] = Queue()
    killed = Thread(target=follow._follow, args=(request, of_killed))
    killed.start()
    wait_until(lambda: mlflow.find("log"))
    resumed = Thread(target=follow._follow, args=(request, of_resumed))
    resumed.start()
    of_resumed.put("completed")
    resumed.join(1)
    of_killed.put("")
    killed.join()
    resumed.join()
    assert [each["status"] for each in mlflow.find("end")] == ["KILLED", "FINISHED"]
    assert len(mlflow.find("create")) == 1
    names = [each["call"] for each in mlflow.calls]
    assert names.index("end") < names.index("update")
    assert [step for step, _ in mlflow.list_steps("train_loss")] == [1, 2, 3]


def test_emptying_a_folder_keeps_the_locks_that_processes_hold(tmp_path: Path) -> None:
    folder = write_finished_run(tmp_path / "runs", 1.0)
    lock = folder.path / LOGGER_LOCKS["mlflow"]
    lock.touch()
    folder.clear()
    assert lock.exists()


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
    assert list_followers(tmp_path) == []
    assert len(list(tmp_path.glob("runs/*/summary.json"))) == 1
