"""Whatever is not as it was written is found, named, and repaired or set aside."""

import os
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from dropexp.runs.checking import Condition, check_run, check_runs
from dropexp.runs.files import AUDIT, CHECKPOINT, CONFIG, LOCK, METRICS, SUMMARY, WEIGHTS
from dropexp.runs.listed_run import ListedStatus
from dropexp.runs.read import FolderStatus
from dropexp.runs.records import SUMMARY_FORMAT
from dropexp.runs.removal import explain_refusal, remove_run
from dropexp.runs.repairing import SET_ASIDE, Repair, repair_run
from dropexp.runs.write import RunFolder
from tests.run_folders import read_statuses, write_finished_run, write_unfinished_run


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A finished run with all files that have checksums."""
    folder = write_finished_run(tmp_path, 1.0)
    folder.write(WEIGHTS, b"weights")
    folder.write(AUDIT, "{}")
    folder.finish(folder.read_summary(), keep_checkpoint=False)
    assert check_run(folder).condition is Condition.WHOLE
    return folder


def flip_a_bit(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize("name", [CONFIG, METRICS, WEIGHTS, AUDIT, SUMMARY])
def test_a_flipped_bit_and_an_empty_file_are_found_in_every_file(run: RunFolder, name: str) -> None:
    flip_a_bit(run.path / name)
    assert name in check_run(run).damage
    (run.path / name).write_bytes(b"")
    assert name in check_run(run).damage


def test_what_a_table_reads_is_checked_without_reading_all(run: RunFolder) -> None:
    assert run.find_damage(whole=False) == ""
    for name in (CONFIG, METRICS, WEIGHTS):
        before = (run.path / name).read_bytes()
        (run.path / name).write_bytes(b"")
        assert run.find_damage(whole=False) == f"{name} is empty"
        (run.path / name).write_bytes(before)
    (run.path / METRICS).unlink()
    assert run.find_damage(whole=False) == "metrics.csv is missing"
    assert read_statuses(run.path.parent) == {run.run_id: ListedStatus.DAMAGED}


def test_endless_weights_are_not_read(run: RunFolder) -> None:
    os.truncate(run.path / WEIGHTS, 1 << 38)  # sparse: it takes no space
    assert "are allowed" in check_run(run).damage
    os.truncate(run.path / WEIGHTS, 100 << 20)
    tracemalloc.start()
    assert check_run(run).damage == "model.safetensors does not agree with its checksum"
    assert tracemalloc.get_traced_memory()[1] < 10 << 20
    tracemalloc.stop()


def test_weights_that_were_removed_are_no_damage(run: RunFolder) -> None:
    (run.path / WEIGHTS).unlink()
    checked = check_run(run)
    assert checked.condition is Condition.WHOLE
    assert "mc_dropout" in checked.note


def test_a_summary_without_checksums_is_judged_by_what_it_says(run: RunFolder) -> None:
    old = replace(run.read_summary(), files={})
    run.write_summary(old)
    assert check_run(run).condition is Condition.WHOLE
    text = (run.path / METRICS).read_text()
    (run.path / METRICS).write_text(text.replace("1.0", "1.5"))
    assert check_run(run).damage == "metrics.csv does not agree with summary.json"
    (run.path / METRICS).write_text("epoch\nx\n")
    assert check_run(run).damage == "metrics.csv is damaged or missing"
    (run.path / METRICS).write_text(text)
    (run.path / CONFIG).write_text("a: [")
    assert check_run(run).damage == "config.yaml is damaged or missing"


def test_other_conditions_have_names(run: RunFolder, tmp_path: Path) -> None:
    unfinished = write_unfinished_run(tmp_path, "seed=1")
    damaged = write_unfinished_run(tmp_path, "seed=2")
    (damaged.path / CONFIG).write_bytes(b"")
    held = write_unfinished_run(tmp_path, "seed=3")
    link = RunFolder(tmp_path, "none-p0-s4-00000000")
    link.path.symlink_to(run.path)
    written, newer = f'"format": {SUMMARY_FORMAT}', '"format": 99'
    run.write(SUMMARY, (run.path / SUMMARY).read_text().replace(written, newer))
    folders = [run, unfinished, damaged, held, link, RunFolder(tmp_path, "none-p0-s5-00000000")]
    with held.lock():
        conditions = [checked.condition for checked in check_runs(folders)]
    assert conditions == ["newer", "unfinished", "damaged", "training", "damaged"]
    for folder in (run, damaged):
        assert repair_run(check_run(folder)) is Repair.NOTHING
    assert repair_run(check_run(link)) is Repair.UNLINKED
    assert (link.path.is_symlink(), run.is_finished) == (False, True)


def test_leftovers_are_removed_and_a_kept_checkpoint_is_not(tmp_path: Path) -> None:
    run = write_finished_run(tmp_path, 1.0)
    kept = write_finished_run(tmp_path, 1.0, "seed=1", "keep_checkpoint=true")
    for folder in (run, kept):
        folder.write(CHECKPOINT, b"state")
        (folder.path / f".{METRICS}.part").touch()
    assert check_run(run).leftovers == (f".{METRICS}.part", CHECKPOINT)
    for folder in (run, kept):
        assert repair_run(check_run(folder)) is Repair.TIDIED
        assert check_run(folder).condition is Condition.WHOLE
    assert [run.read_checkpoint(0), kept.read_checkpoint(0)] == [None, b"state"]


def test_a_config_is_rebuilt_from_another_seed_if_its_checksum_proves_it(tmp_path: Path) -> None:
    run = write_finished_run(tmp_path, 1.0, "seed=12")
    whole = (run.path / CONFIG).read_bytes()
    write_finished_run(tmp_path, 1.0, "seed=3", "train.epochs=7")  # of another setting
    write_finished_run(tmp_path, 1.0, "seed=4")
    (run.path / CONFIG).write_bytes(b"")
    assert repair_run(check_run(run)) is Repair.REBUILT
    assert (run.path / CONFIG).read_bytes() == whole
    assert not (tmp_path / SET_ASIDE).exists()


def test_results_that_are_lost_are_set_aside_and_the_run_is_left_to_be_trained(
    run: RunFolder, tmp_path: Path
) -> None:
    run.write(CHECKPOINT, b"state")
    flip_a_bit(run.path / METRICS)
    damaged = (run.path / METRICS).read_bytes()
    config = (run.path / CONFIG).read_bytes()
    assert repair_run(replace(check_run(run), leftovers=())) is Repair.RETRAIN
    assert (tmp_path / SET_ASIDE / run.run_id / METRICS).read_bytes() == damaged
    assert run.status is FolderStatus.INTERRUPTED
    assert (run.path / CONFIG).read_bytes() == config
    assert run.read_checkpoint(0) == b"state"  # the run goes on from it
    assert read_statuses(tmp_path) == {run.run_id: ListedStatus.INTERRUPTED}


def test_a_process_that_waits_for_a_repair_gets_the_lock_of_the_runs_folder(
    run: RunFolder, tmp_path: Path
) -> None:
    """A lock that went away with the files would let two processes train the run."""
    with run.lock():
        before = (run.path / LOCK).stat().st_ino
    flip_a_bit(run.path / METRICS)
    assert repair_run(check_run(run)) is Repair.RETRAIN
    assert (run.path / LOCK).stat().st_ino == before
    assert not (tmp_path / SET_ASIDE / run.run_id / LOCK).exists()


def test_a_run_without_its_config_is_set_aside_beside_an_earlier_one(
    run: RunFolder, tmp_path: Path
) -> None:
    (tmp_path / SET_ASIDE / run.run_id).mkdir(parents=True)
    (run.path / CONFIG).write_bytes(b"")
    assert repair_run(check_run(run)) is Repair.SET_ASIDE
    assert (tmp_path / SET_ASIDE / f"{run.run_id}.1" / SUMMARY).exists()
    assert read_statuses(tmp_path) == {}


def test_a_run_without_its_config_can_be_removed_and_a_strange_folder_not(
    run: RunFolder, tmp_path: Path
) -> None:
    (run.path / CONFIG).write_bytes(b"")
    (run.path / "notes.txt").touch()
    assert "may not be a run" in explain_refusal(run, tmp_path)
    (run.path / "notes.txt").unlink()
    assert explain_refusal(run, tmp_path) == ""
    assert remove_run(run) == ""
