"""The packages themselves: W&B offline, Trackio's store."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import QUICK, Dropexp

pytestmark = pytest.mark.slow  # each of the packages takes seconds to start, in several processes


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
