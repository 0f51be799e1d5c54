"""The event files that a run writes for TensorBoard: scalars, results, failures."""

import logging
import math
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_SUCCESS

from dropexp.runs.event_files import SCALAR_TAGS
from dropexp.training.tensorboard import EventLog
from tests.training.event_logs import (
    CONFIG,
    make_record,
    make_summary,
    read_events,
    read_hparams,
    read_scalars,
    round_to_float32,
)


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


def test_the_import_loads_no_heavy_package() -> None:
    program = (
        "import sys, torch, dropexp.training.tensorboard\n"
        "loaded = set(sys.modules)\n"
        "assert 'torch._dynamo' not in loaded and 'PIL.Image' not in loaded\n"
        "assert 'grpc' not in loaded and 'tensorflow' not in loaded\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
