"""Validation curves in a terminal."""

from pathlib import Path

from dropexp.compare.terminal_chart import draw_curves
from tests.run_folders import (
    compare_folder,
    write_finished_run,
)


def test_the_chart_shows_the_baseline_and_the_settings_that_gain_most(tmp_path: Path) -> None:
    losses = {"none": [0.9], "dropout2d p=0.1": [0.8], "dropout2d p=0.2": [0.1]}
    losses |= {"dropout2d p=0.3": [0.5], "dropout2d p=0.4": [0.6]}
    for setting, (loss,) in losses.items():
        curve, overrides = (loss + 0.5, loss), f"regulariser={setting}".split()
        write_finished_run(tmp_path, loss, *overrides, train_losses=curve, val_losses=curve)
    comparison = compare_folder(tmp_path)
    shown = draw_curves(comparison, 100).plain
    assert "none" in shown
    assert [p for p in ("0.1", "0.2", "0.3", "0.4") if f"p={p}" in shown] == ["0.2", "0.3", "0.4"]
    assert draw_curves(comparison, 20).plain == "", "there is no room for it"
