"""The index of a runs folder: what it says is what the folders say, whatever happens to either."""

import os
import sqlite3
from dataclasses import replace as replace_values
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dropexp.runs import index as index_module
from dropexp.runs.files import SUMMARY
from dropexp.runs.index import INDEX
from dropexp.runs.listed_run import ListedRun
from dropexp.runs.listing import list_runs
from dropexp.runs.records import RunSummary
from dropexp.runs.studies import save_study
from dropexp.runs.write import RunFolder
from dropexp.sweep.grammar import compose_sweep
from dropexp.sweep.plan import make_plan, make_study
from dropexp.sweep.plan_status import PlanStatus
from dropexp.sweep.progress import Watcher
from tests.run_folders import write_finished_run
from tests.runs.indexed import count_rows, describe, list_without_index

pytestmark = pytest.mark.usefixtures("index_small_stores")


def test_finished_runs_are_listed_without_reading_their_files(
    indexed_runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = list_without_index(indexed_runs)
    list_runs(indexed_runs)
    assert count_rows(indexed_runs) == 11  # all but the unfinished and the damaged one
    read = []
    monkeypatch.setattr("dropexp.runs.listing.read_run", lambda folder: read.append(folder.run_id))
    listed = describe(list_runs(indexed_runs))
    assert len(read) == 2
    assert [run for run in expected if run in listed] == listed


def test_a_run_that_has_just_been_written_is_not_yet_indexed(
    indexed_runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change within one tick of the file system's clock would not show in the file's times."""
    monkeypatch.setattr(index_module, "SETTLED_AFTER", 60.0)
    list_runs(indexed_runs)
    assert (indexed_runs / INDEX).exists()
    assert count_rows(indexed_runs) == 0


def test_few_new_runs_are_not_worth_writing(
    indexed_runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_module, "_FEWEST_NEW", 12)
    list_runs(indexed_runs)
    assert not (indexed_runs / INDEX).exists()
    write_finished_run(indexed_runs, 0.5, "seed=77")
    list_runs(indexed_runs)
    assert count_rows(indexed_runs) == 12


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "another format", "no index"])
def test_what_is_no_index_is_replaced_or_left_alone(indexed_runs: Path, kind: str) -> None:
    expected = list_without_index(indexed_runs)
    path = indexed_runs / INDEX
    match kind:
        case "link":
            path.symlink_to(indexed_runs / "nowhere")
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "another format":
            list_runs(indexed_runs)
            with sqlite3.connect(path) as database:
                database.execute("PRAGMA user_version = 7")
            database.close()
        case _:
            path.write_text("no database")
    assert describe(list_runs(indexed_runs)) == expected
    assert describe(list_runs(indexed_runs)) == expected
    assert count_rows(indexed_runs) == (0 if kind == "folder" else 11)
    assert not list(indexed_runs.glob("*.part*"))
    assert not (indexed_runs / "nowhere").exists()


def test_a_folder_that_cannot_be_written_is_read(
    indexed_runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = list_without_index(indexed_runs)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(index_module, "_lock", refuse)
    assert describe(list_runs(indexed_runs)) == expected
    assert not (indexed_runs / INDEX).exists()


def test_a_full_disk_leaves_the_old_index(
    indexed_runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_runs(indexed_runs)
    old = (indexed_runs / INDEX).read_bytes()
    write_finished_run(indexed_runs, 0.5, "seed=77")

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(index_module, "write_file", fail)
    assert len(list_runs(indexed_runs)) == 14
    assert (indexed_runs / INDEX).read_bytes() == old
    assert not list(indexed_runs.glob("*.part*"))


def test_a_second_writer_leaves_it_to_the_first(indexed_runs: Path) -> None:
    expected = list_without_index(indexed_runs)
    with index_module._lock(indexed_runs):
        assert describe(list_runs(indexed_runs)) == expected
        assert not (indexed_runs / INDEX).exists()
    list_runs(indexed_runs)
    assert count_rows(indexed_runs) == 11


def set_hash(config_hash: str, summary: RunSummary) -> RunSummary:
    """Return the summary as that of a run of this config."""
    return replace_values(summary, config_hash=config_hash)


def test_planning_and_watching_find_what_the_folders_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = ["regulariser=none,dropout2d", "p=0.3", "seed=range(3)", f"runs_dir={tmp_path}"]
    request = compose_sweep([*overrides, "study=mine"])
    for config in request.configs[:5]:
        name = config.regulariser.name
        folder = write_finished_run(
            tmp_path,
            0.5,
            f"regulariser={name}",
            "p=0.3",
            f"seed={config.seed}",
            change=partial(set_hash, config.config_hash),
        )
        folder.write("model.safetensors", "weights")
    study = save_study(tmp_path, make_study(request))

    def look() -> tuple[Any, ...]:
        progress = Watcher(tmp_path, study.runs).look()
        ended = sorted((one.run.run_id, one.is_successful) for one in progress.ended)
        return make_plan(request.configs, tmp_path).statuses, ended, progress.best

    expected = look()
    assert list(expected[0].values()).count(PlanStatus.FINISHED) == 5
    list_runs(tmp_path)
    assert count_rows(tmp_path) == 5
    with monkeypatch.context() as patched:
        patched.setattr(RunFolder, "read_summary", None)
        assert look() == expected
    emptied = RunFolder(tmp_path, request.configs[0].run_id)
    os.truncate(emptied.path / "model.safetensors", 0)
    (tmp_path / request.configs[1].run_id / SUMMARY).unlink()
    indexed = look()
    (tmp_path / INDEX).unlink()
    assert indexed == look()
    assert list(indexed[0].values()).count(PlanStatus.INTERRUPTED) == 1


def test_packed_values_are_those_of_the_summary(indexed_runs: Path) -> None:
    list_runs(indexed_runs)
    listed = [run for run in list_runs(indexed_runs) if run.packed is not None]
    assert len(listed) == 11
    for run in listed:
        summary = run.folder.read_summary()
        read = ListedRun(run.runs_dir, run.run_id, run.status, run.changed, run.config, summary)
        assert run.values == read.values
        assert run.epochs == read.epochs
        assert run.metrics_size == read.metrics_size
        assert (run.results_version, run.is_proven) == (read.results_version, read.is_proven)
        for names in (("rise", "area"), ("best.epoch",), ("last.val_loss", "best.mc_passes")):
            assert run.has_numbers(*names) == read.has_numbers(*names)
