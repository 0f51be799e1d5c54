"""Runs as data frames of pandas and Polars."""

from pathlib import Path

import pytest

import dropexp
from dropexp.errors import FilterError, RunsDirError, UserError
from dropexp.runs.listing import list_runs
from dropexp.runs.records import METRICS_COLUMNS

pytest.importorskip("pandas")


def test_a_row_for_each_run_with_the_values_of_the_list(store: Path) -> None:
    frame = dropexp.load_runs(store, "regulariser=dropout2d,none")
    runs = {run.run_id: run for run in list_runs(store)}
    assert len(frame) == 16
    for row in frame.to_dict("records"):
        run = runs[row["run_id"]]
        assert row["best.test_loss"] == run.get("test_loss", run.get("best.test_loss"))
        assert row["seed"] == run.config["seed"]
    means = frame.groupby("setting")["best.test_loss"].mean()
    assert set(means.index) == {"none", *(f"dropout2d p={p}" for p in (0.1, 0.3, 0.5))}


def test_a_row_for_each_epoch(store: Path) -> None:
    frame = dropexp.load_runs(store, "regulariser=none", curves=True)
    assert len(frame) == 4 * 30
    assert set(METRICS_COLUMNS) < set(frame.columns)
    first = frame[frame["seed"] == 2]
    assert first["epoch"].tolist() == list(range(1, 31))
    run = next(each for each in list_runs(store) if each.run_id == first["run_id"].iloc[0])
    assert first["val_loss"].tolist() == [r.val_loss for r in run.folder.read_records()]


def test_polars_has_the_same_columns_and_rows(store: Path) -> None:
    pytest.importorskip("polars")
    pandas, polars = (dropexp.load_runs(store, frame=name) for name in ("pandas", "polars"))
    assert list(pandas.columns) == polars.columns
    assert pandas["best.val_loss"].tolist() == polars["best.val_loss"].to_list()


def test_a_run_without_results_and_a_damaged_one_have_their_status(tmp_path: Path) -> None:
    whole, broken = (tmp_path / f"none-p0-s{seed}-0000000{seed}" for seed in (1, 2))
    for folder in (whole, broken):
        folder.mkdir()
    (broken / "config.yaml").write_text("[")
    frame = dropexp.load_runs(tmp_path)
    assert frame["status"].tolist() == ["damaged"]
    assert frame["setting"].isna().all()


def test_no_run_gives_an_empty_frame(tmp_path: Path) -> None:
    assert len(dropexp.load_runs(tmp_path)) == 0
    assert "val_loss" in dropexp.load_runs(tmp_path, curves=True).columns


def test_what_is_wrong_is_said(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RunsDirError, match="is not a folder"):
        dropexp.load_runs(tmp_path / "nowhere")
    with pytest.raises(FilterError, match="Did you mean"):
        dropexp.load_runs(store, "regularizer=none")
    with pytest.raises(UserError, match="Did you mean pandas"):
        dropexp.load_runs(store, frame="panda")
    monkeypatch.setitem(__import__("sys").modules, "polars", None)
    with pytest.raises(UserError, match="pip install polars"):
        dropexp.load_runs(store, frame="polars")
