"""The table that ends a sweep, over all seeds and settings of its study."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from dropexp.config.compose import compose_run
from dropexp.runs.records import RunSummary
from tests.conftest import Dropexp
from tests.run_folders import write_finished_run


def identify(overrides: tuple[str, ...], summary: RunSummary) -> RunSummary:
    return replace(summary, config_hash=compose_run(list(overrides)).config_hash)


def test_settings_of_earlier_sweeps_and_of_this_one_are_named_alike(
    tmp_path: Path, dropexp: Dropexp
) -> None:
    plain, regularised = ("seed=0",), ("regulariser=dropout2d", "optimiser.lr=0.5", "seed=0")
    for overrides in (plain, regularised):
        write_finished_run(tmp_path / "runs", 1.0, *overrides, change=partial(identify, overrides))
    dropexp("sweep", "study=joined", *plain)
    done = dropexp("sweep", "study=joined", *regularised)
    assert done.returncode == 0, done.stderr
    table = done.stdout.partition("lowest validation loss")[2]
    assert "none optimiser.lr=0.001 " in table
    assert "dropout2d p=0.5 optimiser.lr=0.5 " in table
