import logging
import math
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_SUCCESS
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from dropexp.config.compose import compose_run
from dropexp.config.run_config import RunConfig
from dropexp.runs.event_files import SCALAR_TAGS
from dropexp.runs.hparams import list_hyperparameters
from dropexp.runs.records import (
    AuditOutcome,
    EpochRecord,
    RunStatus,
    RunSummary,
    SelectedEpoch,
    find_best_epoch,
)
from dropexp.training.tensorboard import EventLog
from dropexp.training.tensorboard_values import arrange_images
from tests.tensorboard_server import SESSION_QUERY, fetch_json, tensorboard_server, wait_for_runs

CONFIG = compose_run(["regulariser=dropout2d", "p=0.3"])


def make_record(epoch: int, val_loss: float = 0.5, p: float = 0.3) -> EpochRecord:
    return EpochRecord(
        epoch=epoch,
        lr=1e-3 / epoch,
        p=p,
        noisy_train_loss=1.7 / epoch,
        train_loss=1.1 / epoch,
        train_acc=1 - 0.3 / epoch,
        val_loss=val_loss + abs(epoch - 3) / 7,
        val_acc=0.9 - 0.2 / epoch,
        seconds=0.08,
        clean_label_train_loss=1.2 / epoch,
        clean_label_train_acc=1 - 0.35 / epoch,
        noisy_label_val_loss=val_loss + abs(epoch - 3) / 7 + 0.3,
        noisy_label_val_acc=0.8 - 0.2 / epoch,
    )


def make_summary(config: RunConfig, records: list[EpochRecord]) -> RunSummary:
    best = find_best_epoch(records)
    return RunSummary(
        run_id=config.run_id,
        status=RunStatus.COMPLETED if records[-1].is_finite else RunStatus.DIVERGED,
        regulariser=config.regulariser.name,
        p=config.regulariser.p,
        seed=config.seed,
        parameters=98442,
        seconds=2.46,
        peak_memory_mb=512.3,
        audit=AuditOutcome.PASSED,
        best=SelectedEpoch.from_record(best, 0.47, 0.861, 0.05, 0.25) if best else None,
        last=SelectedEpoch.from_record(records[-1], 0.81, 0.842, 0.06),  # as without label noise
        config_hash=config.config_hash,
        results_version=1,
    )


def read_events(folder: Path) -> list[Any]:
    """Read the events of the folder's only event file; the loader verifies their checksums."""
    (file,) = folder.glob("events.out.tfevents.*")
    return list(LegacyEventFileLoader(str(file)).Load())


def read_scalars(folder: Path) -> list[tuple[str, int, float]]:
    return [
        (value.tag, event.step, value.simple_value)
        for event in read_events(folder)
        for value in event.summary.value
        if value.HasField("simple_value")
    ]


def read_hparams(folder: Path) -> dict[str, Any]:
    found = {}
    for event in read_events(folder):
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name == "hparams":
                content = HParamsPluginData.FromString(value.metadata.plugin_data.content)
                found[value.tag.removeprefix("_hparams_/")] = content
    return found


def round_to_float32(value: float) -> float:
    """Round to single precision, in which TensorBoard stores scalars."""
    return torch.tensor(value, dtype=torch.float32).item()


# --- the event file ------------------------------------------------------------------------


def test_an_epoch_is_one_event_with_all_scalars(tmp_path: Path) -> None:
    log = EventLog(tmp_path, CONFIG)
    log.write_epoch(make_record(1))
    log.close()
    events = [event for event in read_events(tmp_path) if event.step == 1]
    assert len(events) == 1
    values = {value.tag: value.simple_value for value in events[0].summary.value}
    record = make_record(1)
    assert values == {
        tag: round_to_float32(getattr(record, name)) for tag, name in SCALAR_TAGS.items()
    }
    assert values["loss/gap"] == round_to_float32(record.loss_gap)


def test_after_a_resume_every_tag_has_one_value_per_step(tmp_path: Path) -> None:
    interrupted = EventLog(tmp_path, CONFIG)
    for epoch in range(1, 6):
        interrupted.write_epoch(make_record(epoch, val_loss=9.0))
    interrupted.close()
    done = [make_record(epoch) for epoch in range(1, 4)]
    resumed = EventLog(tmp_path, CONFIG, done)
    for epoch in (4, 5):
        resumed.write_epoch(make_record(epoch))
    records = [make_record(epoch) for epoch in range(1, 6)]
    resumed.finish(make_summary(CONFIG, records))

    values = read_scalars(tmp_path)
    assert set(Counter((tag, step) for tag, step, _ in values).values()) == {1}
    for tag, name in SCALAR_TAGS.items():
        expected = [round_to_float32(getattr(record, name)) for record in records]
        assert [value for t, _, value in values if t == tag] == expected
    times = [event.wall_time for event in read_events(tmp_path)]
    assert times == sorted(times)


def test_a_run_that_is_killed_loses_at_most_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = EventLog(tmp_path, CONFIG, [make_record(1)])
    assert {step for _, step, _ in read_scalars(tmp_path)} == {1}
    log.write_epoch(make_record(2))
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 1.01)
    log.write_epoch(make_record(3))
    assert {step for _, step, _ in read_scalars(tmp_path)} == {1, 2, 3}
    log.close()


def test_final_results_are_written_at_the_last_epoch(tmp_path: Path) -> None:
    records = [make_record(epoch) for epoch in range(1, 6)]
    log = EventLog(tmp_path, CONFIG, records)
    summary = make_summary(CONFIG, records)
    log.finish(summary)
    final = [line for line in read_scalars(tmp_path) if line[0].startswith(("best/", "last/"))]
    assert summary.best is not None
    assert final == [
        (f"{block}/{name}", 5, round_to_float32(value))
        for block, selected in (("best", summary.best), ("last", summary.last))
        for name, value in asdict(selected).items()
        if value is not None
    ]
    assert read_hparams(tmp_path)["session_end_info"].session_end_info.status == STATUS_SUCCESS


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("finite_epochs", [0, 2])
def test_a_diverged_run_is_marked_as_failed(tmp_path: Path, bad: float, finite_epochs: int) -> None:
    records = [make_record(epoch) for epoch in range(1, finite_epochs + 1)]
    records.append(make_record(finite_epochs + 1, val_loss=bad))
    log = EventLog(tmp_path, CONFIG)
    for record in records:
        log.write_epoch(record)
    log.finish(make_summary(CONFIG, records))
    assert read_hparams(tmp_path)["session_end_info"].session_end_info.status == STATUS_FAILURE
    tags = {tag for tag, _, _ in read_scalars(tmp_path)}
    assert ("best/val_loss" in tags) == (finite_epochs > 0)
    last = [value for tag, _, value in read_scalars(tmp_path) if tag == "loss/val"][-1]
    assert not math.isfinite(last)


def test_an_interrupted_run_has_no_session_end(tmp_path: Path) -> None:
    EventLog(tmp_path, CONFIG).close()
    data = read_hparams(tmp_path)
    assert set(data) == {"session_start_info"}  # and no "experiment": see the module
    assert data["session_start_info"].session_start_info.group_name == CONFIG.run_id


def test_starting_a_log_removes_event_files_only(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("epoch\n")
    (tmp_path / "events.out.tfevents.1.host.2.3").write_bytes(b"torn")
    EventLog(tmp_path, CONFIG).close()
    assert (tmp_path / "metrics.csv").exists()
    assert len(list(tmp_path.iterdir())) == 2


def test_close_is_safe_at_any_time(tmp_path: Path) -> None:
    log = EventLog(tmp_path, CONFIG)
    log.close()
    log.close()
    log.write_epoch(make_record(1))
    log.finish(make_summary(CONFIG, [make_record(1)]))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's always full disk")
@pytest.mark.parametrize("epochs", [1, 2000])
def test_a_full_disk_causes_one_warning(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    epochs: int,
) -> None:
    class AlwaysFull(type(Path())):  # type: ignore[misc]
        """A new file, which cannot be one of the disk's: /dev/full exists."""

        def open(self, *_arguments: Any) -> Any:
            return Path("/dev/full").open("wb")

    monkeypatch.setattr("dropexp.runs.event_files.replace_event_files", lambda *_: AlwaysFull("x"))
    with caplog.at_level(logging.WARNING):
        log = EventLog(tmp_path, CONFIG)
        records = [make_record(epoch) for epoch in range(1, epochs + 1)]
        for record in records:
            log.write_epoch(record)
        log.write_weights(torch.nn.Linear(2, 2), 1)
        log.finish(make_summary(CONFIG, records))
    assert caplog.messages == ["TensorBoard's event file is not complete: No space left on device."]


def test_a_missing_folder_causes_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = EventLog(tmp_path / "gone", CONFIG, [make_record(1)])
    log.write_epoch(make_record(2))
    log.close()
    assert caplog.messages == [
        "TensorBoard's event file is not complete: No such file or directory."
    ]


# --- pictures and histograms ---------------------------------------------------------------


def test_small_dark_images_are_enlarged_and_stretched() -> None:
    images = torch.zeros(10, 1, 8, 8, dtype=torch.uint8)
    images[9, 0, 0, 0] = 16
    grid = arrange_images(images, columns=4)
    assert grid.shape == (1, 3 * 33 + 1, 4 * 33 + 1)
    assert grid.dtype == torch.uint8
    left, top = 33 + 1, 2 * 33 + 1  # the tenth image: third row, second column
    assert grid[0, top : top + 4, left : left + 4].unique().tolist() == [255]
    assert (grid == 255).sum() == 16


def test_colour_images_keep_their_values() -> None:
    images = torch.randint(0, 256, (3, 3, 32, 20), dtype=torch.uint8)
    images[0, 0, 0, 0] = 255
    grid = arrange_images(images)
    assert grid.shape == (3, 34, 3 * 21 + 1)
    for index, image in enumerate(images):
        assert torch.equal(grid[:, 1:33, 21 * index + 1 : 21 * index + 21], image)


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_readable_pngs(tmp_path: Path, channels: int) -> None:
    images = torch.randint(0, 256, (5, channels, 28, 28), dtype=torch.uint8)
    log = EventLog(tmp_path, CONFIG)
    log.write_images(images)
    log.close()
    (value,) = [
        value
        for event in read_events(tmp_path)
        for value in event.summary.value
        if value.HasField("image")
    ]
    with Image.open(BytesIO(value.image.encoded_image_string)) as picture:
        pixels = torch.tensor(list(picture.tobytes()), dtype=torch.uint8)
        assert picture.size == (value.image.width, value.image.height)
    height, width = value.image.height, value.image.width
    grid = pixels.reshape(height, width, channels).permute(2, 0, 1)
    assert torch.equal(grid, arrange_images(images))


def test_histograms_count_finite_weights(tmp_path: Path) -> None:
    first, second = torch.nn.Linear(30, 20), torch.nn.Linear(20, 2)
    model = torch.nn.Sequential(first, second)
    with torch.no_grad():
        first.weight[0, 0] = math.nan
        second.bias.fill_(0.25)
        second.weight.fill_(math.inf)
    log = EventLog(tmp_path, CONFIG)
    log.write_weights(model.to(torch.bfloat16), epoch=7)
    log.close()
    (event,) = [event for event in read_events(tmp_path) if event.step == 7]
    histograms = {value.tag: value.histo for value in event.summary.value}
    assert set(histograms) == {f"weights/{i}/{name}" for i in "01" for name in ("weight", "bias")}
    assert [sum(histograms[tag].bucket) for tag in sorted(histograms)] == [20, 599, 2, 0]
    assert len(histograms["weights/0/weight"].bucket_limit) == 64


def test_the_p_of_sites_is_written_if_sites_differ(tmp_path: Path) -> None:
    log = EventLog(tmp_path, CONFIG)
    log.write_site_p({"dropout1": 0.3, "dropout2": 0.3}, epoch=1)
    log.write_site_p({"noise.0": 0.25, "gate": 0.5}, epoch=2)
    log.close()
    assert read_scalars(tmp_path) == [("p/noise/0", 2, 0.25), ("p/gate", 2, 0.5)]


# --- hyperparameters -----------------------------------------------------------------------


def test_the_import_loads_no_heavy_package() -> None:
    program = (
        "import sys, torch, dropexp.training.tensorboard\n"
        "loaded = set(sys.modules)\n"
        "assert 'torch._dynamo' not in loaded and 'PIL.Image' not in loaded\n"
        "assert 'grpc' not in loaded and 'tensorflow' not in loaded\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


# --- a real server -------------------------------------------------------------------------

STUDY = {
    "none": ["regulariser=none", "data.train_size=null"],
    "dropout2d": ["regulariser=dropout2d", "p=0.3"],
    "dropconnect": ["regulariser=dropconnect", "p=0.1", "seed=3"],
    "stochastic_depth": ["regulariser=stochastic_depth", "p=0.5", "model=resnet"],
}


def write_study(root: Path) -> dict[str, tuple[RunConfig, list[EpochRecord], RunSummary]]:
    """Write event files of four runs of different regularisers; the last run diverged."""
    study = {}
    for index, (name, overrides) in enumerate(STUDY.items()):
        config = compose_run(overrides)
        records = [
            make_record(epoch, 0.5 + index / 8, config.regulariser.p) for epoch in range(1, 7)
        ]
        if name == "stochastic_depth":
            records.append(make_record(7, val_loss=math.nan))
        summary = make_summary(config, records)
        folder = root / config.run_id
        folder.mkdir()
        log = EventLog(folder, config)
        log.write_images(torch.randint(0, 17, (64, 1, 8, 8), dtype=torch.uint8))
        for record in records:
            log.write_epoch(record)
            log.write_weights(torch.nn.Linear(20, 10), record.epoch)
        log.finish(summary)
        study[config.run_id] = (config, records, summary)
    return study


@pytest.mark.slow(reason="starts TensorBoard")
def test_a_real_server_shows_every_value_of_every_run(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    root.mkdir()
    study = write_study(root)
    with tensorboard_server(root, tmp_path / "server.log") as server:
        tags = wait_for_runs(server, len(study))
        assert set(tags) == set(study)
        shown = {
            (run, tag): fetch_json(f"{server}/data/plugin/scalars/scalars?run={run}&tag={tag}")
            for run in study
            for tag in ("loss/val", "loss/gap", "p")
        }
        experiment = fetch_json(f"{server}/data/plugin/hparams/experiment", {"experimentName": ""})
        groups = fetch_json(f"{server}/data/plugin/hparams/session_groups", SESSION_QUERY)
        images = fetch_json(f"{server}/data/plugin/images/tags")
        histograms = fetch_json(f"{server}/data/plugin/histograms/tags")

    for (run, tag), points in shown.items():
        records = study[run][1]
        assert [step for _, step, _ in points] == [record.epoch for record in records]
        expected = [getattr(record, SCALAR_TAGS[tag]) for record in records]
        values = [float(value) for _, _, value in points]  # TensorBoard sends "NaN"
        assert values == pytest.approx(expected, rel=1e-6, nan_ok=True)

    keys = {name for config, *_ in study.values() for name in list_hyperparameters(config)}
    assert {info["name"] for info in experiment["hparamInfos"]} == keys
    types = {info["name"]: info["type"] for info in experiment["hparamInfos"]}
    assert types["setup.data.train_size"] == "DATA_TYPE_STRING"
    assert types["p"] == "DATA_TYPE_FLOAT64"

    assert {group["name"] for group in groups["sessionGroups"]} == set(study)
    for group in groups["sessionGroups"]:
        config, _, summary = study[group["name"]]
        assert group["hparams"] == list_hyperparameters(config)
        (session,) = group["sessions"]
        completed = summary.status is RunStatus.COMPLETED
        assert session["status"] == ("STATUS_SUCCESS" if completed else "STATUS_FAILURE")
        metrics = {m["name"]["tag"]: float(m["value"]) for m in group["metricValues"]}
        for block, selected in (("best", summary.best), ("last", summary.last)):
            assert selected is not None
            for name, value in asdict(selected).items():
                if value is None:
                    assert f"{block}/{name}" not in metrics
                    continue
                shown_value = metrics[f"{block}/{name}"]
                assert shown_value == pytest.approx(value, rel=1e-6, nan_ok=True)
        assert set(SCALAR_TAGS) < set(metrics)

    assert all("images/train" in images[run] for run in study)
    assert all("weights/weight" in histograms[run] for run in study)
