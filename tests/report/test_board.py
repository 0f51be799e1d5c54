from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dropexp.report.board import write_board
from dropexp.statistics import mean_interval
from tests.made_up import make_comparison


def scalars(folder: Path, tag: str) -> list[float]:
    events = EventAccumulator(str(folder))
    events.Reload()
    return [event.value for event in events.Scalars(tag)]


def test_each_setting_is_its_mean_and_the_ends_of_its_interval(tmp_path: Path) -> None:
    study = make_comparison(("none", "dropout2d"), epochs=4)
    settings = [row.setting for row in study.rows]
    folder = write_board(tmp_path, "first", settings)
    assert folder == tmp_path / ".board" / "first"
    assert {each.name for each in folder.iterdir()} == {"none", "dropout2d p=0.3"}
    wanted = mean_interval([run.curves["val_loss"][2] for run in settings[1].completed])
    found = {
        name: scalars(folder / "dropout2d p=0.3" / name, "loss/val")[2]
        for name in ("mean", "lower 95 %", "upper 95 %")
    }
    assert found == pytest.approx(
        {"mean": wanted.value, "lower 95 %": wanted.low, "upper 95 %": wanted.high}
    )
    assert len(scalars(folder / "none" / "mean", "accuracy/gap")) == 4


def test_written_again_it_holds_what_there_is_now(tmp_path: Path) -> None:
    settings = [row.setting for row in make_comparison(("none", "dropout2d"), epochs=2).rows]
    write_board(tmp_path, "first", settings)
    folder = write_board(tmp_path, "first", settings[:1])
    assert [each.name for each in folder.iterdir()] == ["none"]
    assert len(list((folder / "none" / "mean").iterdir())) == 1


def test_one_seed_has_a_mean_and_no_interval(tmp_path: Path) -> None:
    settings = [row.setting for row in make_comparison(("none",), seeds=1, epochs=2).rows]
    folder = write_board(tmp_path, "a/b", settings)
    assert folder.name == "a_b"
    assert len(scalars(folder / "none" / "mean", "loss/val")) == 2
    events = EventAccumulator(str(folder / "none" / "lower 95 %"))
    events.Reload()
    assert events.Tags()["scalars"] == []
