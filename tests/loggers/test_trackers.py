"""The packages themselves: MLflow's database and its server, W&B offline, Trackio's store."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dropexp.runs.files import CHECKPOINT
from tests.conftest import QUICK, Dropexp

# Each of the packages takes seconds to start, in several processes; minutes on a busy machine.
pytestmark = pytest.mark.slow

LONG = ("train.epochs=300", "data.train_size=60", "model.width=4", "threads=1")
"""Overrides that make a run a matter of seconds, with time for a checkpoint."""


@pytest.fixture(autouse=True)
def _own_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("MLFLOW_", "WANDB_", "TRACKIO_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))


def run_python(folder: Path, script: str) -> Any:
    """Return what a script prints as JSON: packages stay out of the tests' process."""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


READ_MLFLOW = """
import json
from mlflow import MlflowClient
client = MlflowClient(tracking_uri="{uri}")
(experiment,) = [each for each in client.search_experiments() if each.name == "dropexp"]
print(json.dumps([
    {{
        "name": run.info.run_name,
        "status": run.info.status,
        "steps": [each.step for each in client.get_metric_history(run.info.run_id, "val_loss")],
        "test_loss": run.data.metrics.get("best.test_loss"),
        "p": run.data.params["regulariser.p"],
    }}
    for run in client.search_runs([experiment.experiment_id])
]))
"""


def read_mlflow(folder: Path, uri: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run_python(folder, READ_MLFLOW.format(uri=uri))
    return found


@contextlib.contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """Start MLflow's server; yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
    command += ["--port", str(port), "--backend-store-uri", "sqlite:///server.db"]
    with (
        (folder / "server.log").open("w") as log,
        subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, start_new_session=True
        ) as server,
    ):
        try:
            wait_until(lambda: answers(f"http://127.0.0.1:{port}/health"))
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(server.pid, signal.SIGKILL)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for what a busy machine may take minutes to do."""
    deadline = time.monotonic() + 200
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_mlflow_gets_a_sweep_in_a_database(dropexp_process: Dropexp, tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    uri = "sqlite:///mlflow.db"
    logger = ("logger=mlflow", f"logger.mlflow.tracking_uri={uri}")
    done = dropexp_process("sweep", "p=0.1,0.2", "regulariser=dropout2d", *logger, *QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    logs = [log.read_text() for log in tmp_path.glob("runs/*/run.log")]
    warnings = [line for log in logs for line in log.splitlines() if "did not receive" in line]
    # On a busy machine MLflow may take longer to start than a run waits; then export catches up.
    assert all("no answer within" in warning for warning in warnings), warnings
    again = dropexp_process("export", "mlflow", "--tracking-uri", uri)
    assert f"{2 - len(warnings)} there already" in again.stdout, again.stdout + again.stderr
    runs = read_mlflow(tmp_path, uri)
    assert {run["p"] for run in runs} == {"0.1", "0.2"}
    assert all(run["steps"] == [1, 2] and run["status"] == "FINISHED" for run in runs)


def test_a_killed_run_continues_in_mlflow(dropexp_process: Dropexp, tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    uri = "sqlite:///mlflow.db"
    words = ["train", "logger=mlflow", f"logger.mlflow.tracking_uri={uri}", *LONG]
    command = [sys.executable, "-m", "dropexp", *words]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: bool(list(tmp_path.glob(f"runs/*/{CHECKPOINT}"))))
            # MLflow may take longer to start than the run to end.
            process.send_signal(signal.SIGSTOP)
            wait_until(lambda: any(sent["epochs"] for sent in read_notes(tmp_path)))
        finally:
            process.kill()
    (before,) = read_notes(tmp_path)
    assert not before["is_finished"]
    done = dropexp_process(*words)
    assert "resuming after epoch" in done.stdout, done.stdout + done.stderr
    (run,) = read_mlflow(tmp_path, uri)
    assert run["steps"] == list(range(1, 301))
    assert run["status"] == "FINISHED"


OPEN_MLFLOW = """
from dropexp.config.logger_section import MLflowConfig
from dropexp.loggers.mlflow_tracker import MLflowTracker
MLflowTracker(MLflowConfig(tracking_uri="sqlite:///mlflow.db"))
print('"opened"')
"""


def test_a_process_killed_while_it_makes_the_database_leaves_none(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    part = tmp_path / ".mlflow.db.part"
    with subprocess.Popen([sys.executable, "-c", OPEN_MLFLOW], cwd=tmp_path) as process:
        try:
            wait_until(lambda: part.exists() and part.stat().st_size > 200_000)
        finally:
            process.kill()
    assert not (tmp_path / "mlflow.db").exists()
    assert run_python(tmp_path, OPEN_MLFLOW) == "opened"
    assert (tmp_path / "mlflow.db").exists()
    assert not list(tmp_path.glob(".mlflow.db*"))


def read_notes(folder: Path) -> list[dict[str, Any]]:
    """Return what the run folders say that MLflow has."""
    notes = [json.loads(path.read_text()) for path in folder.glob("runs/*/logger-mlflow.json")]
    return [sent for note in notes for sent in note.values()]


def test_mlflows_server_gets_runs(
    dropexp: Dropexp, dropexp_process: Dropexp, tmp_path: Path
) -> None:
    pytest.importorskip("mlflow.server")
    with mlflow_server(tmp_path) as uri:
        logger = ("logger=mlflow", f"logger.mlflow.tracking_uri={uri}")
        done = dropexp("train", *logger, *QUICK)
        assert "did not receive" not in done.stdout, done.stdout
        dropexp("train", "seed=1", *QUICK)
        sent = dropexp_process("export", "mlflow", "runs", "--tracking-uri", uri)
        assert "1 run sent to MLflow" in sent.stdout, sent.stdout + sent.stderr
        assert "1 there already" in sent.stdout
        runs = read_mlflow(tmp_path, uri)
    assert sorted(run["steps"] for run in runs) == [[1, 2], [1, 2]]


def test_wandb_writes_a_run_offline(dropexp_process: Dropexp, tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    done = dropexp_process("train", "logger=wandb", "logger.wandb.mode=offline", *QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "did not receive" not in done.stdout
    (path,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    raw = path.read_bytes()  # no reader is public: the texts of its records are plain
    (folder,) = tmp_path.glob("runs/*-s*")
    summary = json.loads((folder / "summary.json").read_text())
    assert raw.count(b"noisy_label_val_loss") >= 2
    assert str(summary["best"]["test_loss"]).encode() in raw
    assert folder.name.encode() in raw
    assert b"data.train_size" in raw
    again = dropexp_process("export", "wandb", "--mode", "offline")
    assert "1 there already" in again.stdout, again.stdout + again.stderr


READ_TRACKIO = """
import json
from trackio.sqlite_storage import SQLiteStorage
logs = SQLiteStorage.get_logs("mine", "{name}")
print(json.dumps(logs, default=str))
"""


def test_trackio_stores_a_run(dropexp_process: Dropexp, tmp_path: Path) -> None:
    pytest.importorskip("trackio")
    done = dropexp_process("train", "logger=trackio", "logger.trackio.project=mine", *QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "did not receive" not in done.stdout
    (folder,) = tmp_path.glob("runs/*-s*")
    logs = run_python(tmp_path, READ_TRACKIO.format(name=folder.name))
    summary = json.loads((folder / "summary.json").read_text())
    assert [log["step"] for log in logs if "val_loss" in log] == [1, 2]
    results = [log["best.test_loss"] for log in logs if "best.test_loss" in log]
    assert results == [summary["best"]["test_loss"]]
    again = dropexp_process("export", "trackio", "--project", "mine")
    assert "1 there already" in again.stdout, again.stdout + again.stderr
    assert "* " not in again.stdout
