"""`dropexp early-stopping` finds the share that is in the runs, and says what is left."""

import csv
import json
from pathlib import Path

import pytest

from tests.conftest import run_dropexp
from tests.run_folders import DROPOUT, NONE, write_finished_run

SEEDS = 8
WORSE = "regulariser=dropout p=0.3"


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write runs where stopping lowers the baseline by 0.3, and noise lowers it by 0.4 or not."""
    folder = tmp_path_factory.mktemp("stopping")
    for seed in range(SEEDS):
        block, wobble = 0.05 * seed, 0.004 * (seed % 3)
        curves = {
            NONE: (2.0, 1.0 + block, 1.3 + block + wobble),
            DROPOUT: (2.0, 0.85 + block, 0.9 + block),
            WORSE: (2.0, 1.5 + block, 1.6 + block),
        }
        for overrides, val_losses in curves.items():
            write_finished_run(
                folder / "runs",
                1.0,
                *overrides.split(),
                f"seed={seed}",
                train_losses=(0.9, 0.5, 0.2),
                val_losses=val_losses,
            )
    return folder


def test_the_share_is_what_stopping_gives_of_the_gain(studied: Path) -> None:
    done = run_dropexp(studied, "early-stopping", "--metric", "val_loss", "-f", "csv")
    assert done.returncode == 0, done.stderr
    rows = {row["setting"]: row for row in csv.DictReader(done.stdout.splitlines())}
    row = rows["dropout2d p=0.3"]
    assert row["n"] == str(SEEDS)
    assert float(row["early_stopping_alone"]) == pytest.approx(-0.3035)
    assert float(row["gain"]) == pytest.approx(-0.4035)
    assert float(row["share"]) == pytest.approx(0.3035 / 0.4035)
    assert 0.74 < float(row["share_low"]) < float(row["share"]) < float(row["share_high"]) < 0.76
    assert float(row["both_stopped"]) == pytest.approx(-0.15)
    assert row["gain_verdict"] == row["both_stopped_verdict"] == "better"
    assert float(row["equal_fit"]) == pytest.approx(float(row["gain"])), "all fit alike"


def test_intervals_that_are_for_one_look_are_named_beside_the_anytime_test(studied: Path) -> None:
    words = ("early-stopping", "--metric", "val_loss", "-f", "md")
    told = "Those of early stopping alone and of the share are for one look at the seeds."
    assert told in run_dropexp(studied, *words, "--test", "anytime").stdout
    assert told not in run_dropexp(studied, *words).stdout


def test_a_setting_without_a_gain_has_no_share(studied: Path) -> None:
    done = run_dropexp(studied, "early-stopping", "--metric", "val_loss")
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("dropout p=0.3"))
    assert "worse" in line
    assert "no gain" in line


def test_json_and_markdown_have_the_same_rows(studied: Path) -> None:
    words = ("early-stopping", "--metric", "val_loss", "-f")
    answer = json.loads(run_dropexp(studied, *words, "json").stdout)
    assert answer["equal_fit_metric"] == "noisy_label_val_loss"
    assert answer["equal_fit_train_loss"] == 0.2
    text = run_dropexp(studied, *words, "md").stdout
    for row in answer["rows"]:
        assert f"| {row['setting']} |" in text
    assert "75% [75%, 75%]" in text


def test_what_cannot_be_answered_is_refused(studied: Path, tmp_path: Path) -> None:
    refused = run_dropexp(studied, "early-stopping", "--metric", "forgetting_events")
    assert refused.returncode == 2
    assert "--metric forgetting_events is not measured at the best and at" in refused.stderr
    refused = run_dropexp(studied, "early-stopping", "regulariser=none")
    assert refused.returncode == 2
    assert "needs a setting with a regulariser; every one is none" in refused.stderr
    write_finished_run(tmp_path / "runs", 1.0, *DROPOUT.split())
    refused = run_dropexp(tmp_path, "early-stopping")
    assert refused.returncode == 2
    assert "add runs of regulariser=none" in refused.stderr


def test_too_few_seeds_and_a_baseline_with_nothing_to_stop_are_said(
    studied: Path, tmp_path: Path
) -> None:
    assert "nothing to stop" not in run_dropexp(studied, "early-stopping").stdout
    for overrides in (NONE, DROPOUT):
        for seed in range(2):
            losses = (2.0, 1.5, 1.0 + 0.1 * seed)
            write_finished_run(
                tmp_path / "runs",
                1.0,
                *overrides.split(),
                f"seed={seed}",
                "train.epochs=3",
                train_losses=losses,
                val_losses=losses,
            )
    for form in ("table", "md", "json"):
        text = run_dropexp(tmp_path, "early-stopping", "-f", form).stdout
        assert "With 2 seeds, no result can have a p-value below 0.5" in text
        assert "nothing to stop where the baseline still improves" in text
        assert "none (2 of 2 runs)" in text
