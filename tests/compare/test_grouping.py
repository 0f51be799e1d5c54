"""Runs become settings: their names, their order, and the images they were tested on."""

from pathlib import Path

import pytest

from dropexp.errors import UserError
from tests.run_folders import (
    DROPOUT,
    compare_folder,
    write_finished_run,
)


def test_an_option_of_a_regulariser_is_named_only_where_it_differs(tmp_path: Path) -> None:
    write_finished_run(tmp_path, 1.0)
    write_finished_run(tmp_path, 1.0, "regulariser=dropout2d")
    write_finished_run(tmp_path, 1.0, "regulariser=dropconnect")
    write_finished_run(tmp_path, 1.0, "regulariser=dropconnect", "regulariser.mask=batch")
    assert [row.setting.name for row in compare_folder(tmp_path).rows] == [
        "none",
        "dropconnect p=0.5 regulariser.mask=batch",
        "dropconnect p=0.5 regulariser.mask=example",
        "dropout2d p=0.5",
    ]


def test_rows_are_in_the_order_of_numbers_with_each_baseline_first(tmp_path: Path) -> None:
    for size in (1000, 200):
        write_finished_run(
            tmp_path, 1.0, "regulariser=dropout2d", "p=0.1", f"data.train_size={size}"
        )
        write_finished_run(tmp_path, 1.0, f"data.train_size={size}")
    table = compare_folder(tmp_path)
    assert [row.setting.name for row in table.rows] == [
        "none data.train_size=200",
        "dropout2d p=0.1 data.train_size=200",
        "none data.train_size=1000",
        "dropout2d p=0.1 data.train_size=1000",
    ]
    assert table.axes == {"regulariser.p": (0.0, 0.1), "data.train_size": (200, 1000)}
    assert table.shared["data.name"] == "digits"
    assert "data.train_size" not in table.shared


def test_defaults_that_differ_between_regularisers_are_not_named(tmp_path: Path) -> None:
    """Stochastic depth's p grows with depth unless told otherwise, that of others does not."""
    write_finished_run(tmp_path, 1.0, *DROPOUT.split(), "model.shortcut=true")
    write_finished_run(tmp_path, 1.0, "regulariser=stochastic_depth", "p=0.3")
    names = {row.setting.name for row in compare_folder(tmp_path).rows}
    assert names == {"dropout2d p=0.3", "stochastic_depth p=0.3"}


def test_runs_on_other_images_are_refused_without_allow_mixed(tmp_path: Path) -> None:
    write_finished_run(tmp_path, 1.0)
    write_finished_run(tmp_path, 0.5, "data=mnist")
    write_finished_run(tmp_path, 0.4, "data=mnist", *DROPOUT.split())
    with pytest.raises(UserError, match=r"data\.name is digits in some and mnist in others"):
        compare_folder(tmp_path)
    assert len(compare_folder(tmp_path, "data.name=mnist").rows) == 2
    write_finished_run(tmp_path / "three", 1.0)
    write_finished_run(tmp_path / "three", 0.5, "data=mnist")
    write_finished_run(tmp_path / "three", 0.5, "data=cifar10")
    with pytest.raises(UserError, match=r"cifar10, digits in some and mnist in others"):
        compare_folder(tmp_path / "three")
    mixed = compare_folder(tmp_path, allow_mixed=True)
    (row,) = [row for row in mixed.rows if row.baseline]
    assert row.baseline is not None
    assert "mnist" in row.baseline
    (digits,) = [row for row in mixed.rows if row.setting.fields["data.name"] == "digits"]
    with pytest.raises(UserError, match=r"different images \(data\.name is digits and mnist"):
        compare_folder(tmp_path, allow_mixed=True, baseline=digits.setting.name)


def test_two_fixed_data_seeds_are_two_test_sets(tmp_path: Path) -> None:
    for data_seed in (5, 6):
        write_finished_run(tmp_path, 1.0, f"data.seed={data_seed}")
    with pytest.raises(UserError, match=r"data\.seed"):
        compare_folder(tmp_path)
