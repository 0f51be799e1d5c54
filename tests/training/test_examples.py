"""track_examples keeps what the evaluation finds anyway, and changes no number."""

from pathlib import Path

import numpy as np
import pytest
import torch

from dropexp.runs.examples import ExampleHistory, read_examples
from dropexp.runs.files import CHECKPOINT, EXAMPLES, SUMMARY
from dropexp.runs.write import RunFolder
from dropexp.training.build import build_state
from dropexp.training.checkpoint import DamagedCheckpointError, restore, take_snapshot
from dropexp.training.loop import train
from dropexp.training.run import FinishedRun, run
from tests.builders import (
    RecordingView,
    build_parts,
    compose_tiny,
    forge_checkpoint,
    hash_tensors,
    without_seconds,
)

TRACKED = ("track_examples=true", "data.label_noise=0.2", "tensorboard.enabled=false", "threads=1")
PLAIN = TRACKED[1:]


def train_run(folder: Path, *overrides: str, view: RecordingView | None = None) -> FinishedRun:
    return run(compose_tiny(*overrides), view or RecordingView(), runs_dir=folder)


def read_history(finished: FinishedRun) -> ExampleHistory:
    return read_examples(RunFolder(finished.folder.parent, finished.folder.name))


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    return train_run(tmp_path_factory.mktemp("tracked"), *TRACKED)


@pytest.mark.parametrize("noise", ["0.2", "0"])
def test_tracking_changes_no_number(noise: str) -> None:
    _, _, on, plan_on = build_parts("track_examples=true", f"data.label_noise={noise}")
    _, _, off, plan_off = build_parts(f"data.label_noise={noise}")
    list(train(on, plan_on))
    list(train(off, plan_off))
    assert plan_on.config.run_id == plan_off.config.run_id
    assert without_seconds(on.records) == without_seconds(off.records)
    assert hash_tensors(*on.best_weights.values()) == hash_tensors(*off.best_weights.values())


def test_the_history_is_that_of_the_recorded_accuracies(tracked: FinishedRun) -> None:
    history = read_history(tracked)
    fitted = np.unpackbits(history.fitted_bits, axis=1, count=len(history))
    assert fitted.mean(axis=1).tolist() == pytest.approx(
        [record.train_acc for record in tracked.records]
    )
    assert history.is_wrong.sum() == 14
    assert len(set(history.source_index.tolist())) == len(history) == 70


def test_places_in_the_source_lead_to_the_trained_images() -> None:
    from dropexp.data import digits

    _, splits, *_ = build_parts("data.label_noise=0.2")
    source = digits.read().train.select_all()
    assert torch.equal(source.images[splits.source_index], splits.train.images)
    assert torch.equal(source.labels[splits.source_index], splits.true_labels)


def test_the_summary_has_the_means_over_examples(tracked: FinishedRun) -> None:
    history, summary = read_history(tracked), tracked.summary.forgetting
    assert summary is not None
    events = history.forgetting.events
    assert summary.forgetting_events == pytest.approx(events.mean())
    assert summary.right_label_forgetting_events == pytest.approx(events[~history.is_wrong].mean())
    assert summary.wrong_label_forgetting_events == pytest.approx(events[history.is_wrong].mean())
    assert summary.never_learned == pytest.approx(1 - history.forgetting.is_learned.mean())
    assert summary.wrong_label_lift == pytest.approx((summary.wrong_label_precision or 0) / 0.2)


def test_without_label_noise_nothing_is_said_of_wrong_labels(tmp_path: Path) -> None:
    summary = train_run(tmp_path, "track_examples=true", "data.label_noise=0").summary.forgetting
    assert summary is not None
    assert summary.right_label_forgetting_events == summary.forgetting_events
    assert summary.wrong_label_precision is summary.wrong_label_lift is None
    assert summary.wrong_label_forgetting_events is None


@pytest.mark.parametrize("after", [1, 2])
def test_a_resumed_run_keeps_the_same_history(
    after: int, tmp_path: Path, tracked: FinishedRun
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_run(tmp_path, *TRACKED, view=RecordingView(interrupt_after=after))
    finished = train_run(tmp_path, *TRACKED)
    assert (finished.folder / EXAMPLES).read_bytes() == (tracked.folder / EXAMPLES).read_bytes()
    assert finished.summary.forgetting == tracked.summary.forgetting


def test_a_run_that_began_without_tracking_says_that_it_keeps_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_run(tmp_path, *PLAIN, view=RecordingView(interrupt_after=2))
    view = RecordingView()
    finished = train_run(tmp_path, *TRACKED, view=view)
    assert "2 epochs of this run trained without track_examples=true" in view.text
    assert "force=true" in view.text
    assert finished.summary.forgetting is None
    assert not (finished.folder / EXAMPLES).exists()


def test_a_finished_run_without_a_history_is_reused_with_a_warning(tmp_path: Path) -> None:
    train_run(tmp_path, *PLAIN)
    view = RecordingView()
    assert train_run(tmp_path, *TRACKED, view=view).is_reused
    assert "cannot be measured later; force=true" in view.text
    again = train_run(tmp_path, *TRACKED, "force=true")
    assert again.summary.forgetting is not None


def test_a_history_of_an_earlier_training_does_not_stay(tmp_path: Path) -> None:
    finished = train_run(tmp_path, *TRACKED)
    (finished.folder / SUMMARY).unlink()
    again = train_run(tmp_path, *PLAIN)
    assert not (again.folder / EXAMPLES).exists()
    assert EXAMPLES not in again.summary.files


@pytest.mark.parametrize("rows", [[[1, 2]], [[0] * 9] * 2, "text"])
def test_a_checkpoint_with_another_history_is_damaged(rows: object) -> None:
    config, splits, state, plan = build_parts(*TRACKED)
    next(iter(train(state, plan)))
    fitted = torch.tensor(rows) if isinstance(rows, list) else rows
    raw = forge_checkpoint(
        {**take_snapshot(state, config.config_hash).to_plain(), "fitted": fitted}
    )
    with pytest.raises(DamagedCheckpointError):
        restore(build_state(config, splits), raw, config.config_hash, torch.device("cpu"))


def test_a_finished_run_needs_no_history(tmp_path: Path) -> None:
    finished = train_run(tmp_path, *TRACKED)
    folder = RunFolder(tmp_path, finished.folder.name)
    (folder.path / EXAMPLES).write_bytes(b"no history")
    assert "examples.safetensors does not agree with its checksum" in folder.find_damage(whole=True)
    (folder.path / EXAMPLES).unlink()
    assert folder.find_damage(whole=True) == ""
    assert not (folder.path / CHECKPOINT).exists()
