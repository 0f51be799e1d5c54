"""Which setting each setting is compared with."""

from pathlib import Path

import pytest

from dropexp.errors import UserError
from tests.run_folders import (
    DROPOUT,
    NONE,
    compare_folder,
    write_finished_run,
    write_study,
)


def test_a_baseline_has_everything_else_equal(tmp_path: Path) -> None:
    write_finished_run(tmp_path, 1.0)
    write_finished_run(tmp_path, 0.7, "model.shortcut=true")
    write_finished_run(tmp_path, 0.5, "regulariser=stochastic_depth")
    row = compare_folder(tmp_path).row("stochastic_depth p=0.5 model.shortcut=True")
    assert row.baseline == "none model.shortcut=True"
    assert row.difference is not None
    assert row.difference.value == pytest.approx(-0.2)


SITED = ("model=resnet", "regulariser=dropout", "p=0.5")
BEFORE_NORM = "dropout p=0.5 model.dropout_site=before_norm"


def write_sites(tmp_path: Path) -> None:
    write_finished_run(tmp_path, 1.0, "model=resnet", "model.dropout_site=last")
    for site, loss in (("after_norm", 0.9), ("before_norm", 1.3), ("last", 0.8)):
        write_finished_run(tmp_path, loss, *SITED, f"model.dropout_site={site}")


def test_none_is_the_baseline_of_each_site_of_noise(tmp_path: Path) -> None:
    write_sites(tmp_path)
    rows = compare_folder(tmp_path).rows
    assert {row.setting.name: row.baseline for row in rows} == {
        "none": None,
        "dropout p=0.5": "none",
        BEFORE_NORM: "none",
        "dropout p=0.5 model.dropout_site=last": "none",
    }
    alone = compare_folder(tmp_path, "model.dropout_site=before_norm")
    assert alone.row(alone.rows[-1].setting.name).baseline == "none"


def test_a_site_of_noise_can_be_the_baseline_of_the_others(tmp_path: Path) -> None:
    write_sites(tmp_path)
    by_filter = compare_folder(tmp_path, "regulariser=dropout", baseline="model.dropout_site=last")
    row = by_filter.row(BEFORE_NORM)
    assert row.baseline == "dropout p=0.5 model.dropout_site=last"
    assert row.difference is not None
    assert row.difference.value == pytest.approx(0.5)
    of_none = compare_folder(tmp_path, baseline="regulariser=none")
    assert of_none.row(BEFORE_NORM).baseline == "none"


def test_a_setting_without_its_baseline_is_not_tested(tmp_path: Path) -> None:
    write_finished_run(tmp_path, 1.0)
    write_finished_run(tmp_path, 0.5, "regulariser=stochastic_depth")
    row = compare_folder(tmp_path).row("stochastic_depth p=0.5 model.shortcut=True")
    assert (row.baseline, row.verdict, row.pairs) == (None, None, ())


@pytest.mark.parametrize("filters", [["p=0.3"], ["regulariser=dropout2d"], ["p>0.1", "seed<2"]])
def test_a_filter_on_the_regulariser_keeps_its_baseline(tmp_path: Path, filters: list[str]) -> None:
    write_study(tmp_path, {NONE: [1.0, 1.1, 1.2], DROPOUT: [0.7, 0.8, 0.9]})
    write_finished_run(tmp_path, 1.0, "train.epochs=7")  # the baseline of no chosen row
    table = compare_folder(tmp_path, *filters)
    assert [row.baseline for row in table.rows] == [None, "none"]
    seeds = [0, 1] if "seed<2" in filters else [0, 1, 2]
    assert [run.seed for run in table.row("none").setting.runs] == seeds
    alone = compare_folder(tmp_path, *filters, baseline="dropout2d p=0.3")
    assert [row.setting.name for row in alone.rows] == ["dropout2d p=0.3"]


def test_a_setting_can_be_the_baseline_of_all_others(tmp_path: Path) -> None:
    write_finished_run(tmp_path, 1.0)
    write_finished_run(tmp_path, 0.7, *DROPOUT.split())
    write_finished_run(tmp_path, 0.9, "regulariser=dropout2d", "p=0.5", "model.shortcut=true")
    name = "dropout2d p=0.3 model.shortcut=False"
    table = compare_folder(tmp_path, baseline=name)
    assert {row.baseline for row in table.rows} == {None, name}
    assert table.row(name).baseline is None


def test_filters_choose_a_baseline_with_everything_else_equal(tmp_path: Path) -> None:
    for size in (100, 200):
        write_finished_run(tmp_path, 1.0, f"data.train_size={size}")
        write_finished_run(tmp_path, 0.7, f"data.train_size={size}", *DROPOUT.split())
    table = compare_folder(tmp_path, baseline="data.train_size=100")
    assert [row.baseline for row in table.rows if row.setting.fields["data.train_size"] == 200] == [
        "none data.train_size=100",
        "dropout2d p=0.3 data.train_size=100",
    ]
    table = compare_folder(tmp_path, baseline="regulariser=dropout2d p=0.3")
    assert table.row("none data.train_size=200").baseline == "dropout2d p=0.3 data.train_size=200"


@pytest.mark.parametrize("choice", ["dropout3d", "regulariser=dropout2d", "p=0.9"])
def test_a_baseline_that_matches_no_setting_or_several_is_refused(
    tmp_path: Path, choice: str
) -> None:
    write_study(tmp_path, {NONE: [1.0], DROPOUT: [1.0], "regulariser=dropout2d p=0.5": [1.0]})
    with pytest.raises(UserError, match="--baseline"):
        compare_folder(tmp_path, baseline=choice)


def test_a_baseline_that_no_run_passes_is_refused_with_the_values_that_there_are(
    tmp_path: Path,
) -> None:
    write_study(tmp_path, {NONE: [1.0], DROPOUT: [1.0], "regulariser=dropout2d p=0.5": [1.0]})
    with pytest.raises(UserError, match=r"Values of p in them: 0\.0, 0\.3, 0\.5\."):
        compare_folder(tmp_path, baseline="p=0.9")
