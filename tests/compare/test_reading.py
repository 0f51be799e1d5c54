"""Which runs a comparison takes, which it leaves out, and how it reads their curves."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from dropexp.compare import find_runs
from dropexp.compare.notes import describe_notes
from dropexp.compare.table import format_comparison
from dropexp.errors import FilterError, RunIdError, StoreError, UserError
from dropexp.runs.files import ENVIRONMENT, METRICS, SUMMARY
from dropexp.runs.metric_types import EpochChoice
from dropexp.runs.metrics import METRIC_REGISTRY
from dropexp.runs.records import METRICS_COLUMNS, OPTIONAL_COLUMNS, AuditOutcome, RunSummary
from dropexp.runs.write import RunFolder
from dropexp.statistics import Verdict
from tests.run_folders import (
    DROPOUT,
    SummaryChange,
    compare_folder,
    write_finished_run,
)


def test_every_run_that_is_left_out_is_named_with_the_reason(tmp_path: Path) -> None:
    write_finished_run(tmp_path, 1.0)
    damaged = write_finished_run(tmp_path, 1.0, "seed=1")
    (damaged.path / SUMMARY).write_text(json.dumps({"format": 99}))
    cut = write_finished_run(tmp_path, 1.0, "seed=2")
    (cut.path / METRICS).write_bytes(b"")
    interrupted = write_finished_run(tmp_path, 1.0, "seed=3")
    (interrupted.path / SUMMARY).unlink()
    (tmp_path / "not-a-run").mkdir()
    table = compare_folder(tmp_path)
    assert table.rows[0].n == 1
    assert len(table.left_out) == 2
    for folder, word in ((damaged, "damaged"), (cut, "damaged"), (interrupted, "interrup")):
        assert [word in line for line in table.left_out if folder.run_id in line] == [True]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda made: replace(made, audit=AuditOutcome.FAILED), "audit"),
        (lambda made: replace(made, audit=AuditOutcome.SKIPPED), "audit"),
        (lambda made: replace(made, results_version=99), "version"),
    ],
)
def test_unaudited_runs_and_other_versions_are_left_out_without_allow_mixed(
    tmp_path: Path, change: SummaryChange, word: str
) -> None:
    write_finished_run(tmp_path, 1.0)
    odd = write_finished_run(tmp_path, 1.0, *DROPOUT.split(), change=change)
    table = compare_folder(tmp_path)
    assert len(table.rows) == 1
    assert [odd.run_id in line and word in line for line in table.left_out] == [True]
    assert len(compare_folder(tmp_path, allow_mixed=True).rows) == 2


def write_old_run(runs: Path, test_loss: float, *overrides: str) -> RunFolder:
    """Write a run as results version 1 wrote it."""
    folder = write_finished_run(runs, test_loss, *overrides, val_losses=(1.5,))
    plain = json.loads((folder.path / SUMMARY).read_text())
    for block in (plain["best"], plain["last"]):
        for key in OPTIONAL_COLUMNS:
            del block[key]
    plain |= {"results_version": 1, "format": 3}
    del plain["files"]
    (folder.path / SUMMARY).write_text(json.dumps(plain))
    rows = list(csv.DictReader(folder.read_metrics().splitlines()))
    with (folder.path / METRICS).open("w", newline="") as file:
        columns = [column for column in METRICS_COLUMNS if column not in OPTIONAL_COLUMNS]
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return folder


def test_runs_of_an_older_results_version_are_compared_among_themselves(tmp_path: Path) -> None:
    for seed in range(6):
        write_old_run(tmp_path, 1.0, f"seed={seed}")
        write_old_run(tmp_path, 1.5, *DROPOUT.split(), f"seed={seed}")
    table = compare_folder(tmp_path)
    row = table.row("dropout2d p=0.3")
    assert (row.n, row.verdict, row.underfits) == (6, Verdict.WORSE, False)
    assert row.estimates["loss_gap"].value == 1.0  # against clean labels: 1.5 - 0.5
    assert row.setting.runs[0].area == 0.0
    (sentence,) = table.left_out
    for word in ("results version 1", "12 runs", "among themselves", "clean validation labels"):
        assert word in sentence
    for at in (EpochChoice.BEST, EpochChoice.LAST):
        assert "noisy_label_val_loss" not in compare_folder(tmp_path, at=at).rows[0].estimates
    with pytest.raises(UserError, match=r"Add --metric val_loss"):
        compare_folder(tmp_path, at=EpochChoice.MATCHED)
    matched = compare_folder(tmp_path, at=EpochChoice.MATCHED, metric=METRIC_REGISTRY["val_loss"])
    assert matched.rows[0].estimates["val_loss"].value == 1.5
    assert "noisy_label_val_loss" not in matched.rows[0].estimates

    write_finished_run(tmp_path, 1.0, "seed=7")
    table = compare_folder(tmp_path)
    assert [row.n for row in table.rows] == [1]
    (sentence,) = table.left_out
    assert "12 runs left out" in sentence
    assert "version" in sentence


def test_runs_are_chosen_by_id_folder_and_filter(tmp_path: Path) -> None:
    first = write_finished_run(tmp_path / "a", 1.0)
    second = write_finished_run(tmp_path / "b", 1.0, "seed=1")
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    assert compare_folder(tmp_path / "a", first.run_id).rows[0].n == 1
    assert compare_folder(tmp_path, a, b).rows[0].n == 2
    assert compare_folder(tmp_path, a, str(second.path)).rows[0].n == 2
    assert compare_folder(tmp_path, a, b, "seed=1").rows[0].n == 1
    with pytest.raises(RunIdError):
        compare_folder(tmp_path / "a", "dropout2d-p0.3-s0-12345678")
    with pytest.raises(FilterError):
        compare_folder(tmp_path / "a", "data.nam=digits")
    with pytest.raises(UserError, match=r"no run in the folder .* has seed=7"):
        compare_folder(tmp_path / "a", "seed=7")


def test_the_filters_that_no_run_passes_are_named(tmp_path: Path) -> None:
    write_finished_run(tmp_path, 1.0, "study=first")
    write_finished_run(tmp_path, 1.0, "seed=1", "study=second")
    for filters, message in {
        "study=frst seed=1": "has study=frst. Did you mean first?",
        "seed=1 p=0.9": "has p=0.9.",
        "seed=1 study=first": "passes all of seed=1 study=first.",
    }.items():
        with pytest.raises(UserError) as raised:
            compare_folder(tmp_path, *filters.split())
        assert str(raised.value) == f"no run in the folder {tmp_path} {message}"


def test_runs_know_their_threads_and_device(tmp_path: Path) -> None:
    write_finished_run(tmp_path, 1.0, "threads=1", "device=cpu")
    write_finished_run(tmp_path, 1.0, "seed=1", "device=cpu")
    table = compare_folder(tmp_path)
    assert [(run.threads, run.device) for run in table.rows[0].setting.runs] == [
        (1, "cpu"),
        (None, "cpu"),
    ]
    note = "Times are not comparable: the runs used different numbers of threads."
    assert format_comparison(table, None, ["setting", "seconds"])[-1].plain == note
    assert all(line.plain != note for line in format_comparison(table, None))


def test_pairs_with_other_threads_than_their_baseline_are_flagged(tmp_path: Path) -> None:
    noisy = ("regulariser=dropout2d", "p=0.3")
    for seed in (0, 1):
        write_finished_run(tmp_path, 1.0, f"seed={seed}", "threads=1")
    write_finished_run(tmp_path, 0.9, "seed=0", *noisy, "threads=1")
    assert not any("threads" in note.text for note in describe_notes(compare_folder(tmp_path)))
    write_finished_run(tmp_path, 0.9, "seed=1", *noisy, "threads=2")
    (note,) = (n.text for n in describe_notes(compare_folder(tmp_path)) if "threads" in n.text)
    assert "other threads than the baseline (1 and 2): dropout2d p=0.3 (1 pair)." in note


def test_pairs_on_another_processor_than_their_baseline_are_flagged(tmp_path: Path) -> None:
    noisy = ("regulariser=dropout2d", "p=0.3")
    for seed in (0, 1):
        for overrides, processor in (
            ((), "old, AVX2"),
            (noisy, ("old, AVX2", "new, AVX512")[seed]),
        ):
            folder = write_finished_run(tmp_path, 1.0, f"seed={seed}", *overrides)
            folder.write_json(ENVIRONMENT, {"processor": processor})
    unrecorded = write_finished_run(tmp_path, 1.0, "seed=0", "regulariser=dropout2d", "p=0.5")
    assert not unrecorded.read_environment().get("processor")
    (note,) = (n.text for n in describe_notes(compare_folder(tmp_path)) if "processor" in n.text)
    assert "than the baseline (new, AVX512; old, AVX2): dropout2d p=0.3 (1 pair)." in note


def test_a_copied_run_is_no_second_seed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_finished_run(tmp_path / name, 1.0)
    table = compare_folder(tmp_path, str(tmp_path / "a"), str(tmp_path / "b"))
    assert table.rows[0].n == 1
    assert len(table.left_out) == 1


def test_curves_are_read_from_the_file_when_they_are_first_used(tmp_path: Path) -> None:
    curves = {"train_losses": (0.9, 0.5), "val_losses": (1.0, 0.8)}
    folder = write_finished_run(
        tmp_path,
        1.0,
        change=lambda made: replace(made, rise=0.0, area=1.0),
        **curves,
    )
    found_runs = find_runs([], tmp_path).list_runs()
    run = found_runs[0].compared
    assert len(run.curves) == 2
    assert run.curves["val_loss"].tolist() == [1.0, 0.8]
    rows = [list(record.to_row().values()) for record in folder.read_records()]
    assert run.curves.table.tolist() == rows


def test_damaged_curves_are_an_error_only_where_they_are_needed(tmp_path: Path) -> None:
    def known(made: RunSummary) -> RunSummary:
        return replace(made, rise=0.0, area=1.0)

    write_finished_run(tmp_path, 1.0)
    damaged = [
        write_finished_run(tmp_path, 1.0, "seed=1"),
        write_finished_run(tmp_path, 1.0, "seed=2", change=known),
    ]
    for folder in damaged:
        text = (folder.path / METRICS).read_text()
        (folder.path / METRICS).write_text(text.replace("0.9", "0.8", 1))  # one digit
    table = compare_folder(tmp_path)
    assert [damaged[0].run_id in line for line in table.left_out] == [True]
    assert table.rows[0].n == 2  # the other's curves are not needed
    with pytest.raises(StoreError, match="damaged"):
        compare_folder(tmp_path, at=EpochChoice.MATCHED)


@pytest.mark.parametrize("text", ["", "epoch,lr\n"])
def test_curves_without_an_epoch_leave_the_run_out(tmp_path: Path, text: str) -> None:
    write_finished_run(tmp_path, 1.0)
    empty = write_finished_run(
        tmp_path, 1.0, "seed=1", change=lambda made: replace(made, rise=0.0, area=1.0)
    )
    (empty.path / METRICS).write_text(text)
    empty.write_summary(replace(empty.read_summary(), files={}))
    for at in EpochChoice:
        table = compare_folder(tmp_path, at=at)
        word = "no epoch" if text else "damaged"
        assert [empty.run_id in line and word in line for line in table.left_out] == [True]
        assert table.rows[0].n == 1


def test_runs_with_damaged_curves_are_left_out_of_all_that_draws_them(tmp_path: Path) -> None:
    folders = [
        write_finished_run(
            tmp_path, 1.0, f"seed={seed}", change=lambda made: replace(made, rise=0.0, area=1.0)
        )
        for seed in range(2)
    ]
    (folders[1].path / METRICS).write_text("epoch\n1\n" * 100)
    assert len(find_runs([], tmp_path).list_runs()) == 2
    found = find_runs([], tmp_path, with_curves=True)
    assert [run.listed.run_id for run in found.list_runs()] == [folders[0].run_id]
    assert [folders[1].run_id in sentence for sentence in found.left_out] == [True]
    assert "damaged" in found.left_out[0]
