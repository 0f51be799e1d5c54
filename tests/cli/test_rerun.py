"""`dropexp rerun` as its user meets it."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import QUICK, Dropexp, run_dropexp


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was really trained."""
    folder = tmp_path_factory.mktemp("trained")
    assert run_dropexp(folder, "train", "regulariser=dropout2d", "p=0.3", *QUICK).returncode == 0
    return next((folder / "runs").glob("[!.]*"))


def test_a_rerun_on_the_same_machine_is_identical_and_leaves_nothing(
    dropexp: Dropexp, tmp_path: Path, trained: Path
) -> None:
    shutil.copytree(trained.parent, tmp_path / "runs")
    before = sorted(tmp_path.rglob("*"))
    done = dropexp("rerun", "dropout2d")
    assert done.returncode == 0, done.stderr
    assert "identical: every number of 2 epochs is as recorded" in done.stdout
    assert "warning" not in done.stdout
    assert sorted(tmp_path.rglob("*")) == before


def test_numbers_that_do_not_agree_are_shown_with_what_differs_between_the_machines(
    dropexp: Dropexp, tmp_path: Path, trained: Path
) -> None:
    copied = tmp_path / "from-elsewhere"
    shutil.copytree(trained, copied)
    rows = list(csv.DictReader((copied / "metrics.csv").read_text().splitlines()))
    rows[1]["val_loss"] = str(float(rows[1]["val_loss"]) + 0.25)
    with (copied / "metrics.csv").open("w") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    summary = json.loads((copied / "summary.json").read_text())
    summary["files"] = {}  # as an older dropexp wrote it, on a machine with these numbers
    summary["last"]["val_loss"] = float(rows[-1]["val_loss"])
    (copied / "summary.json").write_text(json.dumps(summary))
    noted = json.loads((copied / "environment.json").read_text())
    noted["packages"]["torch"] = "1.0.0"
    (copied / "environment.json").write_text(json.dumps(noted))
    done = dropexp("rerun", str(copied), "--into", "kept")
    assert done.returncode == 1
    assert "does not agree" in done.stdout
    line = next(line for line in done.stdout.splitlines() if line.strip().startswith("val_loss"))
    assert "epoch 2" in line
    assert "0.25" in line
    assert re.search(r"torch +1\.0\.0 +\d", done.stdout)
    assert (tmp_path / "kept" / trained.name / "summary.json").exists()
