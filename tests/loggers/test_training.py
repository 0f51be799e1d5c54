"""dropexp train logger=… sends a run while it trains, and is none the worse where that fails."""

from pathlib import Path

import pytest

from dropexp.loggers import follower
from tests.conftest import QUICK, Dropexp, assert_refused
from tests.loggers.conftest import Received

NUMBERS = ("model.safetensors", "metrics.csv")


def read_numbers(folder: Path) -> list[object]:
    """Return the content of the files with numbers, without the seconds of epochs."""
    rows = (folder / "metrics.csv").read_text().splitlines()
    weights = (folder / "model.safetensors").read_bytes()
    return [weights, *(row.rpartition(",")[0] for row in rows)]


def only_run(folder: Path) -> Path:
    (run,) = folder.glob("*-s*")
    return run


def test_a_run_is_sent_and_its_numbers_are_those_of_a_run_without_loggers(
    dropexp: Dropexp, tmp_path: Path, mlflow: Received
) -> None:
    done = dropexp("train", "logger=mlflow", *QUICK)
    assert (done.returncode, done.stderr) == (0, "")
    dropexp("train", "runs_dir=plain", "logger=none", *QUICK)
    logged, plain = only_run(tmp_path / "runs"), only_run(tmp_path / "plain")
    assert logged.name == plain.name
    assert read_numbers(logged) == read_numbers(plain)
    assert len(list(logged.glob("events*"))) == 1
    assert list(plain.glob("events*")) == []
    assert [step for step, _ in mlflow.list_steps("val_loss")] == [1, 2]
    assert [end["status"] for end in mlflow.find("end")] == ["FINISHED"]
    assert "0 runs sent" in dropexp("export", "mlflow").stdout
    assert dropexp("rerun", logged.name).returncode == 0
    assert len(mlflow.find("create")) == 1  # a rerun is a check, and no run of its own


def test_a_tracker_that_fails_costs_a_warning_and_export_catches_up(
    dropexp: Dropexp, tmp_path: Path, mlflow: Received
) -> None:
    (tmp_path / "mlflow-fails").touch()
    done = dropexp("train", "logger=mlflow", f"logger.mlflow.tracking_uri={mlflow.uri}", *QUICK)
    assert done.returncode == 0
    said = " ".join(done.stdout.split())
    assert said.count("MLflow did not receive all of this run (Connection refused)") == 1
    command = f"dropexp export mlflow runs/{only_run(tmp_path / 'runs').name} --tracking-uri"
    assert command in said
    (tmp_path / "mlflow-fails").unlink()
    caught_up = dropexp("export", "mlflow", "--tracking-uri", mlflow.uri)
    assert "1 run sent to MLflow" in caught_up.stdout


def test_a_sweep_says_how_many_runs_a_tracker_lacks(
    tmp_path: Path, mlflow: Received, dropexp: Dropexp
) -> None:
    for seed in (0, 1):
        dropexp("train", f"seed={seed}", *QUICK)
    words = ("sweep", "seed=0,1", "study=mine", "logger=mlflow", *QUICK)
    done = dropexp(*words)
    said = " ".join(done.stderr.split())
    assert "MLflow did not receive 2 of 2 finished runs" in said
    command = "dropexp export mlflow runs study=mine"
    assert f"{command} sends them." in said
    assert "2 runs sent to MLflow" in dropexp(*command.split()[1:]).stdout
    assert "MLflow" not in dropexp(*words).stderr


def test_a_tracker_that_does_not_answer_is_not_waited_for(
    dropexp: Dropexp, tmp_path: Path, mlflow: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "SECONDS_TO_FINISH", 0.2)
    (tmp_path / "mlflow-hangs").touch()
    done = dropexp("train", "logger=mlflow", *QUICK)
    assert done.returncode == 0
    assert "no answer within 0.2 s" in " ".join(done.stdout.split())


def test_loggers_change_no_id_and_no_default(dropexp: Dropexp) -> None:
    ids = {
        dropexp("train", "--cfg", "run", *words).stdout.splitlines()[0]
        for words in ([], ["logger=none"], ["logger=[mlflow,wandb]", "logger.wandb.mode=offline"])
    }
    assert ids == {"# run id: none-p0-s0-960c27d5"}


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["logger=mlflow,wandb"], ["logger=[mlflow,wandb]"]),
        (["logger=mlflow+wandb"], ["logger=[mlflow,wandb]"]),
        (["logger=mlfow"], ["Did you mean mlflow?"]),
        (["logger=[none,wandb]"], ["none excludes other loggers"]),
        (["logger.mlflow.experiment=x"], ["Choose the logger too: logger=mlflow."]),
        (["logger=wandb", "logger.wandb.mode=x"], ["'online' or 'offline'"]),
    ],
)
def test_a_wrong_choice_is_refused(tmp_path: Path, words: list[str], parts: list[str]) -> None:
    assert_refused(tmp_path, ["train", *words], parts)


def test_a_sweep_takes_a_list_of_loggers_and_varies_none(tmp_path: Path) -> None:
    words = ["sweep", "seed=0,1", "logger=mlflow,wandb"]
    assert_refused(tmp_path, words, ["logger=[mlflow,wandb]"])


@pytest.mark.parametrize("command", ["train", "sweep"])
def test_a_missing_package_is_refused_before_anything_trains(
    tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    words = [command, "logger=wandb", "seed=0", *QUICK]
    assert_refused(tmp_path, words, ["pip install 'dropexp[wandb]'"])
