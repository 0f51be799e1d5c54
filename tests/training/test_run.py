"""A run ends with the summary of its weights, whatever happened to its folder in between."""

import csv
import json
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from dropexp import data
from dropexp.config.run_config import RunConfig
from dropexp.errors import RunsDirError, StoreError
from dropexp.runs.files import CHECKPOINT, CONFIG, ENVIRONMENT, METRICS, SUMMARY, WEIGHTS
from dropexp.runs.records import SUMMARY_FORMAT, EpochRecord
from dropexp.statistics import expected_calibration_error
from dropexp.training import checkpoint, recorder
from dropexp.training.build import build_state
from dropexp.training.evaluation import evaluate
from dropexp.training.run import FinishedRun, run
from tests.builders import RecordingView, compose_tiny, without_seconds


def run_again(config: RunConfig) -> tuple[FinishedRun, str]:
    """Run a config to its end, and return the run and its messages."""
    view = RecordingView()
    return run(config, view), view.text


# --- the summary ------------------------------------------------------------------------------


@pytest.mark.parametrize("regulariser", ["none", "dropconnect"])
def test_best_is_measured_with_the_weights_of_the_best_epoch(
    tmp_path: Path, regulariser: str
) -> None:
    config = compose_tiny(
        f"regulariser={regulariser}",
        "train.epochs=10",
        "optimiser.lr=0.03",
        "data.label_noise=0.4",
        f"runs_dir={tmp_path}",
        "deterministic=false",
    )
    finished = run(config, RecordingView())
    best, last = finished.summary.best, finished.summary.last
    assert best is not None
    assert best.epoch < last.epoch
    splits = data.load(config.data)
    model = build_state(config, splits).model
    model.load_state_dict(load_file(finished.folder / WEIGHTS))
    test, val = (evaluate(model, splits, split) for split in (splits.test, splits.val))
    assert (test.loss, test.acc) == pytest.approx((best.test_loss, best.test_acc), rel=1e-6)
    assert val.loss == pytest.approx(best.val_loss, rel=1e-6)
    assert best.test_loss != last.test_loss


def test_rise_area_calibration_and_memorising_are_their_definitions(tmp_path: Path) -> None:
    config = compose_tiny("train.epochs=4", "data.label_noise=0.3", f"runs_dir={tmp_path}")
    finished = run(config, RecordingView())
    best, losses = finished.summary.best, [record.val_loss for record in finished.records]
    assert finished.summary.rise == losses[-1] - min(losses)
    gaps = [record.loss_gap for record in finished.records]
    area = sum((a + b) / 2 for a, b in pairwise(gaps))
    assert finished.summary.area == pytest.approx(area)
    splits = data.load(config.data)
    model = build_state(config, splits).model
    model.load_state_dict(load_file(finished.folder / WEIGHTS))
    model.eval()
    with torch.inference_mode():
        probabilities = model(splits.normalise(splits.test.images)).softmax(dim=1)
        predictions = model(splits.normalise(splits.train.images)).argmax(dim=1)
    assert best is not None
    error = expected_calibration_error(probabilities.numpy(), splits.test.labels.numpy())
    assert best.test_ece == pytest.approx(error, abs=1e-4)
    is_memorised = (predictions == splits.train.labels)[splits.noisy]
    assert best.noisy_label_acc == pytest.approx(is_memorised.float().mean().item())


def test_without_label_noise_there_is_no_accuracy_on_noisy_labels(tmp_path: Path) -> None:
    config = compose_tiny("train.epochs=1", "data.label_noise=0", f"runs_dir={tmp_path}")
    assert run(config, RecordingView()).summary.last.noisy_label_acc is None


def test_every_command_trains_with_the_threads_of_the_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep calls run() with its token, ``train`` without; the config of both is as typed."""
    monkeypatch.setattr("dropexp.training.threads.count_cores", lambda: 2)
    monkeypatch.setattr("dropexp.training.threads.WORK_OF_A_THREAD", 1)
    threads = torch.get_num_threads()
    try:
        for sweep in ("", "token"):
            config = compose_tiny("train.epochs=1", f"runs_dir={tmp_path}", f"seed={len(sweep)}")
            folder = run(config, RecordingView(), sweep=sweep).folder
            assert json.loads((folder / ENVIRONMENT).read_text())["threads"] == 2
            assert yaml.safe_load((folder / CONFIG).read_text())["threads"] == 2
    finally:
        torch.set_num_threads(threads)


# --- an interrupted run -----------------------------------------------------------------------

EPOCHS = 5


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    return run(make_config(tmp_path_factory.mktemp("undisturbed")), RecordingView())


@pytest.fixture
def interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    """A run whose process was interrupted after its third epoch, with a checkpoint."""
    monkeypatch.setattr(recorder, "_SECONDS_BETWEEN_CHECKPOINTS", 0)
    config = make_config(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run(config, RecordingView(interrupt_after=3))
    return config


def make_config(runs_dir: Path) -> RunConfig:
    overrides = ("regulariser=dropout2d", "p=0.3", "data.augment=flip", "threads=1")
    return compose_tiny(*overrides, f"train.epochs={EPOCHS}", f"runs_dir={runs_dir}")


def folder_of(config: RunConfig) -> Path:
    return Path(config.runs_dir) / config.run_id


def assert_same_run(finished: FinishedRun, expected: FinishedRun) -> None:
    assert without_seconds(finished.records) == without_seconds(expected.records)
    weights, expected_weights = (load_file(each.folder / WEIGHTS) for each in (finished, expected))
    assert all(torch.equal(weights[name], expected_weights[name]) for name in expected_weights)
    assert not (finished.folder / CHECKPOINT).exists()
    assert not list(finished.folder.glob("*.part"))
    assert len(list(finished.folder.glob("events.out.tfevents.*"))) == 1


def test_an_interrupted_run_resumes_after_its_last_epoch(
    interrupted: RunConfig, undisturbed: FinishedRun
) -> None:
    view = RecordingView()
    finished = run(interrupted, view)
    assert "resuming after epoch 3" in view.text
    assert view.epochs == [4, 5]
    assert_same_run(finished, undisturbed)


def test_a_killed_run_loses_half_a_second_of_training_or_the_current_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    saved: list[int] = []
    to_bytes = checkpoint.to_bytes

    class Clock(RecordingView):
        """Makes an epoch a matter of 0.2 s, and one of 5 s."""

        def report_epoch(self, record: EpochRecord, epochs: int) -> None:
            nonlocal now
            now += 5.0 if record.epoch == 8 else 0.2

    def note_epoch(snapshot: checkpoint.Snapshot) -> bytes:
        saved.append(len(snapshot.records))
        return to_bytes(snapshot)

    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(checkpoint, "to_bytes", note_epoch)
    run(compose_tiny("train.epochs=10", f"runs_dir={tmp_path}"), Clock())
    assert saved == [4, 7, 9]


@pytest.mark.parametrize("damage", ["truncated", "garbage"])
def test_a_damaged_checkpoint_means_a_clean_start(
    interrupted: RunConfig, undisturbed: FinishedRun, damage: str
) -> None:
    checkpoint = folder_of(interrupted) / CHECKPOINT
    raw = checkpoint.read_bytes()
    checkpoint.write_bytes(raw[: len(raw) // 3] if damage == "truncated" else b"garbage")
    finished, messages = run_again(interrupted)
    assert "is damaged" in messages
    assert "starting over" in messages
    assert_same_run(finished, undisturbed)


def test_a_csv_line_that_was_cut_off_is_repaired(
    interrupted: RunConfig, undisturbed: FinishedRun
) -> None:
    metrics = folder_of(interrupted) / METRICS
    metrics.write_bytes(metrics.read_bytes()[:-7])
    with pytest.raises(KeyboardInterrupt):
        run(interrupted, RecordingView(interrupt_after=4))
    assert len(list(csv.DictReader(metrics.read_text().splitlines()))) == 4
    finished, _ = run_again(interrupted)
    assert_same_run(finished, undisturbed)


def test_resuming_with_other_threads_is_a_warning(interrupted: RunConfig) -> None:
    try:
        _, messages = run_again(interrupted.model_copy(update={"threads": 2}))
    finally:
        torch.set_num_threads(1)
    assert "this run was started with another threads" in messages


@contextmanager
def limit_file_size(size: int) -> Iterator[None]:
    """Make writing beyond a size in bytes fail as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_an_error_of_one_sentence_and_loses_nothing(
    interrupted: RunConfig, undisturbed: FinishedRun
) -> None:
    with (
        limit_file_size((folder_of(interrupted) / CHECKPOINT).stat().st_size // 2),
        pytest.raises(StoreError, match=r"could not be written: the disk is full"),
    ):
        run(interrupted, RecordingView())
    finished, messages = run_again(interrupted)
    assert "resuming after epoch 3" in messages
    assert_same_run(finished, undisturbed)


# --- a finished run ---------------------------------------------------------------------------


def test_a_summary_of_a_later_version_is_not_overwritten(tmp_path: Path) -> None:
    config = compose_tiny("train.epochs=1", f"runs_dir={tmp_path}")
    summary = run(config, RecordingView()).folder / SUMMARY
    later = summary.read_text().replace(f'"format": {SUMMARY_FORMAT}', '"format": 99')
    summary.write_text(later)
    with pytest.raises(StoreError, match=r"format.*force=true"):
        run(config, RecordingView())
    assert summary.read_text() == later


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_an_error_of_one_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(RunsDirError, match=r"runs_dir=.* cannot be written"):
        run(compose_tiny(f"runs_dir={tmp_path}"), RecordingView())
