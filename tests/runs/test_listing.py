"""Run folders of every status become rows; abbreviated ids."""

from pathlib import Path

import pytest

from dropexp.errors import RunIdError, RunsDirError
from dropexp.runs.files import CONFIG, ERROR, SUMMARY
from dropexp.runs.listed_run import ListedStatus
from dropexp.runs.listing import find_run, list_runs
from dropexp.runs.write import RunFolder
from tests.run_folders import (
    make_record,
    mark_diverged,
    read_statuses,
    write_finished_run,
    write_unfinished_run,
)

# --- reading ----------------------------------------------------------------------------------


def test_each_folder_has_the_status_of_its_files(tmp_path: Path) -> None:
    expected = {
        write_finished_run(tmp_path, 1.0).run_id: ListedStatus.FINISHED,
        write_finished_run(
            tmp_path, 1.0, "seed=1", change=mark_diverged
        ).run_id: ListedStatus.DIVERGED,
        write_unfinished_run(tmp_path, "seed=2").run_id: ListedStatus.INTERRUPTED,
    }
    failed = write_unfinished_run(tmp_path, "seed=3")
    failed.write(ERROR, "Traceback")
    no_json = write_finished_run(tmp_path, 1.0, "seed=4")
    no_json.write(SUMMARY, "{")
    no_yaml = write_finished_run(tmp_path, 1.0, "seed=5")
    no_yaml.write(CONFIG, "a: [")
    no_config = write_finished_run(tmp_path, 1.0, "seed=6")
    (no_config.path / CONFIG).unlink()
    expected |= {failed.run_id: ListedStatus.FAILED}
    expected |= {folder.run_id: ListedStatus.DAMAGED for folder in (no_json, no_yaml, no_config)}
    assert read_statuses(tmp_path) == expected


def test_a_run_whose_lock_is_held_is_running(tmp_path: Path) -> None:
    folder = write_unfinished_run(tmp_path)
    begun = RunFolder(tmp_path, "none-p0-s1-00000000")
    with folder.lock(), begun.lock():
        assert set(read_statuses(tmp_path).values()) == {ListedStatus.RUNNING}
        assert len(read_statuses(tmp_path)) == 2
    assert read_statuses(tmp_path) == {folder.run_id: ListedStatus.INTERRUPTED}


def test_looking_at_a_folder_writes_nothing_to_it(tmp_path: Path) -> None:
    folder = write_unfinished_run(tmp_path)
    before = {path.name for path in folder.path.iterdir()}
    list_runs(tmp_path)
    assert {path.name for path in folder.path.iterdir()} == before


def test_what_is_not_a_run_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "none-p0-s0-00000000").mkdir()
    (tmp_path / "none-p0-s0-11111111").touch()
    assert list_runs(tmp_path) == []
    with pytest.raises(RunsDirError, match="nowhere"):
        list_runs(tmp_path / "nowhere")


def test_a_damaged_folder_says_what_is_wrong_and_keeps_its_config(tmp_path: Path) -> None:
    write_finished_run(tmp_path, 1.0).write(SUMMARY, "{")
    (run,) = list_runs(tmp_path)
    assert "summary.json is damaged" in run.problem
    assert run.values["data.train_size"] == 400


def test_epochs_of_an_unfinished_run_are_the_whole_lines_of_its_metrics(tmp_path: Path) -> None:
    folder = write_unfinished_run(tmp_path)
    folder.write_metrics([make_record(1, 1.0), make_record(2, 1.0)])
    with (folder.path / "metrics.csv").open("a") as file:
        file.write("3,0.00")
    assert [run.epochs for run in list_runs(tmp_path)] == [2]


# --- ids --------------------------------------------------------------------------------------


def test_a_run_is_found_by_what_is_unique(tmp_path: Path) -> None:
    one = write_finished_run(tmp_path, 1.0, "regulariser=dropout2d", "p=0.3")
    for seed in (1, 2):
        write_finished_run(tmp_path, 1.0, f"seed={seed}")
    for text in (one.run_id, "drop", one.run_id[-8:], one.run_id[-8:-4]):
        assert find_run(tmp_path, text).path == one.path
    for text in (str(one.path), str(one.path / CONFIG)):
        assert find_run(tmp_path / "nowhere", text).path == one.path
    with pytest.raises(RunIdError, match=r"none-p0-s1-\w+, none-p0-s2-\w+; give more"):
        find_run(tmp_path, "none")
    with pytest.raises(RunIdError, match=f"Did you mean {one.run_id}"):
        find_run(tmp_path, "dropuot2d-p0.3-s0")


def test_an_id_that_another_one_begins_with_is_itself(tmp_path: Path) -> None:
    whole = write_finished_run(tmp_path, 1.0)
    assert find_run(tmp_path, whole.run_id).path == whole.path
