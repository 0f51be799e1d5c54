"""The table that ends a sweep, over all seeds and settings of its study."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from dropexp.config.compose import compose_run
from dropexp.runs.records import RunSummary
from tests.conftest import Dropexp
from tests.run_folders import write_finished_run, write_unfinished_run


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


def test_a_plan_says_that_it_waits_for_the_runs_of_another_process(
    tmp_path: Path, dropexp: Dropexp
) -> None:
    (tmp_path / "runs").mkdir()
    with write_unfinished_run(tmp_path / "runs", "seed=5").lock():
        held = dropexp("sweep", "seed=5", "--dry-run").stdout
    free = dropexp("sweep", "seed=5", "--dry-run").stdout
    assert "1 being trained by another process" in held
    assert "one that was stopped, as Ctrl-Z does, holds its runs" in " ".join(held.split())
    assert "another process" not in free
