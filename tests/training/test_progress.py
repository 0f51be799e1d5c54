"""The progress within an epoch: how often it is reported, and its file."""

import time
from pathlib import Path

import pytest

from dropexp.training.progress import (
    EpochProgress,
    StepCounter,
    read_progress,
    remove_progress,
    save_progress,
)

HALF = EpochProgress(epoch=3, epochs=30, steps_done=5, steps=10, seconds=60.0)


def test_steps_are_reported_twice_a_second_and_short_epochs_never(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    for seconds, expected in ((0.04, []), (0.2, [3, 6, 9])):
        reported: list[EpochProgress] = []
        counter = StepCounter(reported.append, epoch=3, epochs=30, steps=10)
        for _ in range(10):
            now += seconds
            counter.count()
        assert [each.steps_done for each in reported] == expected
    third = reported[0]
    assert (third.share, third.epochs_done) == (0.3, 2.3)
    assert third.seconds == pytest.approx(0.6)
    assert third.seconds_left == pytest.approx(1.4)


def test_the_file_of_a_run_folder_holds_it_until_it_is_removed(tmp_path: Path) -> None:
    assert read_progress(tmp_path) is None
    save_progress(tmp_path, HALF)
    assert read_progress(tmp_path) == HALF
    remove_progress(tmp_path)
    assert read_progress(tmp_path) is None
    save_progress(tmp_path / "no such folder", HALF)  # a hint that is lost harms nothing


@pytest.mark.parametrize(
    "content",
    [
        *("", "[3, 30, 5", "[3, 30, 0, 10, 1]", "[3, 30, 11, 10, 1]", "[3, 30, 5, 10, NaN]"),
        *("[1e999]", "{}", "[" * 900, "[3, 2, 5, 10, 1]", "x" * 5000, '["a", 1, 1, 1, 1]'),
    ],
)
def test_a_damaged_file_is_no_progress(tmp_path: Path, content: str) -> None:
    (tmp_path / ".progress.part").write_text(content)
    assert read_progress(tmp_path) is None


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("mine")
    (tmp_path / ".progress.part").symlink_to(target)
    save_progress(tmp_path, HALF)
    assert target.read_text() == "mine"
    assert read_progress(tmp_path) is None
