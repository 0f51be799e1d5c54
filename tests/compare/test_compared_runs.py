"""Runs of a setting as columns: each column says what the runs say one by one."""

import math
from pathlib import Path

from dropexp.compare import find_runs
from dropexp.compare.compared_runs import NO_RUNS, ComparedRuns
from dropexp.compare.grouping import group_runs
from tests.made_up import AROUND, make_run
from tests.run_folders import mark_diverged, write_finished_run

FIELDS = {**AROUND, "regulariser.name": "dropout2d", "regulariser.p": 0.3}


def make_runs() -> ComparedRuns:
    return ComparedRuns.of(
        make_run(FIELDS, seed, 5, diverged=seed == 1).compared for seed in (2, 0, 1)
    )


def check_columns(runs: ComparedRuns) -> None:
    """Check the columns against the runs themselves."""
    one_by_one = list(runs)
    assert list(runs.run_ids) == [run.run_id for run in one_by_one]
    assert list(runs.seeds) == [run.seed for run in one_by_one]
    assert runs.is_completed == [run.is_completed for run in one_by_one]
    assert runs.is_proven == [run.is_proven for run in one_by_one]
    assert list(runs.threads) == [run.threads for run in one_by_one]
    assert list(runs.read("last.epoch")) == [run.epochs for run in one_by_one]
    assert list(runs.read("rise")) == [run.rise for run in one_by_one]
    losses, known = runs.unpack(("last.val_loss", "best.mc_passes"))
    assert losses[0].tolist() == [run.summary.last.val_loss for run in one_by_one]
    assert known.tolist() == [[True] * len(runs), [False] * len(runs)]
    assert runs.list_known("best.mc_passes") == [False] * len(runs)


def test_columns_say_what_runs_say_in_every_order() -> None:
    runs = make_runs()
    check_columns(runs)
    check_columns(runs.take([2, 0]))
    check_columns(ComparedRuns.join([runs.take([1]), runs]))
    assert runs.take([2, 0])[0] is runs[2]
    assert runs[1:].seeds == [0, 1]
    assert not NO_RUNS.read("last.epoch")
    assert not NO_RUNS.list_known("rise")
    assert not list(NO_RUNS)


def test_columns_of_folders_are_those_of_the_files(tmp_path: Path) -> None:
    for seed in (10, 2):
        write_finished_run(tmp_path, 0.5, f"seed={seed}", "threads=1")
    write_finished_run(tmp_path, 0.5, "seed=3", "threads=2", change=mark_diverged)
    ((setting, batches),) = group_runs(find_runs([], tmp_path).in_view)
    assert (setting.completed.seeds, setting.diverged.seeds) == ([2, 10], [3])
    assert sum(map(len, batches)) == 3
    check_columns(setting.runs)
    assert not any(math.isnan(run.curves["val_loss"][0]) for run in setting.runs)


def test_a_run_whose_data_seed_follows_is_a_setting_where_others_fix_it(tmp_path: Path) -> None:
    for seed in range(3):
        write_finished_run(tmp_path, 0.5, f"seed={seed}")
        if seed != 1:  # the config is the same whether data.seed follows or not
            write_finished_run(tmp_path, 0.6, f"seed={seed}", "data.seed=1")
    settings = [setting for setting, _ in group_runs(find_runs([], tmp_path).in_view)]
    seeds = sorted((setting.fields["data.seed"], setting.completed.seeds) for setting in settings)
    assert seeds == [(0, [0]), (1, [0, 1, 2]), (2, [2])]
