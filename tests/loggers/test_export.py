"""dropexp export sends each finished run once, and says how many."""

import csv
import json
from pathlib import Path

import pytest

from tests.conftest import QUICK, Dropexp, run_dropexp
from tests.loggers.conftest import Received


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two finished runs and one that was interrupted."""
    folder = tmp_path_factory.mktemp("export")
    for seed in range(3):
        run_dropexp(folder, "train", f"seed={seed}", "study=mine", *QUICK)
    (unfinished,) = folder.glob("runs/none-p0-s2-*")
    (unfinished / "summary.json").unlink()
    return folder


def forget(folder: Path) -> None:
    for file in folder.glob("runs/*/logger-*.json"):
        file.unlink()


def test_a_run_is_sent_once(folder: Path, mlflow: Received) -> None:
    forget(folder)
    first = run_dropexp(folder, "export", "mlflow", "runs")
    assert first.returncode == 0, first.stderr
    assert "2 runs sent to MLflow" in first.stdout
    assert "1 not finished and left out" in first.stdout
    assert len(mlflow.find("create")) == 2
    again = run_dropexp(folder, "export", "mlflow", "runs")
    assert "0 runs sent to MLflow" in again.stdout
    assert "2 there already" in again.stdout
    assert len(mlflow.find("create")) == 2
    elsewhere = run_dropexp(folder, "export", "mlflow", "--experiment", "other", "seed=0")
    assert "1 run sent to MLflow" in elsewhere.stdout


def test_what_is_sent_is_what_the_folder_holds(folder: Path, mlflow: Received) -> None:
    forget(folder)
    run_dropexp(folder, "export", "mlflow", "seed=1", "study=mine")
    (path,) = folder.glob("runs/none-p0-s1-*")
    summary = json.loads((path / "summary.json").read_text())
    rows = list(csv.DictReader((path / "metrics.csv").read_text().splitlines()))
    (created,) = mlflow.find("create")
    assert created["run_name"] == path.name
    assert created["experiment"] == "experiment dropexp"
    assert created["tags"]["dropexp.study"] == "mine"
    for key in ("train_loss", "val_acc", "loss_gap", "seconds"):
        expected = [(int(row["epoch"]), float(row[key])) for row in rows]
        assert mlflow.list_steps(key) == expected
    assert mlflow.list_steps("best.test_loss") == [(0, summary["best"]["test_loss"])]
    (parameters,) = [each["params"] for each in mlflow.find("log") if each["params"]]
    assert parameters["data.train_size"] == "60"
    assert parameters["regulariser.name"] == "none"
    assert not any(key.startswith(("device", "threads", "logger")) for key in parameters)
    (end,) = mlflow.find("end")
    assert end["status"] == "FINISHED"
    assert created["start_time"] < end["end_time"]


def test_a_tracker_that_fails_is_reported_and_the_rest_is_sent_later(
    folder: Path, mlflow: Received
) -> None:
    forget(folder)
    switch = Path(mlflow.uri.removeprefix("sqlite:///")).parent / "mlflow-fails"
    switch.touch()
    failed = run_dropexp(folder, "export", "mlflow")
    assert failed.returncode == 1
    assert "MLflow takes no more runs: Connection refused." in failed.stderr
    assert "much more" not in failed.stderr
    switch.unlink()
    assert "2 runs sent" in run_dropexp(folder, "export", "mlflow").stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["seed=7"], "no run in the folder runs has seed=7."),
        (["--tracking-uri", "http://me:secret@host"], "has a password"),
        (["nothing"], "has the id nothing"),
    ],
)
def test_a_wrong_request_is_refused(
    folder: Path, mlflow: Received, words: list[str], message: str
) -> None:
    done = run_dropexp(folder, "export", "mlflow", *words)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_mode_of_wandb_is_checked(folder: Path) -> None:
    done = run_dropexp(folder, "export", "wandb", "--mode", "later")
    assert done.stderr == "error: --mode later is not allowed; allowed: 'online' or 'offline'.\n"


def test_an_empty_folder_has_nothing_to_send(
    dropexp: Dropexp, tmp_path: Path, mlflow: Received
) -> None:
    (tmp_path / "runs").mkdir()
    done = dropexp("export", "mlflow")
    assert done.returncode == 2
    assert "holds no runs" in done.stderr


def test_a_missing_package_is_named_with_its_extra(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = run_dropexp(folder, "export", "trackio")
    assert done.returncode == 2
    assert "Trackio, which is not installed: pip install 'dropexp[trackio]'." in done.stderr
