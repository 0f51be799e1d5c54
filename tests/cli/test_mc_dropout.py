"""Commands measure a run by mc_dropout without training it again, and compare what was measured."""

import json
from pathlib import Path

import pytest

from tests.conftest import QUICK, Dropexp

SWEEP = ("sweep", "regulariser=none,dropout2d", "p=0.3", "seed=0,1", *QUICK)
ONE_AT_A_TIME = "hydra.launcher.n_jobs=1"


def test_train_measures_a_finished_run_without_training_it(
    dropexp: Dropexp, tmp_path: Path
) -> None:
    command = ("train", "regulariser=dropout2d", "p=0.3", *QUICK)
    done = dropexp(*command, "mc_dropout=8")
    assert done.returncode == 0, done.stderr
    assert "mean probabilities of 8 passes" in done.stdout
    (folder,) = (tmp_path / "runs").glob("[!.]*")

    def passes() -> int:
        found: int = json.loads((folder / "summary.json").read_text())["mc_dropout"]["passes"]
        return found

    trained = {n: (folder / n).read_bytes() for n in ("metrics.csv", "model.safetensors")}
    summary = (folder / "summary.json").stat().st_mtime_ns
    for same in (("mc_dropout=8",), ()):
        assert "8 passes" in dropexp(*command, *same).stdout
    assert (folder / "summary.json").stat().st_mtime_ns == summary
    assert "16 passes" in dropexp(*command, "mc_dropout=16").stdout
    assert passes() == 16
    assert {name: (folder / name).read_bytes() for name in trained} == trained
    assert "16 passes" in dropexp("runs", "show", folder.name).stdout
    assert "identical" in dropexp("rerun", folder.name).stdout

    (folder / "model.safetensors").unlink()
    refused = dropexp(*command, "mc_dropout=3")
    assert refused.returncode == 1
    assert "model.safetensors, which mc_dropout needs" in refused.stderr
    assert passes() == 16
    assert not (folder / "error.txt").exists()


@pytest.mark.slow
def test_a_sweep_measures_finished_runs_and_compare_pairs_them_with_none(
    dropexp: Dropexp,
) -> None:
    dropexp(*SWEEP, ONE_AT_A_TIME)
    unmeasured = dropexp("compare", "--metric", "mc_test_loss")
    assert unmeasured.returncode == 2
    assert "no run has results of mc_dropout" in unmeasured.stderr
    listed = dropexp(*SWEEP, "mc_dropout=4", "--dry-run").stdout
    assert listed.count("unmeasured") == 2
    done = dropexp(*SWEEP, "mc_dropout=4", ONE_AT_A_TIME)
    assert done.returncode == 0, done.stdout
    assert "2 finished, 0 interrupted, 0 failed, 2 finished but lacking mc_dropout" in done.stdout
    assert "none trained, 2 measured" in done.stdout
    assert "4 finished, 0 interrupted, 0 failed\n" in dropexp(*SWEEP, "mc_dropout=4").stdout

    plain = json.loads(dropexp("compare", "--metric", "mc_test_loss", "-f", "json").stdout)
    none, dropout = plain["rows"]
    assert none["estimates"]["mc_test_loss"] == none["estimates"]["test_loss"]
    assert dropout["estimates"]["mc_test_loss"] != dropout["estimates"]["test_loss"]
    assert [pair["seed"] for pair in dropout["pairs"]] == [0, 1]
    assert plain["left_out"] == []
    refused = dropexp("compare", "--metric", "mc_test_acc", "--at", "last")
    assert (refused.returncode, "best epoch only" in refused.stderr) == (2, True)
    sorted_runs = dropexp("runs", "--sort", "mc_test_loss", "-f", "json")
    assert json.loads(sorted_runs.stdout)[0]["best.mc_passes"] == 4


@pytest.mark.parametrize(
    ("value", "message"), [("-1", "at least 0"), ("True", "number"), ("2.5", "")]
)
def test_a_wrong_number_of_passes_is_refused(dropexp: Dropexp, value: str, message: str) -> None:
    refused = dropexp("train", *QUICK, f"mc_dropout={value}")
    assert refused.returncode == 2
    assert f"mc_dropout={value}" in refused.stderr
    assert message in refused.stderr
