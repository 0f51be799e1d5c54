"""A run that grows, stops and goes on is one run in a tracker, with each epoch once."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from dropexp.config.compose import compose_run, to_yaml
from dropexp.loggers.follow import describe_failure
from dropexp.loggers.registry import Destination
from dropexp.loggers.sending import RunSender
from dropexp.loggers.sent_runs import read_sent_runs
from dropexp.loggers.tracker import (
    Ending,
    LoggedEpoch,
    RunDescription,
    RunEnd,
    TrackedRun,
    Tracker,
)
from dropexp.runs.records import EpochRecord
from dropexp.runs.write import RunFolder

CONFIG = compose_run(["regulariser=dropout2d", "p=0.3", "logger=[mlflow,wandb]"])
RECORD = EpochRecord(1, 0.001, 0.3, 2.0, 1.5, 0.5, 1.6, 0.4, 2.0)


@dataclass
class RecordingTracker(Tracker):
    """Keeps what it is sent."""

    place: str = "here"
    opened: list[str | None] = field(default_factory=list)
    epochs: list[LoggedEpoch] = field(default_factory=list)
    ends: list[RunEnd] = field(default_factory=list)
    fails: bool = False

    @property
    def destination(self) -> str:
        return self.place

    def open(self, run: RunDescription, external_id: str | None) -> TrackedRun:
        self.opened.append(external_id)
        return _RecordingRun(self)


class _RecordingRun(TrackedRun):
    external_id = "its-id"

    def __init__(self, tracker: RecordingTracker) -> None:
        self._tracker = tracker

    def log_epochs(self, epochs: Sequence[LoggedEpoch]) -> None:
        if self._tracker.fails:
            raise ConnectionError
        self._tracker.epochs += epochs

    def close(self, end: RunEnd) -> None:
        self._tracker.ends.append(end)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path, CONFIG.run_id)
    folder.path.mkdir()
    folder.write("config.yaml", to_yaml(CONFIG))
    folder.begin_metrics([RECORD])
    return folder


def test_a_resumed_run_continues_and_sends_no_epoch_twice(folder: RunFolder) -> None:
    tracker = RecordingTracker()
    sender = RunSender(folder, tracker, "mlflow")
    sender.send_epochs()
    folder.append_metrics(replace(RECORD, epoch=2))
    sender.finish(Ending.INTERRUPTED)
    # The checkpoint was older than metrics.csv: epoch 2 is trained again.
    folder.begin_metrics([RECORD])
    resumed = RunSender(folder, tracker, "mlflow")
    resumed.send_epochs()
    for epoch in (2, 3):
        folder.append_metrics(replace(RECORD, epoch=epoch))
        resumed.send_epochs()
    assert tracker.opened == [None, "its-id"]
    assert [each.epoch for each in tracker.epochs] == [1, 2, 3]
    assert [end.ending for end in tracker.ends] == [Ending.INTERRUPTED]
    times = [each.ended_at for each in tracker.epochs]
    assert [later - times[0] for later in times] == pytest.approx([0, 2, 4])
    assert not resumed.is_finished


def test_what_has_not_arrived_is_sent_again(folder: RunFolder) -> None:
    tracker = RecordingTracker(fails=True)
    with pytest.raises(ConnectionError):
        RunSender(folder, tracker, "mlflow").send_epochs()
    tracker.fails = False
    RunSender(folder, tracker, "mlflow").send_epochs()
    assert tracker.opened == [None, "its-id"]
    assert [each.epoch for each in tracker.epochs] == [1]


def test_every_destination_gets_the_run(folder: RunFolder) -> None:
    trackers = [RecordingTracker("here"), RecordingTracker("there")]
    for tracker in trackers:
        RunSender(folder, tracker, "mlflow").send_epochs()
    assert [tracker.opened for tracker in trackers] == [[None], [None]]
    assert read_sent_runs(folder, "mlflow").keys() == {"here", "there"}
    assert read_sent_runs(folder, "wandb") == {}


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"here": 1}', '{"here": {"external_id": 1}}', "[" * 10_000]
)
def test_a_damaged_file_counts_as_nothing_sent(folder: RunFolder, text: str) -> None:
    (folder.path / "logger-mlflow.json").write_text(text)
    assert read_sent_runs(folder, "mlflow") == {}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("no URI: 'x://me:se@cret@host:1/a'.\nMore", "no URI: 'x://host:1/a'"),
        ("http://host/a@b: refused", "http://host/a@b: refused"),
        ("", "ValueError"),
    ],
)
def test_the_reason_of_a_failure_has_no_password(message: str, reason: str) -> None:
    assert describe_failure(ValueError(message)) == reason


def test_a_destination_has_the_options_that_send_runs_there() -> None:
    config = compose_run(["logger=mlflow", "logger.mlflow.tracking_uri=sqlite:///a.db"])
    assert config.logger.mlflow is not None
    options = Destination("mlflow", config.logger.mlflow).options
    assert options == ["--tracking-uri", "sqlite:///a.db"]
