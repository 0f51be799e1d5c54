"""The board: a run of TensorBoard for each setting, with its band, beside the folder of runs."""

from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from dropexp.errors import RunsDirError, StoreError
from dropexp.report.board import find_board, remove_old_board, write_board
from dropexp.statistics import mean_interval
from tests.made_up import make_comparison
from tests.tensorboard_server import SESSION_QUERY, fetch_json, tensorboard_server, wait_for_runs

LOW, HIGH = (f"upper and lower 95%/loss val {end}" for end in ("lower", "upper"))


def read(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder))
    events.Reload()
    return events


def scalars(folder: Path, tag: str) -> list[float]:
    return [event.value for event in read(folder).Scalars(tag)]


def hparams_of(folder: Path) -> dict[str, Any]:
    records = read(folder).summary_metadata.items()
    return {
        tag.removeprefix("_hparams_/"): HParamsPluginData.FromString(record.plugin_data.content)
        for tag, record in records
        if tag.startswith("_hparams_/")
    }


def test_each_setting_is_one_run_with_its_mean_and_the_ends_of_its_interval(
    tmp_path: Path,
) -> None:
    study = make_comparison(("none", "dropout2d"), epochs=4)
    settings = [row.setting for row in study.rows]
    write_board(tmp_path / "board", settings)
    names = {"none", "dropout2d p=0.3"}
    assert {each.name for each in (tmp_path / "board").iterdir()} == names
    folder = tmp_path / "board" / "dropout2d p=0.3"
    wanted = mean_interval([run.curves["val_loss"][2] for run in settings[1].completed])
    found = [scalars(folder, tag)[2] for tag in ("loss/val", LOW, HIGH)]
    assert found == pytest.approx([wanted.value, wanted.low, wanted.high])
    assert len(scalars(folder, "accuracy/gap")) == 4
    means = study.rows[1].estimates["test_loss"]
    assert scalars(folder, "mean/test_loss") == pytest.approx([means.value])


def test_custom_scalars_draw_tags_that_exist(tmp_path: Path) -> None:
    settings = [row.setting for row in make_comparison(("none",), seeds=3, epochs=2).rows]
    write_board(tmp_path / "board", settings)
    events = read(tmp_path / "board" / "none")
    (layout,) = events.Tensors("custom_scalars__config__")
    charts = layout_pb2.Layout.FromString(layout.tensor_proto.string_val[0])
    named = {
        tag
        for category in charts.category
        for chart in category.chart
        for series in chart.margin.series
        for tag in (series.value, series.lower, series.upper)
    }
    assert len(named) == 18
    assert named <= set(events.Tags()["scalars"])


def test_hparams_show_what_differs_and_the_test_results_first(tmp_path: Path) -> None:
    study = make_comparison(("none", "dropout2d"), epochs=2, data_train_size=(50, 400))
    write_board(tmp_path / "board", [row.setting for row in study.rows])
    first = hparams_of(tmp_path / "board" / study.rows[0].setting.name)
    table = first["experiment"].experiment
    shown = [info.name for info in table.hparam_infos if info.differs]
    assert shown == ["regulariser", "p", "data.train_size"]
    assert [info.display_name for info in table.metric_infos][:2] == ["test loss", "test acc"]
    tags = set(read(tmp_path / "board" / study.rows[0].setting.name).Tags()["scalars"])
    assert {info.name.tag for info in table.metric_infos} <= tags
    for row in study.rows:
        session = hparams_of(tmp_path / "board" / row.setting.name)["session_start_info"]
        start = session.session_start_info
        assert start.group_name == row.setting.name
        assert start.hparams["regulariser"].string_value == row.setting.regulariser
        assert start.hparams["seeds"].number_value == 6


def test_one_seed_has_a_mean_and_a_band_without_width(tmp_path: Path) -> None:
    settings = [row.setting for row in make_comparison(("none",), seeds=1, epochs=2).rows]
    write_board(tmp_path / "board", settings)
    folder = tmp_path / "board" / "none"
    assert scalars(folder, LOW) == scalars(folder, "loss/val") == scalars(folder, HIGH)


def test_written_again_it_holds_what_there_is_now_and_other_files_are_kept(tmp_path: Path) -> None:
    settings = [row.setting for row in make_comparison(("none", "dropout2d"), epochs=2).rows]
    folder = tmp_path / "board"
    write_board(folder, settings)
    write_board(folder, settings[:1])
    assert [each.name for each in folder.iterdir()] == ["none"]
    assert len(list((folder / "none").iterdir())) == 1
    (folder / "thesis.tex").write_text("mine")
    with pytest.raises(RunsDirError, match=r"thesis\.tex.*--output"):
        write_board(folder, settings)
    assert (folder / "thesis.tex").read_text() == "mine"


def test_a_board_is_beside_the_runs_and_an_old_one_below_them_goes(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    assert find_board(runs, "a/b") == tmp_path / "runs-boards" / "a_b"
    assert find_board(Path(), "x").parent.parent == Path.cwd().parent
    (runs / ".board" / "a_b" / "none").mkdir(parents=True)
    remove_old_board(runs, "a/b")
    assert list(runs.iterdir()) == []


@pytest.mark.slow(reason="starts TensorBoard")
def test_a_real_server_shows_the_bands_and_the_mean_results(tmp_path: Path) -> None:
    study = make_comparison(("none", "dropout2d"), epochs=4)
    write_board(tmp_path / "board", [row.setting for row in study.rows])
    with tensorboard_server(tmp_path / "board", tmp_path / "log") as server:
        tags = wait_for_runs(server, 2, last="mean/seconds")
        layout = fetch_json(f"{server}/data/plugin/custom_scalars/layout")
        query = f"run=none&tag=({LOW.replace(' ', '%20').replace('%/', '%25/')})"
        band = fetch_json(f"{server}/data/plugin/custom_scalars/scalars?{query}")
        columns = fetch_json(f"{server}/data/plugin/hparams/experiment", {"experimentName": ""})
        rows = fetch_json(f"{server}/data/plugin/hparams/session_groups", SESSION_QUERY)
    assert set(tags) == {"none", "dropout2d p=0.3"}
    assert [category["title"] for category in layout["category"]] == ["loss in nats", "accuracy"]
    assert len(band["tag_to_events"][LOW]) == 4
    assert next(info["displayName"] for info in columns["metricInfos"]) == "test loss"
    found = {
        (row["name"], metric["name"]["tag"]): metric["value"]
        for row in rows["sessionGroups"]
        for metric in row["metricValues"]
    }
    wanted = study.row("none").estimates["test_loss"].value
    assert found["none", "mean/test_loss"] == pytest.approx(wanted)


def test_a_board_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [row.setting for row in make_comparison(("none", "dropout2d"), epochs=1).rows]
    write_board(tmp_path / "board", settings[:1])
    kept = sorted(tmp_path.rglob("*"))

    def fail(*arguments: object) -> None:
        raise StoreError("metrics.csv is damaged")

    monkeypatch.setattr("dropexp.report.board.mean_curve", fail)
    for name in ("board", "other"):
        with pytest.raises(StoreError, match="damaged"):
            write_board(tmp_path / name, settings)
    assert sorted(tmp_path.rglob("*")) == kept
